// A process that commits, checkpoints and is killed at random moments, many times on one directory: whatever
// it was told to be durable is there, nothing is torn, and rows, meta and records speak of one moment.

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <map>
#include <new>

#include "crdt/base/prng.h"
#include "tests/storage/disk_fixture.h"

using namespace atolldb;
using namespace atolldb::storage;
using namespace atolldb::storage::testing;

namespace {

constexpr uint64_t kRows = 50;

// What the child tells the parent, in memory that outlives it.
struct Told {
  std::atomic<uint64_t> durable{0};      // updates up to this one
  std::atomic<uint64_t> position{0};     // the log position that was said to be durable
  std::atomic<uint64_t> checkpoints{0};  // over all rounds
  std::atomic<uint64_t> starts{0};       // recoveries that ended
};

uint64_t number(BytesView bytes) {
  uint64_t n = 0;
  for (size_t i = 0; i < 8; ++i) n = n << 8 | static_cast<uint8_t>(bytes.at(i));
  return n;
}

// Update n sets row n mod kRows to n. Its record is n and filler that depends on n.
Bytes record_of(uint64_t n) { return number_key(n) + Bytes(n * 37 % 5000, static_cast<char>(n)); }
Batch::Change row_of(uint64_t n) {
  return put("row" + number_key(n % kRows), number_key(n) + Bytes(n % 700, static_cast<char>(n)));
}

void apply(Store& store, uint64_t n) {
  if (!store.commit({{}, {row_of(n)}, {put("last", number_key(n))}})) ::_exit(3);
}

[[noreturn]] void run_child(const DiskStoreOptions& options, Told& told) {
  auto store = DiskStore::open(options);
  if (!store) ::_exit(2);
  uint64_t n = 0;
  Bytes last;
  const Status recovered = (*store)->recover(nullptr, [&](LogPosition, BytesView record) {
    apply(**store, number(record));
    return true;
  });
  if (!recovered) ::_exit(4);
  if ((*store)->get_meta("last", last) == Found::yes) n = number(last);
  told.starts.fetch_add(1);
  std::vector<std::pair<LogPosition, uint64_t>> waiting;
  for (;;) {
    if ((*store)->has_room()) {
      Batch batch;
      for (uint64_t group = 1 + n % 7; group > 0; --group) {
        ++n;
        batch.records.push_back(record_of(n));
        batch.rows.push_back(row_of(n));
      }
      batch.meta.push_back(put("last", number_key(n)));
      const auto at = (*store)->commit(std::move(batch));
      if (!at) ::_exit(5);
      waiting.emplace_back(at->back(), n);
    }
    if ((*store)->wants_checkpoint()) (*store)->begin_checkpoint({put("frozen at", number_key(n))});
    const Events events = (*store)->poll();
    if (events.failed) ::_exit(6);
    if (events.checkpoint_done) told.checkpoints.fetch_add(1);
    size_t done = 0;
    while (done < waiting.size() && waiting[done].first < events.durable)
      told.durable = waiting[done++].second;
    waiting.erase(waiting.begin(), waiting.begin() + static_cast<ptrdiff_t>(done));
    told.position = events.durable.value;
    if (n > 500)
      (*store)->release_log({events.durable.value - std::min<uint64_t>(events.durable.value, 200'000)});
  }
}

void check_after_crash(const DiskStoreOptions& options, const Told& told) {
  auto store = must_open(options);
  uint64_t n = 0;
  std::map<Bytes, Bytes> rows;
  Bytes bytes;
  if (store->get_meta("last", bytes) == Found::yes) {
    n = number(bytes);
    REQUIRE(store->get_meta("frozen at", bytes) == Found::yes);
    REQUIRE(number(bytes) == n);
  }
  // The rows are exactly those of the checkpoint.
  for (uint64_t i = n < kRows ? 1 : n - kRows + 1; i <= n; ++i) rows[row_of(i).key] = *row_of(i).value;
  REQUIRE(all_rows(*store) == std::vector<std::pair<Bytes, Bytes>>(rows.begin(), rows.end()));
  const Status status = store->recover(
      [&](LogPosition, BytesView record) { return Bytes(record) == record_of(number(record)); },
      [&](LogPosition, BytesView record) {
        ++n;
        return Bytes(record) == record_of(n);
      });
  if (!status) FAIL(status.error().message);
  CHECK(n >= told.durable.load());
  CHECK(store->log_end().value >= told.position.load());
  CHECK_FALSE(store->log_damaged());
}

TEST_CASE("disk store: killed at random moments, everything that was durable is there", "[storage][crash]") {
  TemporaryDirectory dir;
  DiskStoreOptions options = small_options(dir.path());
  options.memtable_bytes = 32u << 10;
  void* shared = ::mmap(nullptr, sizeof(Told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(shared != MAP_FAILED);
  Told& told = *new (shared) Told;
  Prng prng(GENERATE(1u, 2u));
  uint64_t last = 0;
  // On a slow disk it takes more of them until the rounds have been about something.
  const auto enough = [&] { return told.durable.load() > 1000 && told.checkpoints.load() > 10; };
  for (int round = 0; round < 40 || (round < 400 && !enough()); ++round) {
    const uint64_t starts = told.starts.load();
    const pid_t child = ::fork();
    if (child == 0) run_child(options, told);
    // Most are killed at work, some while they start.
    if (!prng.chance(1, 4))
      while (told.starts.load() == starts) ::usleep(500);
    ::usleep(static_cast<useconds_t>(prng.below(50'000)));
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    INFO("round " << round << ", child ended with " << status);
    REQUIRE(WIFSIGNALED(status));
    CHECK(told.durable.load() >= last);
    last = told.durable.load();
    check_after_crash(options, told);
  }
  CHECK(enough());
  ::munmap(shared, sizeof(Told));
}

}  // namespace
