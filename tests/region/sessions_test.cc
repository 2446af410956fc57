// Sessions that go from one region to another with what they have seen: G8 in precise situations.

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "crdt/hlc.h"
#include "tests/region/frames.h"
#include "tests/region/world.h"
#include "topology/ring.h"
#include "wan/core/message.h"

using namespace atolldb;
using atolldb::testing::has;
using atolldb::testing::kAp;
using atolldb::testing::kEu;
using atolldb::testing::kUs;
using atolldb::testing::World;
using atolldb::testing::WorldOptions;
using region::OnBehind;
using region::Op;
using region::Outcome;
using region::Request;
using region::Response;

namespace {

// What the client library keeps of a session.
struct Session {
  World& world;
  region::Seen seen;
  OnBehind on_behind = OnBehind::wait;
  uint32_t deadline_ms = 2'000;
  uint8_t r = 0;
  bool local = false;

  Request request(Op op, const Bytes& key) const {
    Request out;
    out.op = op;
    out.key = key;
    out.session = true;
    out.seen = seen;
    out.on_behind = on_behind;
    out.deadline_ms = deadline_ms;
    out.r = r;
    out.local = local;
    return out;
  }
  Response take(NodeNumber node, Response&& response) {
    region::join(seen, {world.topology().find(node)->region, response.seen});
    return std::move(response);
  }
  Response get(NodeNumber node, const Bytes& key) {
    return take(node, world.call(node, request(Op::get, key)));
  }
  Response del(NodeNumber node, const Bytes& key) {
    return take(node, world.call(node, request(Op::del, key)));
  }
  Response set(NodeNumber node, const Bytes& key, const Bytes& value) {
    Request out = request(Op::set, key);
    out.value = value;
    return take(node, world.call(node, std::move(out)));
  }
  Response add(NodeNumber node, const Bytes& key) {
    Request out = request(Op::add, key);
    out.amount = 1;
    return take(node, world.call(node, std::move(out)));
  }
};

std::unique_ptr<World> world_of(uint32_t partitions = 4, uint32_t regions = 3, uint32_t nodes = 3) {
  WorldOptions options;
  options.partitions = partitions;
  options.regions = regions;
  options.nodes = nodes;
  auto world = std::make_unique<World>(options);
  world->start_all();
  REQUIRE(world->run_until([&] { return world->serving(); }));
  world->run_for(Duration::millis(1500));  // streams are open
  return world;
}

// Keys of two different partitions.
std::pair<Bytes, Bytes> apart(World& world) {
  const auto of = [&](const Bytes& key) { return world.topology().placement.place(key).partition; };
  for (int i = 1;; ++i)
    if (const Bytes other = "k" + std::to_string(i); of("k0") != of(other)) return {"k0", other};
}

NodeNumber coordinator_of(World& world, NodeNumber node, const Bytes& key) {
  Request route;
  route.op = Op::route;
  route.key = key;
  return world.call(node, std::move(route)).coordinator;
}

}  // namespace

TEST_CASE("session: goes to another region with a write, waits for it and reads it", "[G8][region][wan]") {
  auto world = world_of();
  Session session{*world, {}};
  for (int i = 0; i < 20; ++i) {
    const Bytes key = "k" + std::to_string(i % 7), value = std::to_string(i);
    const NodeNumber there = world->node(static_cast<uint32_t>(i) % 3, 0);
    const NodeNumber here = world->node(static_cast<uint32_t>(i + 1) % 3, 2);
    REQUIRE(session.set(there, key, value).outcome == Outcome::done);
    const Response read = session.get(here, key);
    REQUIRE(read.outcome == Outcome::done);
    CHECK(read.value == value);
    CHECK_FALSE(read.stale);
  }
  CHECK(session.seen.size() == 3);
}

TEST_CASE("session: without a token, another region shows what it has", "[G8][region][wan]") {
  auto world = world_of();
  REQUIRE(world->set(world->node(0, 0), "k", "new").outcome == Outcome::done);
  CHECK_FALSE(world->get(world->node(1, 0), "k").found);  // this is what the sessions above have waited for
}

