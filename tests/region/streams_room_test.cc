// A region that has no room for what another one sends, for a moment or for long: what it drops comes again
// as soon as there is room, and not when the sender's patience ends.

#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "region/core/message.h"
#include "tests/region/serving.h"
#include "tests/region/world.h"
#include "wan/core/message.h"

using namespace atolldb;
using atolldb::testing::World;
using atolldb::testing::WorldOptions;
using region::Outcome;

namespace {

WorldOptions with_little_room() {
  WorldOptions options;
  options.nodes = options.n = options.r = options.w = 1;
  options.partitions = 64;
  options.memtable_bytes = 64u << 10;
  options.wan_delay_us = 1'000;
  return options;
}

nlohmann::json status_of(World& world, NodeNumber node) {
  return nlohmann::json::parse(world.report(node, region::Op::status));
}

// Whether a frame says that what was dropped is to come again.
bool invites(BytesView frame) {
  struct Acks : wan::MessageHandler {
    void on(const wan::Open&) override {}
    void on(const wan::Batch&) override {}
    void on(const wan::Ack& m) override { again = again || m.again; }
    void on(const wan::Marker&) override {}
    void on(const wan::Exchange&) override {}
    void on(const wan::AskMarker&) override {}
    void on(const wan::SessionMarker&) override {}
    bool again = false;
  };
  struct Look : region::MessageHandler {
    void on_wan(BytesView message) override { (void)wan::dispatch(message, acks); }
    Acks acks;
  } look;
  if (region::decode_header(frame)) (void)region::dispatch(frame, look);
  return look.acks.again;
}

void set_many(World& world, int first, int count, size_t bytes, Duration between) {
  std::vector<uint64_t> sent;
  for (int i = first; i < first + count; ++i) {
    region::Request request;
    request.op = region::Op::set;
    request.key = "k" + std::to_string(i);
    request.value = Bytes(bytes, 'v');
    sent.push_back(world.send(world.node(0, 0), std::move(request)));
    world.run_for(between);
  }
  const auto done = [&](uint64_t c) {
    return world.response(c) && world.response(c)->outcome == Outcome::done;
  };
  REQUIRE(world.run_until([&] { return std::all_of(sent.begin(), sent.end(), done); }, Duration::seconds(2)));
}

}  // namespace

TEST_CASE("streams: a region's memtables are full for moments, it is behind no longer than its disk takes",
          "[region]") {
  World world(with_little_room());
  start(world);
  world.run_for(Duration::seconds(2));
  const NodeNumber slow = world.node(1, 0);
  world.set_sync_time(slow, Duration::millis(4));  // a checkpoint takes 20 of them
  bool lacked_room = false;
  for (int i = 0; i < 3'000; i += 100) {
    set_many(world, i, 100, 500, Duration::micros(200));
    lacked_room = lacked_room || !status_of(world, slow)["has_room"].get<bool>();
  }
  CHECK(lacked_room);
  const Instant ended = world.now();
  require_converged(world);
  const int64_t took_ms = (world.now() - ended).ns / 1'000'000;
  CAPTURE(took_ms);
  CHECK(took_ms < 4'000);
  const auto to = status_of(world, world.node(0, 0))["regions"];
  for (const auto& [name, region] : to.items()) {
    CAPTURE(name);
    CHECK(region["streams_stalled"] == 0);
    CHECK(region["exchanges"] == 0);
  }
}

TEST_CASE("streams: a region's disk is full for long, it is sent everything as soon as there is space",
          "[region]") {
  World world(with_little_room());
  start(world);
  world.run_for(Duration::seconds(2));
  const NodeNumber full = world.node(2, 0);
  world.disk(full).capacity_bytes = 0;
  for (int round = 0; round < 30; ++round) {
    set_many(world, round * 40, 40, 300, Duration::micros(500));
    world.run_for(Duration::seconds(1));
  }
  CHECK_FALSE(status_of(world, full)["has_room"].get<bool>());
  CHECK_FALSE(world.converged());
  world.disk(full).capacity_bytes = UINT64_MAX;
  require_converged(world, Duration::seconds(2));
}

TEST_CASE("streams: the word that there is room is lost, it is said again before the sender's patience ends",
          "[region]") {
  World world(with_little_room());
  start(world);
  world.run_for(Duration::seconds(2));
  const NodeNumber slow = world.node(1, 0);
  world.set_sync_time(slow, Duration::millis(4));
  size_t lost = 0;
  world.loses = [&](NodeNumber from, NodeNumber to, BytesView frame) {
    const bool one = from == slow && to == world.node(0, 0) && invites(frame);
    lost += one ? 1 : 0;
    return one;
  };
  for (int i = 0; i < 1'500; i += 100) set_many(world, i, 100, 500, Duration::micros(200));
  world.run_for(Duration::millis(300));
  CHECK(lost > 10);
  world.loses = {};
  require_converged(world);
  const auto to = status_of(world, world.node(0, 0))["regions"];
  for (const auto& [name, region] : to.items()) {
    CAPTURE(name);
    CHECK(region["streams_stalled"] == 0);
  }
}
