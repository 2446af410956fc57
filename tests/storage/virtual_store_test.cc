// The virtual disk and the store on it, driven by hand: what a crash keeps, what a piece of work is, and that
// a run is a function of its seed.

#include "storage/virtual_store.h"

#include <catch2/catch.hpp>

#include "tests/storage/store_harness.h"

using namespace atolldb;
using namespace atolldb::storage;
using namespace atolldb::storage::testing;

namespace {

constexpr Instant at(int64_t ms) { return Instant{0} + Duration::millis(ms); }

VirtualStoreOptions small() {
  VirtualStoreOptions options;
  options.log_segment_bytes = 64u << 10;
  return options;
}

// A store that has recovered, and its spare segments made.
std::unique_ptr<VirtualStore> started(VirtualDisk& disk, std::vector<Bytes>* applied = nullptr,
                                      const VirtualStoreOptions& options = small()) {
  static uint64_t incarnation = 0;
  auto store = std::make_unique<VirtualStore>(disk, options, ++incarnation);
  const Status status = store->recover(nullptr, [&](LogPosition, BytesView record) {
    if (applied) applied->emplace_back(record);
    return true;
  });
  if (!status) FAIL(status.error().message);
  store->run(at(0));
  store->poll();
  return store;
}

std::vector<Bytes> records_after_restart(VirtualDisk& disk) {
  std::vector<Bytes> applied;
  started(disk, &applied);
  return applied;
}

TEST_CASE("virtual store: what is committed while a group syncs, gathers in the next one", "[storage]") {
  VirtualDisk disk;
  auto store = started(disk);
  REQUIRE(store->commit({{"a"}, {}, {}}));
  REQUIRE(store->begin(Job::log, at(0)));
  CHECK_FALSE(store->begin(Job::log, at(0)));
  const LogPosition first = store->log_end();
  REQUIRE(store->commit({{"b", "c"}, {}, {}}));
  CHECK_FALSE(store->has_news());
  store->complete(Job::log, at(1));
  CHECK(store->has_news());
  CHECK(store->poll().durable == first);
  CHECK_FALSE(store->has_news());
  const uint64_t syncs = store->usage().syncs;
  REQUIRE(store->begin(Job::log, at(1)));
  store->complete(Job::log, at(2));
  CHECK(store->poll().durable == store->log_end());
  CHECK(store->usage().syncs == syncs + 1);
  CHECK_FALSE(store->begin(Job::log, at(2)));
}

TEST_CASE("virtual store: power is cut, what was synced is there and of the rest anything may be",
          "[storage]") {
  VirtualDisk disk;
  {
    auto store = started(disk);
    REQUIRE(store->commit({{"a", "b"}, {}, {}}));
    store->run(at(1));
    REQUIRE(store->commit({{Bytes(3000, 'c')}, {}, {}}));
    REQUIRE(store->begin(Job::log, at(2)));
  }
  VirtualDisk process_died = disk;
  CHECK(records_after_restart(process_died).size() == 3);
  size_t lost = 0, kept = 0;
  for (uint64_t seed = 0; seed < 600; ++seed) {
    VirtualDisk cut = disk;
    Prng prng(seed);
    cut.cut_power(prng);
    CHECK_FALSE(cut.has_unsynced());
    const auto records = records_after_restart(cut);
    REQUIRE(records.size() >= 2);
    CHECK(records[1] == "b");
    ++(records.size() == 3 ? kept : lost);
  }
  CHECK(lost > 500);  // seven sectors have to be there
  CHECK(kept > 0);
}

TEST_CASE("virtual store: recovery, syncs what it hands out", "[storage]") {
  VirtualDisk disk;
  {
    auto store = started(disk);
    REQUIRE(store->commit({{"a"}, {}, {}}));
    REQUIRE(store->begin(Job::log, at(1)));
  }
  CHECK(records_after_restart(disk) == std::vector<Bytes>{"a"});
  Prng prng(1);
  disk.cut_power(prng);
  CHECK(records_after_restart(disk) == std::vector<Bytes>{"a"});
}

TEST_CASE("virtual store: a checkpoint, waits for the records that its rows come from", "[storage]") {
  VirtualDisk disk;
  {
    auto store = started(disk);
    REQUIRE(store->commit({{"a"}, {put("a", "1")}, {}}));
    REQUIRE(store->begin_checkpoint({}));
    CHECK_FALSE(store->begin(Job::checkpoint, at(1)));
    REQUIRE(store->begin(Job::log, at(1)));
    CHECK_FALSE(store->begin(Job::checkpoint, at(1)));
    store->complete(Job::log, at(2));
    REQUIRE(store->begin(Job::checkpoint, at(2)));
    CHECK_FALSE(store->poll().checkpoint_done);
    store->complete(Job::checkpoint, at(3));
    CHECK(store->poll().checkpoint_done);
    CHECK_FALSE(store->poll().checkpoint_done);
    REQUIRE(store->commit({{"b"}, {put("b", "2")}, {}}));
  }
  auto store = started(disk);
  CHECK(all_rows(*store) == std::vector<std::pair<Bytes, Bytes>>{{"a", "1"}});
}

TEST_CASE("virtual store: a sync fails, nothing is durable afterwards and a restart may lose it",
          "[storage]") {
  VirtualDisk disk;
  {
    auto store = started(disk);
    REQUIRE(store->commit({{"a"}, {}, {}}));
    store->run(at(1));
    const LogPosition durable = store->poll().durable;
    REQUIRE(store->commit({{"b"}, {}, {}}));
    disk.failing_syncs = 1;
    store->run(at(2));
    CHECK(store->has_news());
    const Events events = store->poll();
    REQUIRE(events.failed);
    CHECK(events.failed->code == Errc::io);
    CHECK(events.durable == durable);
    CHECK(store->commit({{"c"}, {}, {}}).error().code == Errc::io);
    CHECK_FALSE(store->has_room());
    store->run(at(3));
    CHECK(store->poll().durable == durable);
  }
  // The page cache has it, the disk has not, and no later sync writes it.
  CHECK(disk.has_unsynced());
  VirtualDisk process_died = disk;
  CHECK(records_after_restart(process_died) == std::vector<Bytes>{"a", "b"});
  size_t lost = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    VirtualDisk cut = disk;
    Prng prng(seed);
    cut.cut_power(prng);
    lost += records_after_restart(cut) == std::vector<Bytes>{"a"};
  }
  CHECK(lost > 20);
  CHECK(lost < 100);
}