TEST_CASE("session: a region that is behind, as the session chooses", "[G8][region][wan]") {
  auto world = world_of();
  Session session{*world, {}};
  const NodeNumber eu = world->node(0, 0), us = world->node(1, 0);
  REQUIRE(session.set(eu, "k", "old").outcome == Outcome::done);
  REQUIRE(session.get(us, "k").value == "old");
  REQUIRE(session.get(eu, "k").value == "old");  // eu has all that it has seen in us
  world->cut_regions(kEu, kUs);
  world->cut_regions(kEu, kAp);
  world->run_for(Duration::seconds(4));
  REQUIRE(session.set(eu, "k", "new").outcome == Outcome::done);
  const region::Seen seen = session.seen;

  session.deadline_ms = 1'000;
  const Instant begun = world->now();
  const Response waited = session.get(us, "k");
  CHECK(waited.outcome == Outcome::rejected);
  CHECK(waited.code == Errc::behind);
  REQUIRE(waited.behind);
  CHECK(waited.behind->region == kEu);
  CHECK(waited.behind->ms >= 4'000);
  CHECK(waited.behind->ms < 8'000);
  CHECK(waited.message ==
        "region r1 is " + std::to_string(waited.behind->ms) + " ms behind what this session has seen in r0");
  CHECK((world->now() - begun).as_millis() >= 1'000);
  CHECK(session.seen == seen);

  session.on_behind = OnBehind::refuse;
  const Instant asked = world->now();
  CHECK(session.get(us, "k").code == Errc::behind);
  CHECK((world->now() - asked).as_millis() < 100);

  session.on_behind = OnBehind::stale;
  const Response stale = session.get(us, "k");
  CHECK(stale.outcome == Outcome::done);
  CHECK(stale.value == "old");
  CHECK(stale.stale);
  REQUIRE(stale.behind);
  CHECK(stale.behind->region == kEu);

  session.on_behind = OnBehind::wait;
  session.deadline_ms = 30'000;
  const uint64_t waiting = world->send(us, session.request(Op::get, "k"));
  world->run_for(Duration::seconds(2));
  CHECK_FALSE(world->response(waiting));
  world->heal();
  REQUIRE(world->run_until([&] { return world->response(waiting).has_value(); }));
  CHECK(world->response(waiting)->value == "new");
}

TEST_CASE("session: a deleted and an absent key are covered too", "[G8][region][wan]") {
  auto world = world_of();
  Session session{*world, {}};
  const NodeNumber eu = world->node(0, 1), us = world->node(1, 1);
  REQUIRE(world->set(us, "k", "v").outcome == Outcome::done);
  REQUIRE(world->run_until([&] { return world->get(eu, "k").found; }));
  REQUIRE(session.del(eu, "k").number == 1);
  const Response read = session.get(us, "k");
  REQUIRE(read.outcome == Outcome::done);
  CHECK_FALSE(read.found);

  // Another one has only read that the key is not there.
  REQUIRE(world->set(us, "m", "v").outcome == Outcome::done);
  REQUIRE(world->run_until([&] { return world->get(eu, "m").found; }));
  Request gone;
  gone.op = Op::del;
  gone.key = "m";
  REQUIRE(world->call(eu, std::move(gone)).number == 1);
  Session reader{*world, {}};
  REQUIRE_FALSE(reader.get(eu, "m").found);
  CHECK_FALSE(reader.get(us, "m").found);
}

TEST_CASE("session: what it was shown came from a third region, it is waited for", "[G8][region][wan]") {
  auto world = world_of(1);
  Session session{*world, {}};
  const NodeNumber eu = world->node(0, 0), us = world->node(1, 0), ap = world->node(2, 0);
  world->cut_regions(kAp, kUs);
  world->run_for(Duration::seconds(4));
  REQUIRE(world->set(ap, "k", "of ap").outcome == Outcome::done);
  REQUIRE(world->run_until([&] { return world->get(eu, "k").found; }));
  REQUIRE(session.get(eu, "k").value == "of ap");
  REQUIRE(session.seen.size() == 1);  // eu alone has answered it
  session.deadline_ms = 1'000;
  const Response read = session.get(us, "k");
  CHECK(read.code == Errc::behind);
  CHECK(read.outcome == Outcome::rejected);
  world->heal();
  session.deadline_ms = 20'000;
  CHECK(session.get(us, "k").value == "of ap");
}

TEST_CASE("session: a stamp of another partition, the idle one says that it has nothing further",
          "[G8][region][wan]") {
  auto world = world_of();
  const auto [written, idle] = apart(*world);
  Session session{*world, {}};
  const NodeNumber eu = world->node(0, 0), us = world->node(1, 0);
  REQUIRE(world->set(eu, idle, "v").outcome == Outcome::done);
  world->run_for(Duration::seconds(30));
  REQUIRE(session.set(eu, written, "w").outcome == Outcome::done);
  const Instant asked = world->now();
  const Response read = session.get(us, idle);
  CHECK(read.value == "v");
  CHECK_FALSE(read.stale);
  CHECK((world->now() - asked).as_millis() < 200);  // there and back, and a sync in between
}

TEST_CASE(
    "session: the region that answered it is dead, the others have its write or say how far they are behind",
    "[G8][region][wan]") {
  auto world = world_of();
  Session session{*world, {}};
  const NodeNumber eu = world->node(0, 0), us = world->node(1, 0), ap = world->node(2, 0);
  REQUIRE(session.set(eu, "k", "1").outcome == Outcome::done);
  world->run_for(Duration::millis(300));  // and its marker is on its way to the others
  for (uint32_t i = 0; i < 3; ++i) world->kill(world->node(0, i));
  CHECK(session.get(us, "k").value == "1");
  CHECK(session.get(ap, "k").value == "1");

  for (uint32_t i = 0; i < 3; ++i) world->start(world->node(0, i));
  REQUIRE(world->run_until([&] { return world->serving(); }));
  REQUIRE(session.get(eu, "k").value == "1");
  world->cut_regions(kEu, kUs);
  world->cut_regions(kEu, kAp);
  REQUIRE(session.set(eu, "k", "2").outcome == Outcome::done);
  for (uint32_t i = 0; i < 3; ++i) world->kill(world->node(0, i));  // before anything of it has left
  world->run_for(Duration::seconds(1));
  session.deadline_ms = 1'000;
  const Response read = session.get(us, "k");
  CHECK(read.outcome == Outcome::rejected);
  CHECK(read.code == Errc::behind);
  REQUIRE(read.behind);
  CHECK(read.behind->region == kEu);
  CHECK(read.behind->ms > 0);
  session.on_behind = OnBehind::stale;
  const Response stale = session.get(us, "k");
  CHECK(stale.value == "1");
  CHECK(stale.stale);
}

TEST_CASE(
    "session: its region is dead and the coordinator elsewhere dies too, the next one has heard what is "
    "covered",
    "[G8][region][wan]") {
  auto world = world_of(1);
  Session session{*world, {}};
  const NodeNumber eu = world->node(0, 0);
  REQUIRE(session.set(eu, "k", "1").outcome == Outcome::done);
  REQUIRE(session.get(world->node(1, 0), "k").value == "1");
  session.seen = {session.seen.front()};  // of eu alone
  world->run_for(Duration::millis(300));
  const NodeNumber first = coordinator_of(*world, world->node(1, 0), "k");
  for (uint32_t i = 0; i < 3; ++i) world->kill(world->node(0, i));
  world->kill(first);
  NodeNumber next = world->node(1, 0);
  if (next == first) next = world->node(1, 1);
  session.deadline_ms = 10'000;
  const Response read = session.get(next, "k");
  CHECK(read.value == "1");
  CHECK_FALSE(read.stale);
}

TEST_CASE("session: writes wait as well, and supersede what the session has seen", "[G8][G5][region][wan]") {
  auto world = world_of();
  Session session{*world, {}};
  const NodeNumber eu = world->node(0, 0), us = world->node(1, 0);
  for (uint32_t j = 0; j < 3; ++j)
    world->set_wall_offset(world->node(1, j), -30'000);  // its own stamp would lose
  REQUIRE(session.set(eu, "k", "first").outcome == Outcome::done);
  REQUIRE(session.set(us, "k", "second").outcome == Outcome::done);
  REQUIRE(world->run_until([&] { return world->converged(); }));
  for (const NodeNumber node : world->all()) CHECK(world->get(node, "k").value == "second");
  Request siblings;
  siblings.op = Op::siblings;
  siblings.key = "k";
  CHECK(world->call(eu, std::move(siblings)).values.size() == 1);
}

TEST_CASE("session: the coordinator over there changes hands while the session waits, it is answered",
          "[G8][region][wan]") {
  for (const bool sender : {false, true}) {
    CAPTURE(sender);
    auto world = world_of(1);
    Session session{*world, {}};
    const NodeNumber eu = world->node(0, 0), us = world->node(1, 0);
    world->cut_regions(kEu, kUs);
    world->run_for(Duration::seconds(4));
    REQUIRE(session.set(eu, "k", "new").outcome == Outcome::done);
    const NodeNumber dies = coordinator_of(*world, sender ? eu : us, "k");
    NodeNumber asked = world->node(1, 0);
    if (asked == dies) asked = world->node(1, 1);
    session.deadline_ms = 60'000;
    const uint64_t waiting = world->send(asked, session.request(Op::get, "k"));
    world->run_for(Duration::seconds(1));
    world->kill(dies);
    world->run_for(Duration::seconds(4));
    CHECK_FALSE(world->response(waiting));
    world->heal();
    REQUIRE(world->run_until([&] { return world->response(waiting).has_value(); }, Duration::seconds(50)));
    CHECK(world->response(waiting)->value == "new");
    CHECK_FALSE(world->response(waiting)->stale);
  }
}

TEST_CASE("session: the coordinator that waits gives the partition up, the request goes on with the next one",
          "[G8][region][wan]") {
  auto world = world_of(1);
  Session session{*world, {}};
  const NodeNumber eu = world->node(0, 0);
  const NodeNumber first = coordinator_of(*world, world->node(1, 0), "k");
  world->kill(first);
  REQUIRE(world->run_until([&] { return world->serving(); }));
  world->cut_regions(kEu, kUs);
  world->run_for(Duration::seconds(4));
  REQUIRE(session.set(eu, "k", "new").outcome == Outcome::done);
  const NodeNumber second = [&] {
    for (uint32_t i = 0; i < 3; ++i)
      if (world->node(1, i) != first) return coordinator_of(*world, world->node(1, i), "k");
    return NodeNumber{};
  }();
  REQUIRE(second != first);
  session.deadline_ms = 60'000;
  const uint64_t waiting = world->send(second, session.request(Op::get, "k"));
  world->start(first);  // takes the partition back after three seconds
  REQUIRE(world->run_until([&] { return coordinator_of(*world, first, "k") == first; }));
  CHECK_FALSE(world->response(waiting));
  world->heal();
  REQUIRE(world->run_until([&] { return world->response(waiting).has_value(); }));
  CHECK(world->response(waiting)->value == "new");
}

TEST_CASE("session: reads of one replica go to the coordinator, unless stale ones are asked for",
          "[G8][region][wan]") {
  auto world = world_of(1);
  Session session{*world, {}};
  const NodeNumber us = world->node(1, 0);
  const NodeNumber coordinating = coordinator_of(*world, us, "k");
  NodeNumber follower = us;
  for (uint32_t i = 0; i < 3; ++i)
    if (world->node(1, i) != coordinating) follower = world->node(1, i);
  world->loses = [&](NodeNumber from, NodeNumber to, BytesView) {
    return from == coordinating && to == follower;  // it falls behind, and nobody notices for a moment
  };
  REQUIRE(session.set(coordinating, "k", "v").outcome == Outcome::done);
  session.local = true;
  session.on_behind = OnBehind::stale;
  const Response stale = session.get(follower, "k");
  CHECK_FALSE(stale.found);
  CHECK(stale.stale);
  world->loses = {};
  session.on_behind = OnBehind::wait;
  const Response read = session.get(follower, "k");
  CHECK(read.value == "v");
  CHECK_FALSE(read.stale);
  session.local = false;
  session.r = 1;
  CHECK_FALSE(session.get(follower, "k").stale);
}

TEST_CASE("session: nobody has one, no markers for them are sent", "[G8][region][wan]") {
  auto world = world_of();
  uint64_t messages = 0;
  world->loses = [&](NodeNumber, NodeNumber, BytesView frame) {
    messages += has(frame, wan::MessageType::session_marker) || has(frame, wan::MessageType::ask_marker);
    return false;
  };
  for (int i = 0; i < 50; ++i) REQUIRE(world->add(world->node(0, 0), "n", 1).outcome == Outcome::done);
  world->run_for(Duration::seconds(5));
  CHECK(messages == 0);
  Session session{*world, {}};
  for (int i = 0; i < 50; ++i) REQUIRE(session.set(world->node(0, 0), "n", "v").outcome == Outcome::done);
  world->run_for(Duration::seconds(5));
  CHECK(messages >= 2);  // one to each region
  CHECK(messages <= 6);  // at most once a second
}

TEST_CASE("session: a stamp further ahead than clocks may be, nobody's stamps follow it",
          "[G8][region][wan]") {
  auto world = world_of();
  Session session{*world, {}};
  const NodeNumber eu = world->node(0, 0), us = world->node(1, 0);
  REQUIRE(session.set(eu, "k", "v").outcome == Outcome::done);
  const uint64_t honest = session.seen.front().stamp;
  session.seen.front().stamp += crdt::Hlc::from_wall(3'600'000).value;
  session.deadline_ms = 500;
  CHECK(session.get(us, "k").code == Errc::behind);
  world->run_for(Duration::seconds(1));
  Session later{*world, {}};
  REQUIRE(later.set(eu, "k", "w").outcome == Outcome::done);
  CHECK(later.seen.front().stamp < honest + crdt::Hlc::from_wall(60'000).value);
}

TEST_CASE("session: of a region that the topology does not have, refused", "[G8][G10][region]") {
  auto world = world_of();
  Session session{*world, {{RegionId{7}, 1}}};
  const Response read = session.get(world->node(0, 0), "k");
  CHECK(read.code == Errc::invalid);
  CHECK(read.message == "the session names region number 7, but the topology has 3 regions");
}

TEST_CASE("session: too much waits for other regions, busy at once", "[G8][G9][region][wan]") {
  auto world = world_of(1);
  Session session{*world, {}};
  const NodeNumber eu = world->node(0, 0), us = world->node(1, 0);
  REQUIRE(session.set(eu, "k", "v").outcome == Outcome::done);
  for (uint32_t i = 0; i < 3; ++i) world->kill(world->node(0, i), true);
  world->run_for(Duration::seconds(2));
  session.seen.front().stamp += crdt::Hlc::from_wall(1'000).value;
  session.deadline_ms = 3'000;
  const NodeNumber coordinating = coordinator_of(*world, us, "k");
  std::vector<uint64_t> sent;
  for (int i = 0; i < 9; ++i) {
    Request request = session.request(Op::set, "k");
    request.value = Bytes(8u << 20, 'x');
    sent.push_back(world->send(coordinating, std::move(request)));
  }
  world->run_for(Duration::millis(100));
  const auto last = world->response(sent.back());
  REQUIRE(last);
  CHECK(last->code == Errc::busy);
  CHECK_FALSE(world->response(sent.front()));
  world->run_for(Duration::seconds(4));
  for (const uint64_t one : sent) {
    REQUIRE(world->response(one));
    CHECK(world->response(one)->outcome == Outcome::rejected);
  }
  Session other{*world, {}};
  CHECK(other.set(coordinating, "k", "small").outcome == Outcome::done);  // and there is room again
}
