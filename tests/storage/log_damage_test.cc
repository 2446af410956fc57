// What lies in a log after crashes and on bad disks: torn tails, flipped bits, tails of recycled segments.
// HAZARDS 30, 47.

#include <xxhash.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

#include "crdt/base/prng.h"
#include "storage/log_format.h"
#include "tests/storage/disk_fixture.h"

using namespace atolldb;
using namespace atolldb::storage;
using namespace atolldb::storage::testing;

namespace {

// Each record in a sync of its own.
void commit_one_by_one(Store& store, uint64_t from, uint64_t to, size_t padding = 100) {
  for (uint64_t n = from; n < to; ++n) {
    REQUIRE(store.commit({{number_key(n) + Bytes(padding, 'p')}, {}, {}}));
    wait_durable(store);
  }
}

std::vector<uint64_t> numbers(const std::vector<Bytes>& records) {
  std::vector<uint64_t> out;
  for (const Bytes& record : records) {
    uint64_t n = 0;
    for (size_t i = 0; i < 8; ++i) n = n << 8 | static_cast<uint8_t>(record.at(i));
    out.push_back(n);
  }
  return out;
}

std::vector<uint64_t> range(uint64_t from, uint64_t to) {
  std::vector<uint64_t> out;
  for (uint64_t n = from; n < to; ++n) out.push_back(n);
  return out;
}

void overwrite(const std::string& path, uint64_t offset, BytesView bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(offset));
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void flip(const std::string& path, uint64_t offset) {
  const std::string bytes = read_whole(path);
  overwrite(path, offset, std::string(1, static_cast<char>(bytes.at(offset) ^ 0x10)));
}

constexpr uint64_t kExtent = record_extent(108);

TEST_CASE("log: a torn tail, dropped without being taken for damage", "[storage][log]") {
  TemporaryDirectory dir;
  const DiskStoreOptions options = small_options(dir.path());
  commit_one_by_one(*must_recover(options), 0, 10);
  const std::string segment = segments(dir.path()).at(0);
  // The last record's sync never happened: any part of it may be missing.
  const uint64_t last = kSegmentHeaderBytes + 9 * kExtent;
  const size_t zeroed = GENERATE(size_t{8}, size_t{100}, size_t{136});
  overwrite(segment, last + kExtent - zeroed, Bytes(zeroed, '\0'));
  std::vector<Bytes> applied;
  auto store = must_recover(options, &applied);
  CHECK(numbers(applied) == range(0, 9));
  CHECK_FALSE(store->log_damaged());
  CHECK(store->log_end() == LogPosition{9 * kExtent});
  commit_one_by_one(*store, 9, 12);
  store.reset();
  applied.clear();
  store = must_recover(options, &applied);
  CHECK(numbers(applied) == range(0, 12));
}

TEST_CASE("log: a later write of an unsynced group survived, still a torn tail", "[storage][log]") {
  TemporaryDirectory dir;
  const DiskStoreOptions options = small_options(dir.path());
  {
    auto store = must_recover(options);
    commit_one_by_one(*store, 0, 3);
    Batch group;
    for (uint64_t n = 3; n < 6; ++n) group.records.push_back(number_key(n) + Bytes(100, 'p'));
    REQUIRE(store->commit(std::move(group)));
    wait_durable(*store);
  }
  // The first record of the group did not reach the disk and the others did.
  overwrite(segments(dir.path()).at(0), kSegmentHeaderBytes + 3 * kExtent, Bytes(kExtent, '\0'));
  std::vector<Bytes> applied;
  auto store = must_recover(options, &applied);
  CHECK(numbers(applied) == range(0, 3));
  CHECK_FALSE(store->log_damaged());
}

TEST_CASE("log: a bit flipped in front of synced records, damage that is never skipped", "[storage][log]") {
  TemporaryDirectory dir;
  const DiskStoreOptions options = small_options(dir.path());
  LogPosition end;
  {
    auto store = must_recover(options);
    commit_one_by_one(*store, 0, 20);
    end = store->log_end();
  }
  // In every field of the head, in the record, and in its padding's neighbour.
  const uint64_t within =
      GENERATE(uint64_t{0}, uint64_t{3}, uint64_t{5}, uint64_t{9}, uint64_t{20}, uint64_t{60});
  flip(segments(dir.path()).at(0), kSegmentHeaderBytes + 5 * kExtent + within);
  LogPosition begun_at;
  for (int restart = 0; restart < 3; ++restart) {
    std::vector<Bytes> applied;
    auto store = must_recover(options, &applied);
    CHECK(numbers(applied) == range(0, 5));
    CHECK(store->log_damaged());
    CHECK(store->log_end() > end);
    CHECK(store->poll().durable == store->log_end());
    if (restart == 0) begun_at = store->log_end();
    CHECK(store->log_end() == begun_at);
  }
  {
    std::vector<Bytes> applied;
    auto store = must_recover(options, &applied);
    commit_one_by_one(*store, 100, 103);
    store.reset();
    applied.clear();
    store = must_recover(options, &applied);
    std::vector<uint64_t> expected = range(0, 5);
    for (const uint64_t n : range(100, 103)) expected.push_back(n);
    CHECK(numbers(applied) == expected);
    CHECK(store->log_damaged());
    // The rows were brought back from peers; a checkpoint says so.
    REQUIRE(store->begin_checkpoint({}));
    wait_checkpoint(*store);
  }
  CHECK_FALSE(must_recover(options)->log_damaged());
}

TEST_CASE("log: damage in a segment that others follow, the rest is not applied", "[storage][log]") {
  TemporaryDirectory dir;
  const DiskStoreOptions options = small_options(dir.path());
  commit_one_by_one(*must_recover(options), 0, 60, 4000);
  const auto paths = segments(dir.path());
  REQUIRE(paths.size() > 3);
  const uint64_t extent = record_extent(4008);
  SECTION("in a record") { flip(paths[1], kSegmentHeaderBytes + extent + 2000); }
  SECTION("in the last record of the segment") { flip(paths[1], kSegmentHeaderBytes + 14 * extent + 2000); }
  SECTION("in both copies of a header") {
    flip(paths[1], 20);
    flip(paths[1], kSegmentHeaderCopyOffset + 20);
  }
  SECTION("the segment is gone") { std::filesystem::remove(paths[1]); }
  std::vector<Bytes> applied;
  auto store = must_recover(options, &applied);
  CHECK(store->log_damaged());
  REQUIRE(applied.size() >= 15);
  CHECK(applied.size() < 30);
  CHECK(numbers(applied) == range(0, applied.size()));
}

TEST_CASE("log: the newest segment's header is damaged, lost memory and not an empty log", "[storage][log]") {
  TemporaryDirectory dir;
  const DiskStoreOptions options = small_options(dir.path());
  commit_one_by_one(*must_recover(options), 0, 5);
  const std::string path = segments(dir.path()).back();
  flip(path, 20);
  {
    std::vector<Bytes> applied;
    CHECK_FALSE(must_recover(options, &applied)->log_damaged());
    CHECK(numbers(applied) == range(0, 5));
  }
  flip(path, kSegmentHeaderCopyOffset + 30);
  CHECK(must_recover(options)->log_damaged());
  CHECK(must_recover(options)->log_damaged());
}

TEST_CASE("log: all of it gone below a checkpoint's position, lost memory", "[storage][log]") {
  TemporaryDirectory dir;
  const DiskStoreOptions options = small_options(dir.path());
  LogPosition end;
  {
    auto store = must_recover(options);
    commit_one_by_one(*store, 0, 5);
    REQUIRE(store->begin_checkpoint({}));
    wait_checkpoint(*store);
    end = store->log_end();
  }
  for (const std::string& path : segments(dir.path())) std::filesystem::remove(path);
  auto store = must_recover(options);
  CHECK(store->log_damaged());
  CHECK(store->log_end() > end);
}

TEST_CASE("log: damage that the rows contain already, only shortens what is kept", "[storage][log]") {
  TemporaryDirectory dir;
  const DiskStoreOptions options = small_options(dir.path());
  LogPosition middle;
  {
    auto store = must_recover(options);
    commit_one_by_one(*store, 0, 60, 4000);
    middle = store->log_end();
    REQUIRE(store->begin_checkpoint({}));
    wait_checkpoint(*store);
    commit_one_by_one(*store, 60, 70, 4000);
  }
  flip(segments(dir.path()).at(1), kSegmentHeaderBytes + 2000);
  auto store = must_open(options);
  std::vector<Bytes> old, applied;
  const auto keep = [](std::vector<Bytes>& list) {
    return [&list](LogPosition, BytesView record) {
      list.emplace_back(record);
      return true;
    };
  };
  REQUIRE(store->recover(keep(old), keep(applied)));
  CHECK(numbers(applied) == range(60, 70));
  CHECK_FALSE(store->log_damaged());
  CHECK(store->log_begin() > LogPosition{0});
  CHECK(store->log_begin() <= middle);
  CHECK(store->read_log(store->log_begin()));
}

TEST_CASE("log: a short write into a recycled segment, nothing old returns", "[storage][log]") {
  TemporaryDirectory dir;
  const DiskStoreOptions options = small_options(dir.path());
  // All records are of one size, so that old ones lie exactly where new ones would continue.
  uint64_t n = 0;
  for (int round = 0; round < 12; ++round) {
    std::vector<Bytes> applied;
    auto store = must_recover(options, &applied);
    CHECK(numbers(applied).size() <= 3);
    for (int lap = 0; lap < 3; ++lap) {
      for (int i = 0; i < 40; ++i) {
        REQUIRE(store->commit({{number_key(n++) + Bytes(4000, 'p')}, {}, {}}));
        if (i % 10 == 9) wait_durable(*store);
      }
      REQUIRE(store->begin_checkpoint({}));
      wait_checkpoint(*store);
      store->release_log(store->log_end());
    }
    const uint64_t from = n;
    n += static_cast<uint64_t>(round % 4);
    commit_one_by_one(*store, from, n, 4000);
    store.reset();
    applied.clear();
    store = must_recover(options, &applied);
    CHECK(numbers(applied) == range(from, n));
    CHECK_FALSE(store->log_damaged());
  }
  // Segments really were used again.
  CHECK(std::distance(std::filesystem::directory_iterator(dir.path() + "/log"), {}) < 10);
}

TEST_CASE("log: what a recycled segment held, verifies neither at its old nor at a new position",
          "[storage][log]") {
  Bytes record(record_extent(50), '\0');
  encode_record(record.data(), Bytes(50, 'r'), 4096, 77, 4000);
  const auto head = read_record_head(record, 4096, 77);
  REQUIRE(head);
  CHECK(head->synced_below == 4000);
  const BytesView payload = BytesView(record).substr(kRecordHeadBytes, 50);
  CHECK(verify_record(*head, payload, 4096, 77));
  CHECK_FALSE(read_record_head(record, 8192, 77));
  CHECK_FALSE(read_record_head(record, 4096, 78));
  CHECK_FALSE(verify_record(*head, payload, 8192, 77));
  CHECK_FALSE(verify_record(*head, payload, 4096, 78));
}

TEST_CASE("log: a segment of a newer format, refused", "[storage][log]") {
  TemporaryDirectory dir;
  const DiskStoreOptions options = small_options(dir.path());
  commit_one_by_one(*must_recover(options), 0, 1);
  const std::string path = segments(dir.path()).at(0);
  Bytes block = read_whole(path).substr(0, kSegmentHeaderBytes);
  // Version, then a checksum over the 48 bytes before it, in both copies.
  for (const size_t copy : {size_t{0}, kSegmentHeaderCopyOffset}) {
    const uint32_t newer = kLogFormatVersion + 1;
    std::memcpy(block.data() + copy + 8, &newer, sizeof newer);
    const uint64_t checksum = XXH3_64bits(block.data() + copy, 48);
    std::memcpy(block.data() + copy + 48, &checksum, sizeof checksum);
  }
  overwrite(path, 0, block);
  auto store = must_open(options);
  const Status status = store->recover(nullptr, nullptr);
  REQUIRE_FALSE(status);
  CHECK(status.error().code == Errc::version);
}

TEST_CASE("log: positions over many restarts, never go back and name one record each", "[storage][log]") {
  TemporaryDirectory dir;
  const DiskStoreOptions options = small_options(dir.path());
  LogPosition end;
  std::map<LogPosition, Bytes> seen;
  Prng prng(3);
  for (int start = 0; start < 30; ++start) {
    auto store = must_recover(options);
    CHECK(store->log_end() >= end);
    for (uint64_t i = prng.below(5); i > 0; --i) {
      const Bytes record = number_key(prng.next()) + Bytes(prng.below(9000), 'x');
      const auto at = store->commit({{record}, {}, {}});
      REQUIRE(at);
      CHECK(seen.emplace(at->at(0), record).second);
    }
    wait_durable(*store);
    end = store->log_end();
  }
  auto store = must_recover(options);
  for (const auto& [at, record] : seen) {
    const auto read = store->read_log(at);
    REQUIRE(read);
    CHECK(*read == record);
  }
  CHECK(store->read_log({end.value}).error().code == Errc::not_found);
  CHECK(store->read_log({8}).error().code == Errc::corrupt);
}

}  // namespace
