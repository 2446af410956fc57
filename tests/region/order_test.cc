// What one connection sends takes effect in the order in which it was sent, key by key: pipelines of the
// Redis port, at a node that coordinates none of it, while coordinators change.

#include <catch2/catch.hpp>
#include <map>

#include "crdt/base/prng.h"
#include "tests/region/world.h"

using namespace atolldb;
using atolldb::testing::World;
using atolldb::testing::WorldOptions;
using region::Op;
using region::Outcome;
using region::Request;
using region::Response;

namespace {

constexpr BytesView kConnection = "rconnec";

WorldOptions one_ring(uint64_t seed) {
  WorldOptions options;
  options.regions = 1;
  options.partitions = 2;
  options.seed = seed;
  options.jitter_max_us = 300;
  return options;
}

Request request(Op op, Bytes key, Bytes value = {}) {
  Request out;
  out.op = op;
  out.key = std::move(key);
  out.value = std::move(value);
  out.amount = op == Op::add ? 1 : 0;
  out.deadline_ms = 20'000;
  return out;
}

// A pipeline of one connection: SET key i, INCR key, APPEND key "7", GET key, again and again.
struct Pipeline {
  World& world;
  NodeNumber door;
  Bytes key;
  std::vector<std::pair<Op, uint64_t>> sent;

  void send(int count) {
    for (int i = 0; i < count; ++i) {
      static constexpr Op kOps[] = {Op::set, Op::add, Op::append, Op::get};
      const Op op = kOps[sent.size() % 4];
      const Bytes value = op == Op::set ? std::to_string(sent.size() * 10) : op == Op::append ? "7" : "";
      sent.emplace_back(op, world.send(door, request(op, key, value), kConnection));
    }
  }
  // Compares with what a store does that carries out one after the other, as far as it is known what was.
  void check(uint64_t& checked) const {
    std::optional<Bytes> shown;
    for (size_t i = 0; i < sent.size(); ++i) {
      const auto& [op, number] = sent[i];
      CAPTURE(key, i);
      const auto answer = world.response(number);
      REQUIRE(answer);
      const bool done = answer->outcome == Outcome::done;
      if (answer->outcome == Outcome::unknown) shown.reset();
      if (!done) continue;
      if (op == Op::set) shown = std::to_string(i * 10);
      if (!shown) continue;
      ++checked;
      if (op == Op::add) shown = std::to_string(std::stoll(*shown) + 1);
      if (op == Op::append) *shown += "7";
      if (op == Op::append) CHECK(answer->number == static_cast<int64_t>(shown->size()));
      if (op == Op::get || (op == Op::add && !answer->value.empty())) CHECK(answer->value == *shown);
    }
  }
};

}  // namespace

TEST_CASE("order: the first increments of a fresh ring, nothing behind them overtakes them", "[region]") {
  World world(one_ring(3));
  world.start_all();
  REQUIRE(world.run_until([&] { return world.serving(); }));
  for (const NodeNumber door : world.all()) {
    for (int i = 0; i < 8; ++i) {
      const Bytes key = "k" + std::to_string(raw(door)) + "-" + std::to_string(i);
      const uint64_t add = world.send(door, request(Op::add, key), kConnection);
      const uint64_t get = world.send(door, request(Op::get, key), kConnection);
      REQUIRE(world.run_until([&] { return world.response(add) && world.response(get); }));
      CHECK(world.response(add)->value == "1");
      CHECK(world.response(get)->value == "1");
    }
  }
}

TEST_CASE("order: coordinators die and come back, what a connection has sent takes effect in order",
          "[region]") {
  uint64_t checked = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    World world(one_ring(seed));
    world.start_all();
    REQUIRE(world.run_until([&] { return world.serving(); }));
    Prng random(seed);
    const NodeNumber door = world.node(0, 0);
    std::vector<Pipeline> pipelines;
    for (int i = 0; i < 4; ++i) pipelines.push_back({world, door, "key" + std::to_string(i), {}});
    const NodeNumber victim = world.node(0, 1 + static_cast<uint32_t>(random.below(2)));
    const uint64_t dies = random.below(60), returns = dies + 1 + random.below(60);
    for (uint64_t step = 0; step < 160; ++step) {
      if (step == dies) world.kill(victim);
      if (step == returns) world.start(victim);
      for (Pipeline& pipeline : pipelines) pipeline.send(static_cast<int>(random.below(6)));
      world.run_for(Duration::micros(static_cast<int64_t>(random.below(50'000))));
    }
    for (const Pipeline& pipeline : pipelines)
      for (const auto& one : pipeline.sent)
        REQUIRE(world.run_until([&] { return world.response(one.second).has_value(); }));
    for (const Pipeline& pipeline : pipelines) pipeline.check(checked);
  }
  CHECK(checked > 10'000);
}

TEST_CASE("order: another coordinator's answer comes first, nothing overtakes what is on its way back",
          "[region]") {
  WorldOptions options = one_ring(5);
  options.nodes = 6;
  options.partitions = 8;
  World world(options);
  world.start_all();
  REQUIRE(world.run_until([&] { return world.serving(); }));
  std::map<NodeNumber, Bytes> key_at;  // by coordinator
  for (int i = 0; i < 40; ++i) {
    const Bytes key = "k" + std::to_string(i);
    key_at.emplace(world.call(world.node(0, 0), request(Op::route, key)).coordinator, key);
  }
  int checked = 0;
  for (const NodeNumber door : world.all())
    for (const auto& [slow, first] : key_at)
      for (const auto& [fast, second] : key_at) {
        if (door == slow || door == fast || slow == fast) continue;
        world.clog(slow, Duration::millis(5));
        const Bytes connection = Bytes("rcon") + static_cast<char>(raw(door)) + static_cast<char>(raw(slow)) +
                                 static_cast<char>(raw(fast));
        // An increment's name is of no epoch here, and both are sent back.
        const uint64_t slowly = world.send(door, request(Op::add, first), connection);
        const uint64_t fastly = world.send(door, request(Op::add, second), connection);
        world.run_for(Duration::millis(3));
        const uint64_t get = world.send(door, request(Op::get, first), connection);
        REQUIRE(world.run_until(
            [&] { return world.response(slowly) && world.response(fastly) && world.response(get); }));
        CHECK(world.response(get)->value == world.response(slowly)->value);
        world.clog(slow, Duration{});
        ++checked;
      }
  CHECK(checked > 20);
}
