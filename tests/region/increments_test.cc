// Increments of clients that do not name them, at a node that does not coordinate their key: hazards 7, 8 and
// 43 at the doors of Redis and HTTP.

#include <catch2/catch.hpp>

#include "crdt/base/prng.h"
#include "region/core/message.h"
#include "tests/region/frames.h"
#include "tests/region/world.h"

using namespace atolldb;
using atolldb::testing::has;
using atolldb::testing::World;
using atolldb::testing::WorldOptions;
using region::MessageType;
using region::Op;
using region::Outcome;
using region::Request;
using region::Response;

namespace {

struct Ring {
  std::unique_ptr<World> world;
  NodeNumber coordinating{}, door{}, third{};

  explicit Ring(uint64_t seed = 1) {
    WorldOptions options;
    options.regions = 1;
    options.partitions = 1;
    options.seed = seed;
    world = std::make_unique<World>(options);
    world->start_all();
    REQUIRE(world->run_until([&] { return world->serving(); }));
    Request route;
    route.op = Op::route;
    route.key = "n";
    coordinating = world->call(world->node(0, 0), std::move(route)).coordinator;
    for (const NodeNumber node : world->all())
      if (node != coordinating) (raw(door) == 0 ? door : third) = node;
  }
  uint64_t add(uint32_t deadline_ms, Op op = Op::add) {
    Request request;
    request.op = op;
    request.key = "n";
    request.amount = 1;
    if (op == Op::hadd) request.args = {"field"};
    request.deadline_ms = deadline_ms;
    return world->send(door, std::move(request));
  }
  Response wait(uint64_t sent) {
    REQUIRE(world->run_until([&] { return world->response(sent).has_value(); }, Duration::seconds(60)));
    return *world->response(sent);
  }
  // The coordinator's answers to the door are lost, as if it died after it had carried out what it was sent.
  void lose_answers() {
    world->loses = [this](NodeNumber from, NodeNumber to, BytesView frame) {
      return from == coordinating && to == door && has(frame, MessageType::forward_reply);
    };
  }
};

}  // namespace