TEST_CASE("virtual store: a disk that is full, refuses writes, reads on and resumes", "[storage]") {
  VirtualDisk disk;
  auto store = started(disk);
  REQUIRE(store->commit({{"a"}, {put("a", "1")}, {}}));
  store->run(at(0));
  disk.capacity_bytes = disk.used_bytes();
  int64_t ms = 1;
  uint64_t n = 0;
  for (; n < 1000; ++n) {
    const auto done = store->commit({{Bytes(1000, 'r')}, {put(number_key(n), "v")}, {}});
    store->run(at(++ms));
    store->poll();
    if (done) continue;
    CHECK(done.error().code == Errc::full);
    break;
  }
  REQUIRE(n < 1000);
  CHECK(n > 50);  // the segment that was there took what had been accepted
  CHECK_FALSE(store->has_room());
  CHECK(store->disk_full());
  REQUIRE(store->begin_checkpoint({}));
  store->run(at(ms));
  CHECK(store->poll().checkpoint_done);  // space for it was kept back
  Bytes value;
  CHECK(store->get("a", value) == Found::yes);
  CHECK(store->get(number_key(n - 1), value) == Found::yes);
  // It is tried again by itself, and not before.
  const Instant retry = store->wake_at();
  REQUIRE(retry != Instant::never());
  CHECK(retry > at(ms));
  disk.capacity_bytes = UINT64_MAX;
  store->run(at(ms));
  CHECK_FALSE(store->has_room());
  store->run(retry + Duration::millis(200));
  store->poll();
  CHECK(store->has_room());
  CHECK_FALSE(store->disk_full());
  CHECK(store->wake_at() == Instant::never());
  CHECK(store->commit({{"b"}, {put("b", "2")}, {}}));
}

// A disk that rows have filled up.
struct FullDisk {
  FullDisk() {
    VirtualStoreOptions options = small();
    options.memtable_bytes = 32u << 10;
    store = started(disk, nullptr, options);
    disk.capacity_bytes = disk.used_bytes() + 600'000;
    while (step()) {
      const Bytes key = number_key(n);
      if (!store->commit({{key}, {put(key, Bytes(2000, 'v'))}, {}})) break;
      rows[key] = Bytes(2000, 'v');
      ++n;
    }
    step();
  }
  // All the work there is. False: nothing more is taken as things stand.
  bool step() {
    for (int i = 0; i < 4; ++i) {
      store->run(at(++ms));
      store->poll();
      if (release) store->release_log(store->log_end());
      if (store->wants_checkpoint()) store->begin_checkpoint({});
    }
    return store->has_room() && n < 10'000;
  }
  Result<std::vector<LogPosition>> remove(uint64_t number) {
    Batch batch{{"-" + number_key(number)}, {erase(number_key(number))}, {}};
    batch.from_reserve = true;
    auto done = store->commit(std::move(batch));
    if (done) rows.erase(number_key(number));
    return done;
  }

