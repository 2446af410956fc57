// How often nodes of different regions speak to each other: at once where there is little to say, in few
// frames where there is much.

#include <catch2/catch.hpp>
#include <map>

#include "tests/region/serving.h"
#include "tests/region/world.h"

using namespace atolldb;
using atolldb::testing::World;
using atolldb::testing::WorldOptions;
using region::Outcome;

namespace {

WorldOptions three_regions() {
  WorldOptions options;
  options.nodes = options.n = options.r = options.w = 1;
  options.partitions = 64;
  options.wan_delay_us = 1'000;
  return options;
}

}  // namespace

TEST_CASE("streams: one update in an idle cluster, the other regions have it after the way there",
          "[region]") {
  World world(three_regions());
  start(world);
  for (int i = 0; i < 10; ++i) {
    world.run_for(Duration::millis(700));
    REQUIRE(world.set(world.node(0, 0), "k", std::to_string(i)).outcome == Outcome::done);
    CAPTURE(i);
    CHECK(world.run_until([&] { return world.converged(); }, Duration::millis(3)));
  }
}

TEST_CASE("streams: many updates one after the other, they share frames and so do acknowledgements",
          "[region]") {
  constexpr int kUpdates = 2'000;  // in 400 ms
  World world(three_regions());
  start(world);
  world.run_for(Duration::seconds(2));
  std::map<std::pair<NodeNumber, NodeNumber>, int> frames;
  world.loses = [&](NodeNumber from, NodeNumber to, BytesView) {
    ++frames[{from, to}];
    return false;
  };
  for (int i = 0; i < kUpdates; ++i) {
    region::Request request;
    request.op = region::Op::set;
    request.key = "k" + std::to_string(i);
    request.value = "v";
    world.send(world.node(0, 0), std::move(request));
    world.run_for(Duration::micros(200));
  }
  for (uint32_t region = 1; region < 3; ++region) {
    CAPTURE(region);
    CHECK(frames[std::pair(world.node(0, 0), world.node(region, 0))] < 120);
    CHECK(frames[std::pair(world.node(region, 0), world.node(0, 0))] < 30);
  }
  require_converged(world, Duration::millis(50));
}