TEST_CASE("increment: its coordinator dies before it has it and comes back, it is carried out then",
          "[G4][region]") {
  Ring ring;
  REQUIRE(ring.wait(ring.add(5'000)).value == "1");
  ring.world->loses = [&](NodeNumber from, NodeNumber, BytesView frame) {
    return from == ring.door && has(frame, MessageType::forward);
  };
  const uint64_t sent = ring.add(20'000);
  ring.world->run_for(Duration::millis(5));
  ring.world->loses = {};
  ring.world->kill(ring.coordinating);
  ring.world->run_for(Duration::seconds(3));
  CHECK_FALSE(ring.world->response(sent));  // whoever took over cannot tell while one replica is away
  ring.world->start(ring.coordinating);
  const Response answer = ring.wait(sent);
  CHECK(answer.outcome == Outcome::done);
  CHECK(answer.value == "2");
  CHECK(ring.world->get(ring.third, "n").value == "2");
}

TEST_CASE("increment: its coordinator dies before it answers, it counts once and the door says so",
          "[G4][region]") {
  for (const Op op : {Op::add, Op::hadd}) {
    Ring ring;
    ring.wait(ring.add(5'000, op));
    ring.lose_answers();
    const uint64_t sent = ring.add(20'000, op);
    ring.world->run_for(Duration::millis(20));
    ring.world->kill(ring.coordinating);
    const Response answer = ring.wait(sent);  // the new one knows it by its name
    CHECK(answer.outcome == Outcome::done);
    CHECK(answer.value.empty());
    CHECK(ring.wait(ring.add(5'000, op)).value == "3");
  }
}

TEST_CASE("increment: it waits at a coordinator that is deposed, and is asked about at the next one",
          "[G4][region]") {
  Ring ring;
  World& world = *ring.world;
  ring.wait(ring.add(5'000));
  const auto coordinator = [&](NodeNumber asked) {
    Request route;
    route.op = Op::route;
    route.key = "n";
    return world.call(asked, std::move(route)).coordinator;
  };
  // The door is the one that takes over.
  const NodeNumber first = ring.coordinating;
  world.kill(first, false);
  REQUIRE(world.run_until([&] { return world.serving(); }));
  if (coordinator(ring.door) != ring.door) std::swap(ring.door, ring.third);
  world.start(first);
  REQUIRE(world.run_until([&] { return coordinator(ring.door) == first && world.converged(); }));
  // First and the door have a conditional write that is not settled, and an increment that is, of which the
  // door does not hear.
  bool deaf = true;
  world.loses = [&](NodeNumber from, NodeNumber to, BytesView frame) {
    if (to == ring.third && from == first && has(frame, MessageType::append)) return true;
    if (deaf && to == first && has(frame, MessageType::ack)) return true;
    return from == first && to == ring.door && has(frame, MessageType::forward_reply);
  };
  Request conditional;
  conditional.op = Op::set;
  conditional.key = "other";
  conditional.condition = region::Condition::absent;
  world.send(first, std::move(conditional));
  world.run_for(Duration::millis(20));
  deaf = false;
  const uint64_t sent = ring.add(30'000);
  world.run_for(Duration::millis(20));
  world.kill(first, false);
  // The door takes over, and waits for the verdict to be known; then first again.
  world.loses = [&](NodeNumber from, NodeNumber, BytesView frame) {
    return from == ring.door && has(frame, MessageType::append);
  };
  REQUIRE(world.run_until([&] { return coordinator(ring.door) == ring.door; }));
  world.run_for(Duration::millis(700));
  REQUIRE_FALSE(world.response(sent));
  world.cut(ring.door, ring.third);
  world.cut(ring.door, first);
  world.start(first);
  REQUIRE(world.run_until([&] { return coordinator(ring.third) == first; }));
  REQUIRE_FALSE(world.response(sent));
  world.loses = {};
  world.heal();
  const Response answer = ring.wait(sent);
  CAPTURE(answer.message);
  CHECK(answer.outcome == Outcome::done);
  CHECK(answer.value.empty());
  CHECK(world.get(ring.third, "n").value == "2");
}

TEST_CASE("increment: nobody can tell before its deadline, it is unknown and no other client has waited",
          "[G4][region]") {
  Ring ring;
  ring.wait(ring.add(5'000));
  ring.world->loses = [&](NodeNumber from, NodeNumber, BytesView frame) {
    return from == ring.door && has(frame, MessageType::forward);
  };
  const uint64_t sent = ring.add(4'000);
  ring.world->run_for(Duration::millis(5));
  ring.world->loses = {};
  ring.world->kill(ring.coordinating);
  REQUIRE(ring.world->run_until(
      [&] { return ring.world->set(ring.third, "other", "v").outcome == Outcome::done; }));
  Request get;
  get.op = Op::get;
  get.key = "n";
  const uint64_t behind = ring.world->send(ring.door, std::move(get));
  CHECK(ring.world->set(ring.door, "other", "w").outcome == Outcome::done);  // another key waits for nobody
  CHECK(ring.wait(behind).value == "1");  // and neither does another client
  CHECK_FALSE(ring.world->response(sent));
  const Response answer = ring.wait(sent);
  CHECK(answer.outcome == Outcome::unknown);
  CHECK(answer.message.find("counted") != std::string::npos);
}

TEST_CASE("increment: faults at any moment, the sum is what was answered", "[G4][region]") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    Ring ring(seed);
    World& world = *ring.world;
    Prng random(seed);
    int64_t done = 0, unknown = 0;
    std::vector<uint64_t> sent;
    for (int round = 0; round < 4; ++round) {
      for (int i = 0; i < 20; ++i) {
        sent.push_back(ring.add(30'000, Op::add));
        world.run_for(Duration::micros(static_cast<int64_t>(random.below(400))));
      }
      Request route;
      route.op = Op::route;
      route.key = "n";
      const auto now = world.call(ring.door, std::move(route)).coordinator;
      if (raw(now) == 0 || now == ring.door) continue;
      world.kill(now);
      world.run_for(Duration::millis(static_cast<int64_t>(random.below(3'000))));
      world.start(now);
    }
    for (const uint64_t one : sent) {
      const Response answer = ring.wait(one);
      done += answer.outcome == Outcome::done ? 1 : 0;
      unknown += answer.outcome == Outcome::unknown ? 1 : 0;
    }
    CHECK(unknown == 0);  // all replicas are back long before the deadline
    REQUIRE(world.run_until([&] { return world.serving(); }));
    CHECK(world.get(ring.door, "n").value == std::to_string(done));
  }
}
