// Clears of collections that go in steps, as users of a whole cluster see them (docs/decisions/0018).

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/region/world.h"

using namespace atolldb;
using atolldb::testing::World;
using atolldb::testing::WorldOptions;
using region::Op;
using region::Outcome;
using region::Response;

namespace {

using Values = std::vector<Bytes>;

WorldOptions in_steps(uint32_t regions) {
  WorldOptions out;
  out.regions = regions;
  out.partitions = 1;
  out.clears = {10, 4};
  return out;
}

void start(World& world) {
  world.start_all();
  REQUIRE(world.run_until([&] { return world.serving(); }));
}

Response call(World& world, NodeNumber node, Op op, Bytes key, Values args = {}) {
  region::Request request;
  request.op = op;
  request.key = std::move(key);
  request.args = std::move(args);
  return world.call(node, std::move(request));
}

Values names(size_t count) {
  Values out;
  for (size_t i = 0; i < count; ++i) out.push_back("element" + std::to_string(i));
  return out;
}

bool clearing(World& world, NodeNumber node) {
  return !nlohmann::json::parse(world.report(node, Op::digest))["clearing"].empty();
}

bool coordinates(World& world, NodeNumber node) {
  return nlohmann::json::parse(world.report(node, Op::status))["epochs_held"] != 0;
}

bool any_clearing(World& world) {
  const auto nodes = world.all();
  return std::any_of(nodes.begin(), nodes.end(),
                     [&](NodeNumber node) { return world.running(node) && clearing(world, node); });
}

void require_gone(World& world, NodeNumber node, const Bytes& key) {
  REQUIRE(call(world, node, Op::scard, key).number == 0);
  REQUIRE(call(world, node, Op::smembers, key).values.empty());
  REQUIRE_FALSE(call(world, node, Op::type, key).found);
  REQUIRE(call(world, node, Op::keys, {}).values.empty());
}

}  // namespace

TEST_CASE("clears: a large set is deleted, it is gone with the answer and its rows soon after", "[region]") {
  World world(in_steps(1));
  start(world);
  const NodeNumber here = world.node(0, 0);
  REQUIRE(call(world, here, Op::sadd, "s", names(400)).number == 400);
  REQUIRE(call(world, here, Op::del, "s").number == 1);
  REQUIRE(clearing(world, here));
  require_gone(world, here, "s");
  REQUIRE(call(world, here, Op::del, "s").number == 0);
  REQUIRE(call(world, here, Op::sadd, "s", {"element3", "new"}).number == 2);
  REQUIRE(call(world, here, Op::spop, "s", {Bytes(16, '\0')}).outcome == Outcome::done);
  REQUIRE(any_clearing(world));
  REQUIRE(world.run_until([&] { return !any_clearing(world); }));
  REQUIRE(call(world, here, Op::sismember, "s", {"new"}).found);
  REQUIRE(world.run_until([&] { return world.converged(); }));
}

TEST_CASE("clears: nodes die in the middle of one, what was deleted stays deleted", "[region][G6]") {
  for (const bool checkpoints : {false, true}) {
    WorldOptions options = in_steps(1);
    if (checkpoints) options.memtable_bytes = 16u << 10;
    World world(options);
    start(world);
    const NodeNumber here = world.node(0, 0);
    for (size_t i = 0; i < 5; ++i)
      REQUIRE(call(world, here, Op::sadd, "s" + std::to_string(i), names(200)).number == 200);
    for (size_t i = 0; i < 5; ++i) REQUIRE(call(world, here, Op::del, "s" + std::to_string(i)).number == 1);
    for (int round = 0; round < 4; ++round) {
      world.run_for(Duration::millis(60));
      REQUIRE(any_clearing(world));
      const NodeNumber dies = world.node(0, static_cast<uint32_t>(round) % 3);
      world.kill(dies);
      world.start(dies);
    }
    REQUIRE(world.run_until([&] { return world.serving(); }));
    for (size_t i = 0; i < 5; ++i) REQUIRE(call(world, here, Op::scard, "s" + std::to_string(i)).number == 0);
    REQUIRE(world.run_until([&] { return !any_clearing(world); }, Duration::seconds(60)));
    REQUIRE(world.run_until([&] { return world.converged(); }, Duration::seconds(60)));
    require_gone(world, here, "s0");
  }
}

TEST_CASE("clears: regions that do not hear each other, one clears what the other goes on to add to",
          "[region][G4]") {
  World world(in_steps(2));
  start(world);
  const NodeNumber eu = world.node(0, 0), us = world.node(1, 0);
  REQUIRE(call(world, eu, Op::sadd, "s", names(100)).number == 100);
  REQUIRE(world.run_until([&] { return world.converged(); }));
  world.cut_regions(RegionId{0}, RegionId{1});
  REQUIRE(call(world, eu, Op::del, "s").number == 1);
  REQUIRE(call(world, us, Op::sadd, "s", {"element5", "unseen"}).number == 1);
  require_gone(world, eu, "s");
  world.heal();
  REQUIRE(world.run_until([&] { return world.converged() && !any_clearing(world); }, Duration::seconds(60)));
  for (const NodeNumber node : world.all()) {
    REQUIRE(call(world, node, Op::scard, "s").number == 2);
    REQUIRE(call(world, node, Op::sismember, "s", {"element5"}).found);
    REQUIRE(call(world, node, Op::sismember, "s", {"unseen"}).found);
  }
}

TEST_CASE("clears: a replica that was away during one, has the same in the end", "[region][G3]") {
  WorldOptions options = in_steps(1);
  options.log_bytes_max = 256u << 10;  // what it missed comes by a complete exchange
  World world(options);
  start(world);
  NodeNumber here = world.node(0, 0), away = world.node(0, 1);
  if (coordinates(world, away)) std::swap(here, away);
  REQUIRE(call(world, here, Op::sadd, "s", names(300)).number == 300);
  REQUIRE(world.run_until([&] { return world.converged(); }));
  world.kill(away);
  REQUIRE(call(world, here, Op::del, "s").number == 1);
  for (int i = 0; i < 40; ++i) REQUIRE(world.set(here, "fill", Bytes(30'000, 'x')).outcome == Outcome::done);
  REQUIRE(call(world, here, Op::sadd, "s", names(200)).number == 200);
  REQUIRE(call(world, here, Op::del, "s").number == 1);
  world.start(away);
  REQUIRE(world.run_until([&] { return world.converged() && !any_clearing(world); }, Duration::seconds(60)));
  REQUIRE(call(world, away, Op::scard, "s").number == 0);
}
