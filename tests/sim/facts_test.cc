// What the simulator takes for durable is what the nodes' records say.

#include "tests/sim/story.h"

using namespace atolldb;
using namespace atolldb::sim;

namespace {
constexpr PartitionId kPartition{0};

region::PullChunkRecord chunk(BytesView cursor, BytesView next) {
  region::PullChunkRecord record;
  record.partition = kPartition;
  record.cursor = cursor;
  record.next = next;
  record.last = next.empty();
  return record;
}
}  // namespace

TEST_CASE("facts: the rows of an exchange are synced and the deltas behind them wait, its clock counts",
          "[sim]") {
  Story story;
  const auto update = story.set(0, "k", "a");
  story.sync_all();
  const Dot dot = story.facts().updates()[static_cast<size_t>(update)].dot;
  auto logs = [&, at = uint64_t{100}](const auto& record) mutable {
    story.facts().committed(Instant{}, 1, {++at}, region::to_bytes(record));
    story.sync_all();
    return story.facts().synced(1, kPartition).contains(dot);
  };
  CHECK_FALSE(logs(region::PullBeginRecord{kPartition, story.facts().had(0, kPartition)}));
  CHECK_FALSE(logs(chunk("", "d")));
  CHECK_FALSE(logs(chunk("d", "d1")));
  CHECK_FALSE(logs(chunk("d1", "l1")));
  CHECK_FALSE(logs(chunk("l1", "")));
  CHECK_FALSE(logs(region::PullAppliedRecord{kPartition}));
  CHECK(logs(region::PullAppliedRecord{kPartition}));
  CHECK(story.facts().ahead(1, kPartition));
  CHECK(logs(region::PullAppliedRecord{kPartition}));
  CHECK_FALSE(story.facts().ahead(1, kPartition));
  CHECK(story.facts().holders(story.facts().updates()[static_cast<size_t>(update)]) == 2);
}
