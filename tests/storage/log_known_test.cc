// Recovery of a log whose history the caller knows already: what is not read, and what is noticed all the
// same.

#include <catch2/catch.hpp>
#include <set>

#include "storage/virtual_store.h"
#include "tests/storage/store_harness.h"

using namespace atolldb;
using namespace atolldb::storage;
using namespace atolldb::storage::testing;

namespace {

struct HandedOut {
  std::set<LogPosition> old, applied;
};

VirtualStoreOptions options() {
  VirtualStoreOptions options;
  options.log_segment_bytes = 64u << 10;
  options.automatic = true;
  return options;
}

// A disk with some 40 segments, checkpointed up to somewhere in the last but a few.
struct Disk {
  VirtualDisk disk;
  std::set<LogPosition> old, applied;
  uint64_t incarnation = 0;

  Disk() {
    VirtualStore store(disk, options(), ++incarnation);
    REQUIRE(store.recover(nullptr, nullptr));
    const auto fill = [&](int count, std::set<LogPosition>& into) {
      for (int i = 0; i < count; ++i) {
        auto at = store.commit({{Bytes(5'000, 'r')}, {}, {}});
        REQUIRE(at);
        into.insert(at->front());
        while (store.poll().durable < store.log_end()) {
        }
      }
    };
    fill(450, old);
    REQUIRE(store.begin_checkpoint({}));
    while (!store.poll().checkpoint_done) {
    }
    fill(20, applied);
  }

  std::unique_ptr<VirtualStore> recover(HandedOut& found, LogRange known) {
    auto store = std::make_unique<VirtualStore>(disk, options(), ++incarnation);
    const auto keep = [](std::set<LogPosition>& into) {
      return [&into](LogPosition at, BytesView) { return into.insert(at).second; };
    };
    REQUIRE(store->recover(keep(found.old), keep(found.applied), known));
    return store;
  }

  LogPosition old_at(size_t n) const { return *std::next(old.begin(), static_cast<ptrdiff_t>(n)); }
};

}  // namespace

TEST_CASE("log: history that is known, not handed out and everything else is", "[storage][log]") {
  Disk disk;
  using Numbers = std::pair<size_t, size_t>;
  const auto [from, to] = GENERATE(Numbers{0, 449}, Numbers{0, 200}, Numbers{100, 300}, Numbers{0, 0},
                                   Numbers{448, 449}, Numbers{20, 20});
  const LogRange known{disk.old_at(from), disk.old_at(to)};
  HandedOut found;
  const auto store = disk.recover(found, known);
  CHECK_FALSE(store->log_damaged());
  CHECK(found.applied == disk.applied);
  for (const LogPosition at : disk.old) {
    CHECK(found.old.contains(at) != known.contains(at));
    CHECK(store->read_log(at));
  }
  CHECK(store->log_begin() == LogPosition{0});
}

// Nobody has looked at it: whoever reads the record to send it, finds out.
TEST_CASE("log: a bit flipped in known history, no other record is lost for it", "[storage][log]") {
  Disk disk;
  REQUIRE(disk.disk.damage_record(disk.old_at(100)));
  HandedOut found;
  const auto store = disk.recover(found, {disk.old_at(0), disk.old_at(300)});
  CHECK_FALSE(store->log_damaged());
  CHECK(found.applied == disk.applied);
  for (const LogPosition at : disk.old) {
    const auto record = store->read_log(at);
    CHECK(record.has_value() == (at != disk.old_at(100)));
    if (!record) CHECK(record.error().code == Errc::corrupt);
  }
}

TEST_CASE("log: a bit flipped in history that is not known, what is kept begins behind it",
          "[storage][log]") {
  Disk disk;
  REQUIRE(disk.disk.damage_record(disk.old_at(400)));
  HandedOut found;
  const auto store = disk.recover(found, {disk.old_at(0), disk.old_at(300)});
  CHECK_FALSE(store->log_damaged());
  CHECK(found.applied == disk.applied);
  CHECK(store->log_begin() > disk.old_at(400));
}

TEST_CASE("log: a segment of known history is gone, what is kept begins behind it", "[storage][log]") {
  Disk disk;
  const auto files = disk.disk.files();
  const size_t gone = GENERATE(0u, 1u, 9u, 14u);
  REQUIRE(VirtualFiles(disk.disk).remove(files.at(gone).first));
  HandedOut found;
  const auto store = disk.recover(found, {disk.old_at(0), disk.old_at(300)});
  CHECK_FALSE(store->log_damaged());
  CHECK(found.applied == disk.applied);
  const LogPosition begin = store->log_begin();
  CHECK(begin > LogPosition{0});
  CHECK(begin < disk.old_at(300));
  for (const LogPosition at : disk.old) CHECK(store->read_log(at).has_value() == (at >= begin));
}

// The header of the one behind it counts for nothing: it was written for a segment that is gone.
TEST_CASE("log: a known segment shorter than the next one says, read as ever", "[storage][log]") {
  Disk disk;
  const auto files = disk.disk.files();
  auto file = VirtualFiles(disk.disk).open(files.at(5).first);
  REQUIRE(file);
  REQUIRE((*file)->truncate(32u << 10));
  HandedOut found;
  const auto store = disk.recover(found, {disk.old_at(0), disk.old_at(300)});
  CHECK(found.applied == disk.applied);
  const LogPosition begin = store->log_begin();
  CHECK(begin > LogPosition{0});
  for (const LogPosition at : disk.old) CHECK(store->read_log(at).has_value() == (at >= begin));
}
