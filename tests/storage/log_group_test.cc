// Records on their way into the log's file.

#include "storage/log_group.h"

#include <catch2/catch.hpp>

using namespace atolldb;
using namespace atolldb::storage;

namespace {

constexpr uint64_t kIncarnation = 77;

// What the file would hold at a position, if it verifies.
struct Read {
  Bytes record;
  uint64_t synced_below = 0;
};
std::optional<Read> read(const LogGroup& group, LogPosition at) {
  const BytesView bytes = group.bytes(at.value, group.end());
  const auto head = read_record_head(bytes, at.value, kIncarnation);
  if (!head) return std::nullopt;
  const BytesView record = bytes.substr(kRecordHeadBytes, head->size);
  if (!verify_record(*head, record, at.value, kIncarnation)) return std::nullopt;
  return Read{Bytes(record), head->synced_below};
}

TEST_CASE("log group: records, lie as in the file and say that the log is synced up to the group",
          "[storage][log]") {
  LogGroup group;
  group.start(4096);
  CHECK(group.empty());
  std::vector<std::pair<LogPosition, Bytes>> added;
  for (size_t i = 0; i < 3000; ++i) {
    const Bytes record(i % 100 == 7 ? 9000 : i % 61, static_cast<char>('a' + i % 26));
    added.emplace_back(group.add(record, kIncarnation), record);
  }
  CHECK(group.size() == 3000);
  CHECK(added.front().first == LogPosition{4096});
  for (size_t i = 0; i < added.size(); ++i) {
    const auto& [at, record] = added[i];
    const auto found = read(group, at);
    if (!found || found->record != record || found->synced_below != 4096) FAIL("record " << i);
    if (group.find(at) != BytesView(record)) FAIL("record " << i << " is not found");
    if (group.end_of(i) != at.value + record_extent(record.size())) FAIL("end of record " << i);
  }
  CHECK_FALSE(group.find({4096 + 1}));
  CHECK_FALSE(group.find({group.end()}));
}

TEST_CASE("log group: some sealed again, those alone say the other position", "[storage][log]") {
  LogGroup group;
  group.start(0);
  std::vector<LogPosition> at;
  for (const char* record : {"one", "two", "three", "four"}) at.push_back(group.add(record, kIncarnation));
  group.seal(1, 3, kIncarnation, 8);
  const uint64_t synced[] = {0, 8, 8, 0};
  for (size_t i = 0; i < at.size(); ++i) {
    const auto found = read(group, at[i]);
    REQUIRE(found);
    CHECK(found->synced_below == synced[i]);
    CHECK(group.find(at[i]) == BytesView(found->record));
  }
}

TEST_CASE("log group: started again, is empty and begins elsewhere", "[storage][log]") {
  LogGroup group;
  group.start(0);
  const LogPosition first = group.add(Bytes(5u << 20, 'r'), kIncarnation);
  group.start(group.end());
  CHECK(group.empty());
  CHECK(group.begin() == group.end());
  CHECK_FALSE(group.find(first));
  const LogPosition second = group.add("later", kIncarnation);
  CHECK(second.value == group.begin());
  REQUIRE(read(group, second));
  CHECK(read(group, second)->synced_below == second.value);
}

}  // namespace
