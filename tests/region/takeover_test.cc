// Who takes a partition over, and who is left alone: a takeover ends what its predecessor has in work.

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/region/world.h"
#include "topology/ring.h"

using namespace atolldb;
using atolldb::testing::World;
using atolldb::testing::WorldOptions;
using region::Outcome;

namespace {
WorldOptions one_region() {
  WorldOptions options;
  options.regions = 1;
  options.partitions = 64;
  return options;
}

// A key whose replicas come in this order.
Bytes key_of(World& world, const std::vector<NodeNumber>& replicas) {
  const topology::Topology& topology = world.topology();
  const topology::Ring ring(topology, topology.regions[0].id);
  for (int i = 0; i < 10'000; ++i) {
    Bytes key = "key" + std::to_string(i);
    if (std::ranges::equal(ring.replicas(topology.placement.place(key).partition), replicas)) return key;
  }
  FAIL("no partition has its replicas in this order");
  return {};
}

// `back` comes back, and for so long it does not hear of `serves`, the first replica, which is written to.
void come_back_half_deaf(World& world, NodeNumber back, NodeNumber serves, const Bytes& key, Duration deaf) {
  world.kill(back);
  world.run_for(Duration::seconds(5));
  world.cut(back, serves);
  world.start(back);
  const Instant begin = world.now();
  std::vector<uint64_t> sent;
  while (world.now() - begin < deaf + Duration::seconds(4)) {
    if (world.now() - begin > deaf) world.heal();
    region::Request request;
    request.op = region::Op::set;
    request.key = key;
    request.value = std::to_string(sent.size());
    sent.push_back(world.send(serves, std::move(request)));
    world.run_for(Duration::millis(1));
  }
  world.run_for(Duration::seconds(1));
  for (const uint64_t correlation : sent) {
    REQUIRE(world.response(correlation).has_value());
    REQUIRE(world.response(correlation)->outcome == Outcome::done);
  }
}
}  // namespace

TEST_CASE("takeover: a node comes back and hears late of who serves, it takes nothing over", "[region]") {
  World world(one_region());
  world.start_all();
  REQUIRE(world.run_until([&] { return world.serving(); }));
  world.run_for(Duration::seconds(10));  // the first of each preference list coordinates
  const NodeNumber serves = world.node(0, 0), back = world.node(0, 1), third = world.node(0, 2);
  // Longer than it takes to join with the help of the third, shorter than any node's patience.
  come_back_half_deaf(world, back, serves, key_of(world, {serves, back, third}), Duration::millis(1200));
}

TEST_CASE("takeover: a node takes one for dead that others hear of, who serves is left alone", "[region]") {
  World world(one_region());
  world.start_all();
  REQUIRE(world.run_until([&] { return world.serving(); }));
  world.run_for(Duration::seconds(10));
  const NodeNumber serves = world.node(0, 0), back = world.node(0, 1), third = world.node(0, 2);
  come_back_half_deaf(world, back, serves, key_of(world, {serves, third, back}), Duration::seconds(6));
}
