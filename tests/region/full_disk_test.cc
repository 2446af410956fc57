// Disks that are full: who serves then, what is still taken, and how writes resume (HAZARDS 28).

#include <algorithm>
#include <catch2/catch.hpp>

#include "crdt/row_key.h"
#include "tests/region/serving.h"
#include "tests/region/world.h"

using namespace atolldb;
using atolldb::testing::World;
using atolldb::testing::WorldOptions;
using region::Outcome;

// HAZARDS 28: two others have room, and so the region goes on taking writes.
TEST_CASE("cluster: a node's disk is full, others coordinate what it did, and it takes part again afterwards",
          "[region]") {
  WorldOptions options;
  options.regions = 1;
  options.memtable_bytes = 8u << 10;
  World world(options);
  start(world);
  world.run_for(Duration::seconds(5));
  const NodeNumber full = world.node(0, 0);
  world.disk(full).capacity_bytes = 0;
  int refused = 0, after = 0;
  for (int i = 0; i < 300; ++i) {
    world.run_for(Duration::millis(50));
    const bool done =
        world.set(world.node(0, i % 3), "k" + std::to_string(i % 40), Bytes(500, 'v')).outcome ==
        Outcome::done;
    refused += done ? 0 : 1;
    after += done && i >= 200 ? 1 : 0;
  }
  CHECK(refused > 0);
  CHECK(after == 100);
  CHECK_FALSE(world.fatal(full));
  for (int i = 0; i < 40; ++i) {
    const auto got = world.get(full, "k" + std::to_string(i));
    CAPTURE(i, got.message);
    CHECK(got.found);
  }
  world.disk(full).capacity_bytes = UINT64_MAX;
  require_converged(world);
}

// HAZARDS 28: nobody has room, and what is deleted makes some.
TEST_CASE("cluster: all disks of a region are full, deletes are done and writes resume", "[region]") {
  WorldOptions options;
  options.regions = 1;
  options.memtable_bytes = 8u << 10;
  options.clears = {10, 4};  // what is larger, goes in steps
  World world(options);
  start(world);
  const auto ask = [&](int i, region::Op op, Bytes key, Bytes value = {}, std::vector<Bytes> args = {}) {
    region::Request request;
    request.op = op;
    request.key = std::move(key);
    request.value = std::move(value);
    request.args = std::move(args);
    return world.call(world.node(0, static_cast<uint32_t>(i % 3)), std::move(request));
  };
  REQUIRE(ask(0, region::Op::sadd, "set", {}, {"a", "b"}).outcome == Outcome::done);
  REQUIRE(ask(0, region::Op::hset, "map", {}, {"f", "1", "g", "2"}).outcome == Outcome::done);
  std::vector<Bytes> many;
  for (int i = 0; i < 100; ++i) many.push_back("element" + std::to_string(i));
  REQUIRE(ask(1, region::Op::sadd, "large", {}, many).outcome == Outcome::done);
  const auto clearing = [&](NodeNumber node) {
    return world.report(node, region::Op::digest).find("\"clearing\":[]") == std::string::npos;
  };
  for (uint32_t i = 0; i < 3; ++i) {
    auto& disk = world.disk(world.node(0, i));
    disk.capacity_bytes = disk.used_bytes() + 200'000;
  }
  const auto refused = [&](int i) {
    const auto answer = world.set(world.node(0, static_cast<uint32_t>(i % 3)), "new", "v");
    return answer.outcome == Outcome::rejected && answer.code == Errc::full;
  };
  std::vector<Bytes> written;
  for (int i = 0; i < 2000 && !refused(i); ++i) {
    const Bytes key = "k" + std::to_string(i);
    if (world.set(world.node(0, static_cast<uint32_t>(i % 3)), key, Bytes(1000, 'v')).outcome ==
        Outcome::done)
      written.push_back(key);
  }
  REQUIRE(written.size() > 50);
  REQUIRE(refused(0));
  world.run_for(Duration::seconds(5));
  REQUIRE(refused(1));
  CHECK(ask(0, region::Op::del, "large").number == 1);
  CHECK(clearing(world.node(0, 1)));
  CHECK(ask(0, region::Op::sadd, "set", {}, {"c"}).code == Errc::full);
  CHECK(world.run_until([&] { return !clearing(world.node(0, 1)); }, Duration::seconds(10)));
  CHECK(ask(0, region::Op::srem, "set", {}, {"a"}).number == 1);
  CHECK(ask(1, region::Op::hdel, "map", {}, {"f"}).number == 1);
  CHECK(ask(2, region::Op::spop, "set", {}, {Bytes(16, '\0')}).outcome == Outcome::done);
  const auto taken = ask(1, region::Op::getdel, written.back());
  CAPTURE(taken.message);
  CHECK(taken.value == Bytes(1000, 'v'));
  written.pop_back();
  // A coordinator dies, and whoever takes over has its reserve for it.
  world.kill(world.node(0, 0));
  world.run_for(Duration::seconds(5));
  for (size_t i = 0; i < written.size(); ++i) {
    const auto answer = ask(1 + static_cast<int>(i % 2), region::Op::del, written[i]);
    CAPTURE(i, answer.message);
    REQUIRE(answer.outcome == Outcome::done);
    CHECK(answer.number == 1);
  }
  world.start(world.node(0, 0));
  REQUIRE(world.run_until([&] { return world.serving(); }));
  const bool resumed =
      world.run_until([&] { return !refused(0) && !refused(1) && !refused(2); }, Duration::seconds(30));
  CHECK(resumed);
  for (const NodeNumber node : world.all()) CHECK_FALSE(world.fatal(node));
  for (const Bytes& key : written) CHECK_FALSE(world.get(world.node(0, 0), key).found);
  CHECK(world.set(world.node(0, 1), "last", "v").outcome == Outcome::done);
  require_converged(world);
}
