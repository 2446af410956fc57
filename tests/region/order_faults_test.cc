// The order of what one connection sends, at doors with and without a replica, while coordinators pause, are
// cut off, die, hand over and come back. The seeds are those in which something was overtaken once.

#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "crdt/base/prng.h"
#include "tests/region/world.h"

using namespace atolldb;
using atolldb::testing::World;
using atolldb::testing::WorldOptions;
using region::Op;
using region::Outcome;
using region::Request;

namespace {

Request request(Op op, Bytes key, Bytes value = {}, uint32_t deadline_ms = 20'000) {
  Request out;
  out.op = op;
  out.key = std::move(key);
  out.value = std::move(value);
  out.amount = op == Op::add ? 1 : 0;
  out.deadline_ms = deadline_ms;
  return out;
}

Bytes connection(uint32_t number) {
  Bytes name = "rconnec";
  name[5] = static_cast<char>('a' + number / 20);
  name[6] = static_cast<char>('a' + number % 20);
  return name;
}

// What a connection sends for a register and for a counter of its own.
struct Line {
  World& world;
  NodeNumber door;
  uint32_t number = 0;
  struct Sent {
    Op op;
    bool counter;
    uint64_t request;
  };
  std::vector<Sent> sent;

  void send(Prng& random, int count, uint32_t deadline_ms) {
    for (int i = 0; i < count; ++i) {
      const bool counter = random.below(2) == 0, reads = random.below(2) == 0;
      const Op op = reads ? Op::get : counter ? Op::add : Op::set;
      const Bytes key = (counter ? "count" : "value") + std::to_string(number);
      sent.push_back(
          {op, counter,
           world.send(door, request(op, key, op == Op::set ? std::to_string(sent.size()) : "", deadline_ms),
                      connection(number))});
    }
  }
  // A read shows what was sent before it: all of that which is done, and nothing that came behind it.
  void check(uint64_t& checked) const {
    int64_t done = 0, open = 0, last = -1;
    std::set<int64_t> unknown{-1};
    for (size_t i = 0; i < sent.size(); ++i) {
      const auto answer = world.response(sent[i].request);
      CAPTURE(number, i, raw(door));
      REQUIRE(answer);
      const Outcome outcome = answer->outcome;
      if (sent[i].op == Op::set && outcome == Outcome::done) last = static_cast<int64_t>(i);
      if (sent[i].op == Op::set && outcome == Outcome::unknown) unknown.insert(static_cast<int64_t>(i));
      if (sent[i].op == Op::add && outcome == Outcome::done) ++done;
      if (sent[i].op == Op::add && outcome == Outcome::unknown) ++open;
      if (outcome != Outcome::done || sent[i].op == Op::set ||
          (sent[i].op == Op::add && answer->value.empty()))
        continue;
      ++checked;
      const int64_t shown = answer->value.empty() ? (sent[i].counter ? 0 : -1) : std::stoll(answer->value);
      if (sent[i].counter) {
        CHECK(shown >= done);
        CHECK(shown <= done + open);
      } else {
        CAPTURE(shown, last);
        CHECK((shown == last || (shown < static_cast<int64_t>(i) && unknown.contains(shown))));
      }
    }
  }
};

void start_all(World& world) {
  for (const NodeNumber node : world.all())
    if (!world.running(node)) world.start(node);
}

void resume_all(World& world) {
  for (const NodeNumber node : world.all()) world.resume(node);
}

void go_wrong(World& world, Prng& random, NodeNumber victim, const std::function<NodeNumber()>& any) {
  switch (random.below(8)) {
    case 0:
      return world.kill(victim);
    case 1:
    case 2:
      return start_all(world);
    case 3:
      return world.pause(victim);
    case 4:
      return resume_all(world);
    case 5:
      if (const NodeNumber other = any(); victim != other) world.cut(victim, other);
      return;
    case 6:
      return world.heal();
    default:
      world.set_sync_time(victim,
                          Duration::millis(static_cast<int64_t>(random.below(3) * random.below(800))));
  }
}

}  // namespace

TEST_CASE("order: coordinators pause, are cut off and die, order stays and all is answered", "[region]") {
  uint64_t checked = 0;
  for (const uint64_t seed : {7, 19, 36, 45, 48, 56, 72}) {
    CAPTURE(seed);
    Prng random(seed * 77);
    WorldOptions options;
    options.regions = 1;
    options.nodes = random.below(2) == 0 ? 3 : 6;
    options.partitions = 1 + static_cast<uint32_t>(random.below(4));
    options.seed = seed;
    options.jitter_max_us = static_cast<int64_t>(random.below(3000));
    options.local_delay_us = random.below(3) == 0 ? 400 : 200;
    World world(options);
    world.start_all();
    REQUIRE(world.run_until([&] { return world.serving(); }));
    std::vector<Line> lines;
    const uint32_t doors = 1 + static_cast<uint32_t>(random.below(2));
    for (uint32_t i = 0; i < 12; ++i) lines.push_back({world, world.node(0, i % doors), i, {}});
    const auto some = [&] {
      return world.node(0, doors + static_cast<uint32_t>(random.below(options.nodes - doors)));
    };
    const auto any = [&] { return world.node(0, static_cast<uint32_t>(random.below(options.nodes))); };
    for (int step = 0; step < 150; ++step) {
      if (random.below(10) == 0) {
        const NodeNumber victim = some();
        go_wrong(world, random, victim, any);
      }
      for (Line& line : lines)
        line.send(random, static_cast<int>(random.below(3)), random.below(10) == 0 ? 1'500 : 20'000);
      world.run_for(
          Duration::micros(static_cast<int64_t>(random.below(random.below(4) == 0 ? 400'000 : 3'000))));
    }
    world.heal();
    resume_all(world);
    world.set_sync_time(Duration::micros(150));
    start_all(world);
    REQUIRE(world.run_until([&] { return world.serving(); }));
    for (const Line& line : lines)
      for (const auto& one : line.sent)
        REQUIRE(world.run_until([&] { return world.response(one.request).has_value(); }));
    for (const Line& line : lines) line.check(checked);
    for (const NodeNumber node : world.all())
      CHECK(nlohmann::json::parse(world.report(node, Op::status))["in_work"] == 0);
  }
  CHECK(checked > 1'000);
}