  VirtualDisk disk;
  std::unique_ptr<VirtualStore> store;
  std::map<Bytes, Bytes> rows;
  uint64_t n = 0;
  int64_t ms = 0;
  bool release = true;
};

TEST_CASE("virtual store: a full disk, removes are taken and what they free is room again", "[storage]") {
  FullDisk full;
  REQUIRE(full.n > 100);
  REQUIRE(full.n < 10'000);
  const uint64_t used = full.disk.used_bytes();
  for (int round = 0; round < 3; ++round) {
    CHECK(full.store->room() == Room::reserve);
    CHECK(full.store->disk_full());
    CHECK_FALSE(full.store->disk_full(Room::reserve));
    const auto refused = full.store->commit({{"r"}, {put("z", "1")}, {}});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::full);
    uint64_t removed = 0;
    while (!full.store->has_room()) {
      REQUIRE(removed < full.rows.size());
      REQUIRE(full.remove(static_cast<uint64_t>(round) * 50 + removed++));
      full.step();
    }
    CHECK(removed < 50);
    // Writes fill it again, without having been given any space.
    while (full.step()) {
      const Bytes key = number_key(full.n);
      if (!full.store->commit({{key}, {put(key, Bytes(2000, 'w'))}, {}})) break;
      full.rows[key] = Bytes(2000, 'w');
      ++full.n;
    }
    full.step();
  }
  CHECK(full.disk.used_bytes() <= std::max(used, full.disk.capacity_bytes));
  CHECK(full.store->poll().durable == full.store->log_end());
  full.store.reset();
  full.disk.capacity_bytes = UINT64_MAX;
  auto store = started(full.disk);
  std::vector<std::pair<Bytes, Bytes>> kept(full.rows.begin(), full.rows.end());
  for (const auto& [key, value] : all_rows(*store))
    if (full.rows[key] != value) FAIL("row " << key);
}

