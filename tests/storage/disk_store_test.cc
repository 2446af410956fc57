// The disk store beside what the contract says: full disks, failing syncs, a growing map, threads at work.

#include "storage/disk_store.h"

#include <lmdb.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <optional>

#include "crdt/base/prng.h"
#include "tests/storage/disk_fixture.h"

using namespace atolldb;
using namespace atolldb::storage;
using namespace atolldb::storage::testing;
using Catch::Contains;

namespace {

TEST_CASE("disk store: a failed sync, stops the store and nothing is durable afterwards", "[storage][disk]") {
  TemporaryDirectory dir;
  DiskFaults faults;
  DiskStoreOptions options = small_options(dir.path());
  options.faults = &faults;
  auto store = must_recover(options);
  REQUIRE(store->commit({{"before"}, {put("a", "1")}, {}}));
  wait_durable(*store);
  const LogPosition durable = store->poll().durable;
  faults.fail_log_sync = true;
  REQUIRE(store->commit({{"unlucky"}, {put("b", "2")}, {}}));
  Events events = wait_events(*store);
  while (!events.failed) events = wait_events(*store);
  CHECK(events.failed->code == Errc::io);
  CHECK_THAT(events.failed->message, Contains("sync") && Contains(dir.path()));
  CHECK(events.durable == durable);
  faults.fail_log_sync = false;
  CHECK(store->commit({{"after"}, {}, {}}).error().code == Errc::io);
  CHECK_FALSE(store->has_room());
  CHECK_FALSE(store->begin_checkpoint({}));
  CHECK(store->poll().durable == durable);
  Bytes value;
  CHECK(store->get("a", value) == Found::yes);
  store.reset();
  // "unlucky" may have happened or not; what was said to be durable is there.
  std::vector<Bytes> applied;
  options.faults = nullptr;
  must_recover(options, &applied);
  REQUIRE(!applied.empty());
  CHECK(applied[0] == "before");
}

// Commits and checkpoints until the store says that it is full. Returns what was committed.
uint64_t write_until_full(Store& store, uint64_t n, uint64_t limit) {
  const uint64_t first = n;
  for (; n < first + limit; ++n) {
    while (!store.has_room()) {
      if (store.wants_checkpoint() && store.begin_checkpoint({})) continue;
      const auto result = store.commit({{"r"}, {{"refused", std::nullopt}}, {}});
      if (!result && result.error().message.find("disk") != std::string::npos) return n;
      if (const Events events = wait_events(store); events.failed) FAIL(events.failed->message);
    }
    const auto done =
        store.commit({{number_key(n) + Bytes(1000, 'r')}, {put(number_key(n), Bytes(1000, 'v'))}, {}});
    if (!done && done.error().code == Errc::full) {
      --n;
      store.poll();
      continue;
    }
    REQUIRE(done);
    if (n % 16 == 0) store.poll();
    store.release_log(store.log_end());
    if (store.wants_checkpoint()) store.begin_checkpoint({});
  }
  return n;
}

void wait_room(Store& store) {
  while (!store.has_room()) {
    if (store.wants_checkpoint()) store.begin_checkpoint({});
    const Events events = wait_events(store);
    if (events.failed) FAIL(events.failed->message);
  }
}

void check_full_disk(const DiskStoreOptions& options, const std::function<void(bool full)>& set_full,
                     uint64_t rows_until_full) {
  auto store = must_recover(options);
  uint64_t n = write_until_full(*store, 0, rows_until_full);
  set_full(true);
  n = write_until_full(*store, n, 100'000);
  REQUIRE(n < 100'000);
  CHECK_FALSE(store->has_room());
  const LogPosition end = store->log_end();
  const auto refused = store->commit({{"r"}, {put("z", "1")}, {}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::full);
  CHECK(store->log_end() == end);
  Bytes value;
  CHECK(store->get("z", value) == Found::no);
  CHECK(store->get(number_key(0), value) == Found::yes);
  CHECK(store->get(number_key(n - 1), value) == Found::yes);
  CHECK(all_rows(*store).size() == n);
  CHECK_FALSE(store->poll().failed);
  // Rows that are removed leave pages, and those are room: the file does not shrink, nor the disk grow. A
  // segment that comes back just now may be room, too.
  uint64_t removed = 0;
  do {
    REQUIRE(removed < n);
    while (!store->has_reserve()) {
      CAPTURE(removed, n);
      REQUIRE_FALSE(store->disk_full(Room::reserve));
      if (store->wants_checkpoint() && store->begin_checkpoint({})) continue;
      if (const Events events = wait_events(*store); events.failed) FAIL(events.failed->message);
    }
    Batch batch{{"-" + number_key(removed)}, {erase(number_key(removed))}, {}};
    batch.from_reserve = true;
    REQUIRE(store->commit(std::move(batch)));
    store->release_log(store->log_end());
    store->poll();
    if (++removed % 16 != 0) continue;
    while (!store->begin_checkpoint({}))
      if (const Events events = wait_events(*store); events.failed) FAIL(events.failed->message);
    wait_checkpoint(*store);
  } while (!store->has_room());
  REQUIRE(store->commit({{"again"}, {put(number_key(0), "again")}, {}}));
  wait_durable(*store);
  CHECK(all_rows(*store).size() == n - removed + 1);
  set_full(false);
  wait_room(*store);
  REQUIRE(store->commit({{number_key(n) + "last"}, {put(number_key(n), "last")}, {}}));
  wait_durable(*store);
  while (!store->begin_checkpoint({}))
    if (const Events events = wait_events(*store); events.failed) FAIL(events.failed->message);
  wait_checkpoint(*store);
  store.reset();
  store = must_recover(options);
  CHECK(all_rows(*store).size() == n - removed + 2);
}

TEST_CASE("disk store: no space for log and checkpoints, reads go on and writes resume", "[storage][disk]") {
  TemporaryDirectory dir;
  DiskFaults faults;
  DiskStoreOptions options = small_options(dir.path());
  options.faults = &faults;
  check_full_disk(
      options, [&](bool full) { faults.full = full; }, 500);
}

// A file system of a few megabytes, gone with the test.
class SmallFileSystem {
 public:
  explicit SmallFileSystem(const std::string& path) : path_(path) {
    std::filesystem::create_directories(path);
    mounted_ = ::mount("tmpfs", path.c_str(), "tmpfs", 0, "size=12m") == 0;
  }
  ~SmallFileSystem() {
    if (mounted_) ::umount(path_.c_str());
  }
  SmallFileSystem(const SmallFileSystem&) = delete;
  SmallFileSystem& operator=(const SmallFileSystem&) = delete;
  bool mounted() const { return mounted_; }

 private:
  std::string path_;
  bool mounted_ = false;
};

TEST_CASE("disk store: a file system that really fills up, nothing acknowledged is lost", "[storage][disk]") {
  TemporaryDirectory dir;
  const std::string path = dir.path() + "/small";
  const SmallFileSystem small(path);
  if (!small.mounted()) {
    WARN("skipped: mounting a small tmpfs needs root");
    return;
  }
  const DiskStoreOptions options = small_options(path + "/data");
  const std::string ballast = path + "/ballast";
  const auto set_full = [&](bool full) {
    if (!full) {
      std::filesystem::remove(ballast);
      return;
    }
    // Everything but a little: the store finds out by itself.
    const auto space = std::filesystem::space(path);
    write_whole(ballast, std::string(space.available - std::min<uintmax_t>(space.available, 300'000), 'b'));
  };
  check_full_disk(options, set_full, 1000);
}

TEST_CASE("disk store: a map too small for the rows, grows by itself", "[storage][disk]") {
  TemporaryDirectory dir;
  DiskStoreOptions options = small_options(dir.path());
  options.map_bytes = 256u << 10;
  options.memtable_bytes = 8u << 20;
  auto store = must_recover(options);
  for (uint64_t n = 0; n < 3000; ++n) {
    REQUIRE(store->commit({{}, {put(number_key(n), Bytes(1000, 'v'))}, {}}));
    if (n % 1000 != 999) continue;
    REQUIRE(store->begin_checkpoint({}));
    wait_checkpoint(*store);
  }
  CHECK(store->usage().map_bytes > (3u << 20));
  CHECK(all_rows(*store).size() == 3000);
  // And again with the size that the data has by now.
  store.reset();
  store = must_recover(options);
  CHECK(all_rows(*store).size() == 3000);
}

// Of a thread of this process; nothing: the kernel does not tell, or there is no such thread.
std::optional<uint64_t> slice_ns(const std::string& name) {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string comm = read_whole(task.path() / "comm");
    if (comm != name + "\n") continue;
    uint64_t attributes[6] = {sizeof attributes};
    const long id = std::strtol(task.path().filename().c_str(), nullptr, 10);
    if (::syscall(SYS_sched_getattr, id, attributes, sizeof attributes, 0) != 0) return std::nullopt;
    return attributes[3];
  }
  return std::nullopt;
}

// Writers wait for the log's thread, and for none of the others.
TEST_CASE("disk store: the log's thread, preferred to others when it is woken", "[storage][disk]") {
  TemporaryDirectory dir;
  const auto store = must_recover(small_options(dir.path()));
  REQUIRE(store->commit({{"r"}, {}, {}}));
  wait_durable(*store);  // it runs
  REQUIRE(store->begin_checkpoint({}));
  wait_checkpoint(*store);
  const auto others = slice_ns("checkpoint");
  if (others.value_or(0) == 0) {
    WARN("skipped: this kernel has no slices to shorten");
    return;
  }
  CHECK(slice_ns("log") == 100'000u);
  CHECK(*others > 100'000);
}

TEST_CASE("disk store: checkpoints under load, reads see every write at once", "[storage][disk]") {
  TemporaryDirectory dir;
  DiskStoreOptions options = small_options(dir.path());
  options.memtable_bytes = 256u << 10;
  auto store = must_recover(options);
  std::map<Bytes, Bytes> model;
  Prng prng(5);
  for (int i = 0; i < 20'000; ++i) {
    while (!store->has_room()) {
      if (store->wants_checkpoint()) store->begin_checkpoint({});
      wait_events(*store);
    }
    const Bytes key = number_key(prng.below(3000));
    Batch batch{{Bytes(100, 'r')}, {}, {}};
    if (prng.chance(1, 4)) {
      batch.rows.push_back(erase(key));
      model.erase(key);
    } else {
      model[key] = Bytes(100 + prng.below(50), static_cast<char>('a' + i % 26));
      batch.rows.push_back(put(key, model[key]));
    }
    REQUIRE(store->commit(std::move(batch)));
    if (store->wants_checkpoint()) store->begin_checkpoint({});
    const Bytes probe = number_key(prng.below(3000));
    Bytes value;
    const auto it = model.find(probe);
    const Found found = store->get(probe, value);
    if (found != (it == model.end() ? Found::no : Found::yes)) FAIL("a read saw another state");
    if (it != model.end() && value != it->second) FAIL("a read saw another value");
    if (i % 50 == 0) store->poll();
    if (i % 2000 == 0) {
      const bool same = all_rows(*store) == std::vector<std::pair<Bytes, Bytes>>(model.begin(), model.end());
      CHECK(same);
    }
  }
  CHECK(store->usage().checkpoints > 5);
  CHECK(store->usage().log_bytes > 0);
}

TEST_CASE("disk store: a walk during which a checkpoint ends, sees one state throughout", "[storage][disk]") {
  TemporaryDirectory dir;
  DiskFaults hold;
  DiskStoreOptions options = small_options(dir.path());
  options.faults = &hold;
  auto store = must_recover(options);
  for (uint64_t n = 0; n < 500; ++n) REQUIRE(store->commit({{}, {put(number_key(n), "old")}, {}}));
  REQUIRE(store->begin_checkpoint({}));
  wait_checkpoint(*store);
  Batch batch;
  for (uint64_t n = 0; n < 500; ++n)
    batch.rows.push_back(n % 2 == 0 ? erase(number_key(n)) : put(number_key(n), "new"));
  REQUIRE(store->commit(std::move(batch)));
  hold.no_checkpoints = true;
  REQUIRE(store->begin_checkpoint({}));
  wait_events(*store);  // the checkpointer found the disk full
  uint64_t seen = 0;
  const bool undamaged = store->walk("", "\xff", [&](BytesView key, BytesView value) {
    // The walk has its read transaction; only then may the checkpointer write.
    if (seen == 0) hold.no_checkpoints = false;
    if (seen == 1) {
      pollfd bell{store->event_fd(), POLLIN, 0};
      REQUIRE(::poll(&bell, 1, 30'000) == 1);
    }
    CHECK(key == number_key(2 * seen + 1));
    CHECK(value == "new");
    ++seen;
    return true;
  });
  CHECK(undamaged);
  CHECK(seen == 250);
  wait_checkpoint(*store);
  CHECK(all_rows(*store).size() == 250);
}

TEST_CASE("disk store: many checkpoints with reads between polls, the file stays small", "[storage][disk]") {
  TemporaryDirectory dir;
  auto store = must_recover(small_options(dir.path()));
  uint64_t after_ten = 0;
  for (int round = 0; round < 60; ++round) {
    Batch batch;
    for (uint64_t n = 0; n < 200; ++n)
      batch.rows.push_back(put(number_key(n), Bytes(500, static_cast<char>(round))));
    REQUIRE(store->commit(std::move(batch)));
    Bytes value;
    store->get(number_key(0), value);
    REQUIRE(store->begin_checkpoint({}));
    wait_checkpoint(*store);
    store->get(number_key(1), value);
    if (round == 10) after_ten = store->usage().map_bytes;
  }
  CHECK(store->usage().map_bytes <= 2 * after_ten);
}

TEST_CASE("disk store: large values shrink, their chunks' space is used again", "[storage][disk]") {
  TemporaryDirectory dir;
  auto store = must_recover(small_options(dir.path()));
  for (uint64_t n = 0; n < 24; ++n) {
    REQUIRE(store->commit({{}, {put(number_key(n), Bytes(1u << 20, 'v'))}, {}}));
    REQUIRE(store->begin_checkpoint({}));
    wait_checkpoint(*store);
    REQUIRE(store->commit({{}, {n % 2 == 0 ? put(number_key(n), "small") : erase(number_key(n))}, {}}));
    REQUIRE(store->begin_checkpoint({}));
    wait_checkpoint(*store);
  }
  CHECK(store->usage().map_bytes < (8u << 20));
}

// Entries in LMDB, chunks and all. While no store is open.
size_t stored_entries(const DiskStoreOptions& options) {
  MDB_env* env = nullptr;
  MDB_txn* txn = nullptr;
  MDB_dbi dbi;
  MDB_stat stat;
  REQUIRE(mdb_env_create(&env) == 0);
  mdb_env_set_maxdbs(env, 2);
  REQUIRE(mdb_env_open(env, (options.directory + "/rows").c_str(), MDB_RDONLY, 0) == 0);
  REQUIRE(mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn) == 0);
  REQUIRE(mdb_dbi_open(txn, "rows", 0, &dbi) == 0);
  REQUIRE(mdb_stat(txn, dbi, &stat) == 0);
  mdb_txn_abort(txn);
  mdb_env_close(env);
  return stat.ms_entries;
}

TEST_CASE("disk store: erased ranges that end inside the names of long values, leave no chunk behind",
          "[storage][disk]") {
  TemporaryDirectory dir;
  DiskStoreOptions options = small_options(dir.path());
  options.memtable_bytes = 64u << 20;
  // The more than 256 chunks of "k" lie on both sides of the rows that continue its name.
  const std::vector<Bytes> keys = {"k", Bytes("k\0", 2), Bytes("k\1", 2), Bytes("k\1\1", 3)};
  const auto run = [&](Batch::Range range) {
    auto store = must_recover(options);
    Batch batch;
    for (const Bytes& key : keys)
      batch.rows.push_back(put(key, Bytes(key == "k" ? 20u << 20 : 10, static_cast<char>('0' + key.size()))));
    REQUIRE(store->commit(std::move(batch)));
    REQUIRE(store->begin_checkpoint({}));
    wait_checkpoint(*store);
    REQUIRE(store->commit({{}, {}, {}, {std::move(range)}}));
    REQUIRE(store->begin_checkpoint({}));
    wait_checkpoint(*store);
    return all_rows(*store).size();
  };
  CHECK(run({"a", Bytes("k\0", 2)}) == 3);
  CHECK(stored_entries(options) == 3);
  CHECK(run({Bytes("k\0", 2), "l"}) == 1);
  CHECK(stored_entries(options) > 300);
  CHECK(run({"", "l"}) == 0);
  CHECK(stored_entries(options) == 0);
}

TEST_CASE("disk store: checkpoints of thousands of random changes, the file holds just those rows",
          "[storage][disk]") {
  TemporaryDirectory dir;
  DiskStoreOptions options = small_options(dir.path());
  options.memtable_bytes = 8u << 20;
  options.map_bytes = 1u << 20;  // grows in the middle of some
  auto store = must_recover(options);
  Prng prng(7);
  std::map<Bytes, Bytes> model;
  for (int round = 0; round < 6; ++round) {
    if (round == 4) {
      REQUIRE(store->commit({{}, {}, {}, {{number_key(1000), number_key(2500)}}}));
      model.erase(model.lower_bound(number_key(1000)), model.lower_bound(number_key(2500)));
    }
    for (int i = 0; i < 4000; ++i) {
      const Bytes key = number_key(prng.below(6000));
      if (prng.chance(1, 4)) {
        model.erase(key);
        REQUIRE(store->commit({{}, {erase(key)}, {}}));
        continue;
      }
      const size_t bytes = prng.chance(1, 500) ? 150'000 : prng.below(200);
      const Bytes value(bytes, static_cast<char>('a' + prng.below(26)));
      model[key] = value;
      REQUIRE(store->commit({{}, {put(key, value)}, {}}));
    }
    REQUIRE(store->begin_checkpoint({}));
    wait_checkpoint(*store);
    CHECK((all_rows(*store) == std::vector<std::pair<Bytes, Bytes>>(model.begin(), model.end())));
  }
  store.reset();
  store = must_recover(options);
  CHECK((all_rows(*store) == std::vector<std::pair<Bytes, Bytes>>(model.begin(), model.end())));
}

TEST_CASE("disk store: periodic durability, says durable before the sync and syncs soon", "[storage][disk]") {
  TemporaryDirectory dir;
  DiskStoreOptions options = small_options(dir.path());
  options.durability = Durability::periodic;
  auto store = must_recover(options);
  for (int i = 0; i < 50; ++i) {
    REQUIRE(store->commit({{Bytes(3000, 'r')}, {put("k", number_key(i))}, {}}));
    wait_durable(*store);
  }
  // One sync a segment that was filled, and perhaps a few periods; never one a record.
  CHECK(store->usage().syncs < 25);
  // A checkpoint waits for the sync and not only for the write.
  REQUIRE(store->begin_checkpoint({}));
  wait_checkpoint(*store);
  CHECK(store->usage().syncs > 0);
  store.reset();
  std::vector<Bytes> applied;
  store = must_recover(options, &applied);
  CHECK(applied.empty());
  Bytes value;
  CHECK(store->get("k", value) == Found::yes);
}

TEST_CASE("disk store: a directory rolled back to an older copy, opens as it was then", "[storage][disk]") {
  TemporaryDirectory dir;
  const DiskStoreOptions options = small_options(dir.path() + "/data");
  LogPosition old_end;
  {
    auto store = must_recover(options);
    REQUIRE(store->commit({{"a"}, {put("a", "1")}, {}}));
    REQUIRE(store->begin_checkpoint({}));
    wait_checkpoint(*store);
    REQUIRE(store->commit({{"b"}, {}, {}}));
    wait_durable(*store);
    old_end = store->log_end();
  }
  copy_directory(options.directory, dir.path() + "/copy");
  {
    auto store = must_recover(options);
    REQUIRE(store->commit({{"c"}, {put("a", "2")}, {}}));
    wait_durable(*store);
    REQUIRE(store->begin_checkpoint({}));
    wait_checkpoint(*store);
    CHECK(store->log_end() > old_end);
  }
  copy_directory(dir.path() + "/copy", options.directory);
  std::vector<Bytes> applied;
  auto store = must_recover(options, &applied);
  CHECK(applied == std::vector<Bytes>{"b"});
  Bytes value;
  CHECK(store->get("a", value) == Found::yes);
  CHECK(value == "1");
  // Peers that know a later position see that this disk is not its latest.
  CHECK(store->log_end() == old_end);
  CHECK_FALSE(store->log_damaged());
}

TEST_CASE("disk store: records in all states of writing, can be read at once", "[storage][disk]") {
  TemporaryDirectory dir;
  auto store = must_recover(small_options(dir.path()));
  std::map<LogPosition, Bytes> records;
  Prng prng(8);
  for (int i = 0; i < 2000; ++i) {
    const Bytes record = number_key(prng.next()) + Bytes(prng.below(200) * prng.below(200), 'r');
    const auto at = store->commit({{record}, {}, {}});
    REQUIRE(at);
    records[at->at(0)] = record;
    const auto probe = std::next(records.begin(), static_cast<ptrdiff_t>(prng.below(records.size())));
    for (const LogPosition position : {at->at(0), probe->first}) {
      const auto read = store->read_log(position);
      if (!read || *read != records[position]) FAIL("a record was read wrong at " << position.value);
    }
  }
  CHECK(store->read_log({records.rbegin()->first.value + 8}).error().code != Errc::io);
}

}  // namespace
