// What a coordinator tells its replicas of what is settled and needed by nobody any more, when some of it is
// lost.

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "region/core/message.h"
#include "tests/region/frames.h"
#include "tests/region/world.h"

using namespace atolldb;
using atolldb::testing::has;
using atolldb::testing::World;
using atolldb::testing::WorldOptions;
using region::Outcome;

namespace {
uint64_t outbox_entries(World& world, NodeNumber node) {
  return nlohmann::json::parse(world.report(node, region::Op::status))["outbox_entries"].get<uint64_t>();
}
bool outboxes_empty(World& world) {
  for (const NodeNumber node : world.all())
    if (outbox_entries(world, node) > 0) return false;
  return true;
}
}  // namespace

TEST_CASE("progress: one that is lost, the next one of another actor brings all of it", "[region]") {
  WorldOptions options;
  options.regions = 2;
  options.partitions = 1;
  World world(options);
  world.start_all();
  REQUIRE(world.run_until([&] { return world.serving(); }));
  REQUIRE(world.set(world.node(0, 0), "a", "1").outcome == Outcome::done);
  REQUIRE(world.set(world.node(1, 0), "b", "1").outcome == Outcome::done);
  REQUIRE(world.run_until([&] { return outboxes_empty(world); }));

  // Of what region 1 writes now, no replica of region 0 learns that nobody needs it any more.
  uint64_t lost = 0;
  const RegionId here = world.topology().regions[0].id;
  world.loses = [&](NodeNumber from, NodeNumber, BytesView frame) {
    const bool lose =
        world.topology().find(from)->region == here && has(frame, region::MessageType::progress);
    return lost += lose ? 1 : 0, lose;
  };
  REQUIRE(world.set(world.node(1, 0), "b", "2").outcome == Outcome::done);
  world.run_for(Duration::seconds(5));
  REQUIRE(world.converged());
  REQUIRE(lost > 0);
  CHECK_FALSE(outboxes_empty(world));

  // What follows is about an actor of region 0 alone.
  world.loses = nullptr;
  REQUIRE(world.set(world.node(0, 0), "a", "2").outcome == Outcome::done);
  CHECK(world.run_until([&] { return outboxes_empty(world); }, Duration::seconds(10)));
}