TEST_CASE("virtual store: the reserve of a full disk, ends with a clear answer and keeps what it took",
          "[storage]") {
  FullDisk full;
  std::vector<Bytes> taken;
  const Bytes record(3000, 'r');
  for (int i = 0; i < 1000 && full.store->has_reserve(); ++i) {
    Batch batch{{record + std::to_string(i)}, {put("grows" + std::to_string(i), Bytes(3000, 'g'))}, {}};
    batch.from_reserve = true;
    REQUIRE(full.store->commit(std::move(batch)));
    taken.push_back(record + std::to_string(i));
    full.store->run(at(++full.ms));
    full.store->poll();
  }
  CHECK(taken.size() > 10);
  CHECK(taken.size() < 1000);
  CHECK(full.store->room() == Room::none);
  CHECK(full.store->poll().durable == full.store->log_end());
  const auto refused = full.store->commit({{"r"}, {put("z", "1")}, {}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::full);
  full.store.reset();
  full.disk.cut_power(*std::make_unique<Prng>(7));
  std::vector<Bytes> applied;
  auto store = started(full.disk, &applied);
  REQUIRE(applied.size() >= taken.size());
  CHECK(std::equal(taken.rbegin(), taken.rend(), applied.rbegin()));
}

TEST_CASE("virtual store: a full disk, the log that only streams need makes way for removes", "[storage]") {
  FullDisk full;
  full.release = false;
  const LogPosition begin = full.store->log_begin();
  for (uint64_t i = 0; i < full.n; ++i) {
    Batch batch{{Bytes(2000, 'd')}, {erase(number_key(i))}, {}};
    batch.from_reserve = true;
    CAPTURE(i, full.n);
    REQUIRE(full.store->has_reserve());
    REQUIRE(full.store->commit(std::move(batch)));
    full.step();
  }
  CHECK(full.store->log_begin() > begin);
  CHECK(full.store->has_room());
  CHECK(all_rows(*full.store).empty());
}

TEST_CASE("virtual store: a node that starts on a full disk, has its reserve", "[storage]") {
  FullDisk full;
  full.store.reset();
  VirtualStoreOptions options = small();
  options.memtable_bytes = 32u << 10;
  full.store = started(full.disk, nullptr, options);
  full.disk.capacity_bytes = 0;
  CHECK(full.store->has_reserve());
  full.release = false;
  while (full.step()) REQUIRE(full.store->commit({{Bytes(1000, 'r')}, {}, {}}));
  CHECK(full.store->room() == Room::reserve);
  REQUIRE(full.remove(0));
  full.step();
  CHECK(full.store->poll().durable == full.store->log_end());
}

TEST_CASE("virtual store: a table that has to grow, grows at the next poll", "[storage]") {
  VirtualDisk disk;
  VirtualStoreOptions options = small();
  options.map_bytes = 3000;
  auto store = started(disk, nullptr, options);
  REQUIRE(store->commit({{}, {put("a", Bytes(10'000, 'v'))}, {}}));
  REQUIRE(store->begin_checkpoint({}));
  for (int round = 0; round < 2; ++round) {
    store->run(at(round));
    CHECK(store->has_news());
    CHECK_FALSE(store->poll().checkpoint_done);
  }
  store->run(at(3));
  CHECK(store->poll().checkpoint_done);
}

TEST_CASE("virtual store: a damaged synced record, lost memory until a checkpoint covers it", "[storage]") {
  VirtualDisk disk;
  LogPosition end;
  {
    auto store = started(disk);
    const auto positions = store->commit({{"a", "b", "c"}, {}, {}});
    store->run(at(1));
    REQUIRE(store->commit({{"d"}, {}, {}}));
    store->run(at(2));
    end = store->log_end();
    store.reset();
    REQUIRE(disk.damage_record(positions->at(1)));
    CHECK_FALSE(disk.damage_record({positions->at(1).value + 8}));
  }
  for (int restart = 0; restart < 2; ++restart) {
    std::vector<Bytes> records;
    auto store = started(disk, &records);
    CHECK(records == std::vector<Bytes>{"a"});
    CHECK(store->log_damaged());
    CHECK(store->log_end() > end);
    if (restart == 0) continue;
    REQUIRE(store->begin_checkpoint({}));
    store->run(at(1));
    CHECK(store->poll().checkpoint_done);
  }
  CHECK_FALSE(started(disk)->log_damaged());
}

TEST_CASE("virtual store: rows damaged while it runs, found at once and never handed out", "[storage]") {
  VirtualDisk disk;
  auto store = started(disk);
  REQUIRE(store->commit({{}, {put("aa", "1"), put("bb", "2"), put("cc", "3")}, {}}));
  REQUIRE(store->begin_checkpoint({}));
  store->run(at(1));
  store->poll();
  CHECK_FALSE(disk.damage_row("zz"));
  REQUIRE(disk.damage_row("aa"));
  REQUIRE(disk.damage_row_key("bb", 8));
  REQUIRE(disk.lose_row("cc"));
  Bytes value;
  CHECK(store->get("aa", value) == Found::damaged);
  CHECK(store->get("bb", value) == Found::no);
  CHECK(store->get("cc", value) == Found::no);
  bool undamaged = store->walk("aaa", "z", [](BytesView, BytesView) { return true; });
  CHECK_FALSE(undamaged);
  CHECK(disk.row_keys() == std::vector<Bytes>{"aa", "bc"});
}

TEST_CASE("virtual store: a copied disk, is a disk of its own from then on", "[storage]") {
  VirtualDisk disk;
  auto store = started(disk);
  REQUIRE(store->commit({{"a"}, {put("a", "1")}, {}}));
  store->run(at(1));
  VirtualDisk older = disk;
  REQUIRE(store->commit({{"b"}, {put("a", "2")}, {}}));
  store->run(at(2));
  store.reset();
  CHECK(records_after_restart(older) == std::vector<Bytes>{"a"});
  CHECK(records_after_restart(disk) == std::vector<Bytes>{"a", "b"});
}

TEST_CASE("virtual store: one seed, the same bytes twice", "[storage]") {
  const auto run = [](uint64_t seed) {
    Prng prng(seed);
    VirtualDisk disk;
    std::string trace;
    for (uint64_t life = 0; life < 10; ++life) {
      VirtualStore store(disk, small(), prng.next());
      const Status recovered = store.recover(nullptr, [&](LogPosition position, BytesView record) {
        trace += std::to_string(position.value) + ":" + std::to_string(record.size()) + " ";
        return true;
      });
      REQUIRE(recovered);
      for (int64_t ms = 0; ms < 200; ++ms) {
        REQUIRE(store.commit({{Bytes(prng.below(3000), 'r')}, {put(number_key(prng.below(50)), "v")}, {}}));
        const Job job = kJobs[prng.below(3)];
        if (store.busy(job))
          store.complete(job, at(ms));
        else
          store.begin(job, at(ms));
        if (prng.chance(1, 50)) store.begin_checkpoint({});
        store.poll();
      }
      store.finish_some(prng, at(200));
      disk.cut_power(prng);
      for (const auto& [path, bytes] : disk.files()) trace += path + "=" + std::to_string(bytes) + " ";
    }
    return trace;
  };
  const std::string trace = run(7);
  CHECK(trace.size() > 1000);
  CHECK(run(7) == trace);
  CHECK(run(8) != trace);
}

}  // namespace
