// What a marker promises (docs/coordinator.md, rule 18), where coordinators die behind it: G8.

#include <catch2/catch.hpp>

#include "crdt/hlc.h"
#include "region/core/message.h"
#include "tests/region/frames.h"
#include "tests/region/world.h"

using namespace atolldb;
using atolldb::testing::has;
using atolldb::testing::kEu;
using atolldb::testing::kUs;
using atolldb::testing::World;
using atolldb::testing::WorldOptions;
using region::MessageType;
using region::Op;
using region::Outcome;
using region::Request;
using region::Response;

namespace {

WorldOptions two_regions(uint64_t seed = 1) {
  WorldOptions options;
  options.regions = 2;
  options.partitions = 1;
  options.seed = seed;
  return options;
}

void start(World& world) {
  world.start_all();
  REQUIRE(world.run_until([&] { return world.serving(); }));
  world.run_for(Duration::millis(1500));  // streams are open
}

Request in_session(Op op, Bytes key, Bytes value = {}, region::Seen seen = {}, uint32_t deadline_ms = 2'000) {
  Request request;
  request.op = op;
  request.key = std::move(key);
  request.value = std::move(value);
  request.session = true;
  request.seen = std::move(seen);
  request.deadline_ms = deadline_ms;
  return request;
}

NodeNumber coordinator(World& world, NodeNumber asked) {
  Request route;
  route.op = Op::route;
  route.key = "k";
  return world.call(asked, std::move(route)).coordinator;
}

std::vector<NodeNumber> others_than(World& world, NodeNumber one) {
  std::vector<NodeNumber> out;
  for (uint32_t i = 0; i < 3; ++i)
    if (world.node(0, i) != one) out.push_back(world.node(0, i));
  return out;
}

}  // namespace

TEST_CASE("marker: only the coordinator's log has its stamp, it does not leave", "[G8][region][wan]") {
  World world(two_regions());
  start(world);
  const NodeNumber us = world.node(1, 0), first = coordinator(world, world.node(0, 0));
  const Response old = world.call(first, in_session(Op::set, "k", "old"));
  REQUIRE(old.outcome == Outcome::done);
  // A stamp that another partition has told: this one, at rest, is asked for a marker that is ahead of it.
  const uint64_t ahead = crdt::Hlc{old.seen}.value + crdt::Hlc::from_wall(20'000).value;
  world.loses = [](NodeNumber, NodeNumber, BytesView frame) { return has(frame, MessageType::raise); };
  const Response early = world.call(us, in_session(Op::get, "k", {}, {{kEu, ahead}}));
  CHECK(early.outcome == Outcome::rejected);
  CHECK(early.code == Errc::behind);

  // And so nothing is missed when that coordinator dies, and the next one stamps below it.
  world.kill(first);
  world.loses = {};
  world.cut_regions(kEu, kUs);
  const NodeNumber asked = others_than(world, first).front();
  Response fresh;
  REQUIRE(world.run_until([&] {
    fresh = world.call(asked, in_session(Op::set, "k", "new"));
    return fresh.outcome == Outcome::done;
  }));
  REQUIRE(fresh.seen < ahead);
  const Response read = world.call(us, in_session(Op::get, "k", {}, {{kEu, fresh.seen}}));
  CHECK(read.code == Errc::behind);
  world.heal();
  CHECK(world.call(us, in_session(Op::get, "k", {}, {{kEu, fresh.seen}}, 20'000)).value == "new");
}

// X is in the log of one replica alone, which is away while a marker speaks of its stamp; the takeover that
// finds it answers above that marker.
TEST_CASE("marker: a later takeover finds an update from before it, and answers above it",
          "[G8][region][wan]") {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    CAPTURE(seed);
    World world(two_regions(seed));
    start(world);
    const NodeNumber us = world.node(1, 0), first = coordinator(world, world.node(0, 0));
    const auto others = others_than(world, first);
    const NodeNumber has_it = others[seed % 2], not_yet = others[(seed + 1) % 2];
    world.loses = [&](NodeNumber from, NodeNumber to, BytesView) {
      return (from == first && to != has_it) || from == has_it;
    };
    const storage::VirtualDisk without = world.disk(first);
    world.send(first, in_session(Op::set, "k", "x"));
    world.run_for(Duration::millis(1));
    world.kill(first);
    world.disk(first) = without;  // it was not synced yet
    world.loses = {};
    world.run_for(Duration::millis(20));
    world.cut(has_it, first);
    world.cut(has_it, not_yet);
    for (uint32_t i = 0; i < 3; ++i) world.cut(has_it, world.node(1, i));
    world.start(first);
    Response written;
    REQUIRE(world.run_until([&] {
      written = world.call(not_yet, in_session(Op::set, "j", "1"));
      return written.outcome == Outcome::done;
    }));
    REQUIRE_FALSE(world.get(not_yet, "k").found);
    world.run_for(Duration::seconds(2));  // the marker has arrived
    REQUIRE(world.call(us, in_session(Op::get, "j", {}, {{kEu, written.seen}})).value == "1");

    world.kill(coordinator(world, not_yet));
    world.heal();
    world.cut_regions(kEu, kUs);
    Response found;
    REQUIRE(world.run_until([&] {
      found = world.call(has_it, in_session(Op::get, "k"));
      return found.outcome == Outcome::done && found.found;
    }));
    CHECK(found.value == "x");
    CHECK(found.seen > written.seen);
    const Response read = world.call(us, in_session(Op::get, "k", {}, {{kEu, found.seen}}));
    CHECK(read.code == Errc::behind);
    world.heal();
    CHECK(world.call(us, in_session(Op::get, "k", {}, {{kEu, found.seen}}, 20'000)).value == "x");
  }
}
