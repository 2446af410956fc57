// A region that cannot take what another one sends, for lack of room or because a takeover collects verdicts,
// and a replica that has no room for what its coordinator sends: what they drop comes again as soon as they
// can take it, and not when the sender's patience ends.

#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "region/core/message.h"
#include "tests/region/frames.h"
#include "tests/region/serving.h"
#include "tests/region/world.h"
#include "wan/core/message.h"

using namespace atolldb;
using atolldb::testing::has;
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

// Whether a frame brings updates of another region. They lie in a message of region/core.
bool has_batch(BytesView frame) {
  struct Look : region::MessageHandler {
    void on_wan(BytesView message) override { (void)wan::dispatch(message, batches); }
    struct Batches : wan::MessageHandler {
      void on(const wan::Open&) override {}
      void on(const wan::Batch&) override { found = true; }
      void on(const wan::Ack&) override {}
      void on(const wan::Marker&) override {}
      void on(const wan::Exchange&) override {}
      void on(const wan::AskMarker&) override {}
      void on(const wan::SessionMarker&) override {}
      bool found = false;
    } batches;
  } look;
  if (region::decode_header(frame)) (void)region::dispatch(frame, look);
  return look.batches.found;
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

TEST_CASE("streams: a delta comes while a takeover collects verdicts, it is asked for once they are there",
          "[region]") {
  WorldOptions options;
  options.regions = 2;
  options.partitions = 1;
  options.wan_delay_us = 1'000;
  World world(options);
  start(world);
  const auto ask = [](region::Op op, Bytes key, Bytes value) {
    region::Request request;
    request.op = op;
    request.key = std::move(key);
    request.value = std::move(value);
    request.deadline_ms = 30'000;
    return request;
  };
  REQUIRE(world.set(world.node(0, 0), "k", "a").outcome == Outcome::done);
  REQUIRE(world.run_until([&] { return world.converged(); }));
  // First and another one have a conditional write, and only first has heard that it is settled.
  const NodeNumber first = world.call(world.node(0, 0), ask(region::Op::route, "k", {})).coordinator;
  const NodeNumber third = world.node(0, first == world.node(0, 2) ? 0 : 2), far = world.node(1, 0);
  world.loses = [&](NodeNumber from, NodeNumber to, BytesView frame) {
    return from == first && (to == third || has(frame, region::MessageType::progress));
  };
  REQUIRE(world.call(first, ask(region::Op::append, "k", "b")).number == 2);
  for (uint32_t i = 0; i < 3; ++i) world.kill(world.node(0, i), false);
  // First takes over again with third, which does not get the verdict for a while.
  bool open = false;
  int kept_back = 0;
  world.loses = [&](NodeNumber from, NodeNumber to, BytesView frame) {
    if (open || from != first || to != third || !has(frame, region::MessageType::append)) return false;
    return ++kept_back, true;
  };
  world.start(first);
  world.start(third);
  REQUIRE(world.run_until([&] { return kept_back == 2; }));
  world.run_for(Duration::seconds(3));  // of four, until the verdict is sent once more
  bool came = false;
  world.loses = [&, keeps_back = world.loses](NodeNumber from, NodeNumber to, BytesView frame) {
    came = came || (to == first && has_batch(frame));
    return keeps_back(from, to, frame);
  };
  REQUIRE(world.set(far, "x", "1").outcome == Outcome::done);
  const uint64_t waits = world.send(first, ask(region::Op::set, "y", "1"));
  world.run_for(Duration::millis(100));
  REQUIRE_FALSE(world.response(waits));
  open = true;
  REQUIRE(world.run_until([&] { return world.response(waits).has_value(); }, Duration::seconds(2)));
  CHECK(world.run_until([&] { return world.get(first, "x").found; }, Duration::millis(200)));
}

TEST_CASE("streams: a replica's word that it has room is lost, it is said again before patience ends",
          "[region]") {
  WorldOptions options;
  options.regions = 1;
  options.w = 3;
  options.r = 1;
  options.partitions = 1;
  options.memtable_bytes = 64u << 10;
  World world(options);
  start(world);
  region::Request route;
  route.op = region::Op::route;
  route.key = "k";
  const NodeNumber first = world.call(world.node(0, 0), route).coordinator;
  const NodeNumber slow = world.node(0, first == world.node(0, 1) ? 2 : 1);
  world.set_sync_time(slow, Duration::millis(4));  // a checkpoint takes 20 of them
  size_t lost = 0;
  world.loses = [&](NodeNumber from, NodeNumber, BytesView frame) {
    const bool one = lost == 0 && from == slow && has(frame, region::MessageType::send_again);
    lost += one ? 1 : 0;
    return one;
  };
  std::vector<uint64_t> sent;
  for (int i = 0; i < 250; ++i) {
    region::Request request;
    request.op = region::Op::set;
    request.key = "k" + std::to_string(i);
    request.value = Bytes(500, 'v');
    sent.push_back(world.send(first, std::move(request)));
    world.run_for(Duration::micros(200));
  }
  REQUIRE(world.run_until([&] { return lost == 1; }, Duration::millis(500)));
  const auto done = [&](uint64_t one) {
    return world.response(one) && world.response(one)->outcome == Outcome::done;
  };
  CHECK(world.run_until([&] { return std::all_of(sent.begin(), sent.end(), done); }, Duration::seconds(1)));
}

TEST_CASE("streams: a region was away, what is lost when it is back is waited for as long as ever",
          "[region]") {
  World world([] {
    WorldOptions options = three_regions();
    options.regions = 2;
    options.partitions = 1;
    return options;
  }());
  start(world);
  world.run_for(Duration::seconds(2));
  const NodeNumber here = world.node(0, 0), away = world.node(1, 0);
  REQUIRE(world.set(here, "k", "1").outcome == Outcome::done);
  for (int i = 0; i < 3; ++i) {  // each time something is under way to it
    world.kill(away);
    REQUIRE(world.set(here, "k", "2").outcome == Outcome::done);
    world.run_for(Duration::seconds(8));
    size_t lost = 0;
    world.loses = [&](NodeNumber from, NodeNumber, BytesView frame) {
      const bool one = lost == 0 && from == here && has_batch(frame);
      lost += one ? 1 : 0;
      return one;
    };
    world.start(away);
    REQUIRE(world.run_until([&] { return lost == 1; }));
    CHECK(world.run_until([&] { return world.converged(); }, Duration::millis(4'500)));
    world.loses = {};
    require_converged(world);
  }
}
