// Conditional writes whose coordinators die, come back and meet (docs/coordinator.md, rule 12).

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "crdt/delta.h"
#include "region/core/message.h"
#include "region/core/record.h"
#include "tests/region/frames.h"
#include "tests/region/world.h"

using namespace atolldb;
using atolldb::testing::has;
using atolldb::testing::World;
using atolldb::testing::WorldOptions;
using region::Condition;
using region::Op;
using region::Outcome;
using region::Request;
using region::Response;

namespace {

WorldOptions one_region() {
  WorldOptions options;
  options.regions = 1;
  options.partitions = 1;
  return options;
}

void start(World& world) {
  world.start_all();
  REQUIRE(world.run_until([&] { return world.serving(); }));
}

Request set_if(Condition condition, Bytes key, Bytes value) {
  Request request;
  request.op = Op::set;
  request.key = std::move(key);
  request.value = std::move(value);
  request.condition = condition;
  return request;
}

Request ask(Op op, Bytes key, Bytes value = {}) {
  Request request;
  request.op = op;
  request.key = std::move(key);
  request.value = std::move(value);
  return request;
}

NodeNumber coordinator(World& world, NodeNumber asked) {
  return world.call(asked, ask(Op::route, "k")).coordinator;
}

NodeNumber other_than(World& world, std::vector<NodeNumber> these) {
  for (const NodeNumber node : world.all())
    if (std::find(these.begin(), these.end(), node) == these.end()) return node;
  return {};
}

// Whether a frame brings a conditional write, by append or with a promise.
bool has_verdicts(BytesView frame) {
  struct Look : region::MessageHandler {
    void on(const region::Append& m) override { look(m.entries); }
    void on(const region::Late& m) override { look(m.entries); }
    void look(const std::vector<region::Entry>& entries) {
      for (const region::Entry& entry : entries) found = found || entry.verdict != region::Verdict::none;
    }
    bool found = false;
  } look;
  if (region::decode_header(frame)) (void)region::dispatch(frame, look);
  return look.found;
}

// Appends with conditional writes, and acknowledgements of them, as a frame brings them.
struct Verdicts : region::MessageHandler {
  explicit Verdicts(BytesView frame) {
    if (region::decode_header(frame)) (void)region::dispatch(frame, *this);
  }
  void on(const region::Append& m) override {
    for (const region::Entry& entry : m.entries)
      if (entry.verdict != region::Verdict::none) append = m;
  }
  void on(const region::Ack& m) override { acknowledges = acknowledges || !m.judged.empty(); }
  std::optional<region::Append> append;  // borrows from the frame
  bool acknowledges = false;
};

uint64_t superseded(World& world) {
  uint64_t count = 0;
  for (const NodeNumber node : world.all())
    if (world.running(node))
      count += nlohmann::json::parse(world.report(node, Op::status))["superseded"].get<uint64_t>();
  return count;
}

nlohmann::json inspect(World& world, NodeNumber node, Bytes key) {
  return nlohmann::json::parse(world.call(node, ask(Op::inspect, std::move(key))).value);
}

// A write that only its coordinator has logged, synced, when that dies. Its client is never answered.
NodeNumber write_that_nobody_hears(World& world, Request request) {
  const NodeNumber at = coordinator(world, world.node(0, 0));
  world.loses = [at](NodeNumber from, NodeNumber, BytesView frame) {
    return from == at && has(frame, region::MessageType::append);
  };
  const uint64_t sent = world.send(at, std::move(request));
  world.run_for(Duration::millis(20));
  REQUIRE_FALSE(world.response(sent));
  world.kill(at, false);
  world.loses = {};
  return at;
}

Response retried(World& world, NodeNumber node, const Request& request) {
  Response response;
  world.run_until([&] {
    response = world.call(node, request);
    return response.outcome == Outcome::done;
  });
  return response;
}

}  // namespace

// HAZARDS 52
TEST_CASE("verdicts: NX on two coordinators with a crash between, exactly one holds", "[region][hazard52]") {
  World world(one_region());
  start(world);
  const NodeNumber first = write_that_nobody_hears(world, set_if(Condition::absent, "k", "first"));
  const NodeNumber asked = other_than(world, {first});
  REQUIRE(retried(world, asked, set_if(Condition::absent, "k", "second")).number == 1);
  SECTION("the earlier one comes to light while the later coordinator serves") { world.start(first); }
  SECTION("the earlier one comes to light in the takeover after the later one") {
    const NodeNumber second = coordinator(world, asked);
    world.kill(second, false);
    world.start(first);
    REQUIRE(world.run_until([&] { return world.serving(); }));
    CHECK(world.get(other_than(world, {first, second}), "k").value == "second");
    world.start(second);
  }
  SECTION("the earlier one's node takes over itself, with one that has not heard of the later one") {
    const NodeNumber second = coordinator(world, asked), third = other_than(world, {first, second});
    world.kill(third, false);
    world.start(first);
    REQUIRE(world.run_until([&] { return coordinator(world, first) == first; }));
    world.start(third);
  }
  REQUIRE(world.run_until([&] { return world.serving() && world.converged(); }));
  for (const NodeNumber node : world.all()) CHECK(world.get(node, "k").value == "second");
  CHECK(superseded(world) == 1);
  CHECK(world.call(asked, set_if(Condition::absent, "k", "third")).number == 0);
  const auto found = inspect(world, asked, "k");  // what it would have set is not lost without a word
  CHECK(found["siblings"].size() == 1);
  REQUIRE(found["journal"].size() == 1);
  CHECK(found["journal"][0]["value"] == "first");
}

TEST_CASE("verdicts: APPEND to a value that a later coordinator replaced, adds nothing", "[region]") {
  World world(one_region());
  start(world);
  REQUIRE(world.set(world.node(0, 0), "k", "a").outcome == Outcome::done);
  const NodeNumber first = write_that_nobody_hears(world, ask(Op::append, "k", "b"));
  const NodeNumber asked = other_than(world, {first});
  REQUIRE(retried(world, asked, ask(Op::set, "k", "x")).outcome == Outcome::done);
  world.start(first);
  REQUIRE(world.run_until([&] { return world.serving() && world.converged(); }));
  CHECK(world.get(first, "k").value == "x");
  CHECK(superseded(world) == 1);
}

TEST_CASE("verdicts: one that comes late and whose condition holds still, holds", "[region]") {
  World world(one_region());
  start(world);
  const NodeNumber first = write_that_nobody_hears(world, set_if(Condition::absent, "k", "first"));
  const NodeNumber asked = other_than(world, {first});
  REQUIRE(retried(world, asked, ask(Op::set, "other", "x")).outcome == Outcome::done);
  world.start(first);
  REQUIRE(world.run_until([&] { return world.serving() && world.converged(); }));
  CHECK(world.get(asked, "k").value == "first");
  CHECK(superseded(world) == 0);
}

TEST_CASE("verdicts: an answered one, stands through takeovers and a loss of power", "[region][G1]") {
  World world(one_region());
  start(world);
  const NodeNumber first = coordinator(world, world.node(0, 0));
  REQUIRE(world.set(first, "k", "a").outcome == Outcome::done);
  SECTION("the others have not heard that it is settled") {
    world.loses = [](NodeNumber, NodeNumber, BytesView frame) {
      return has(frame, region::MessageType::progress);
    };
    REQUIRE(world.call(first, ask(Op::append, "k", "b")).number == 2);
  }
  SECTION("they have") {
    REQUIRE(world.call(first, ask(Op::append, "k", "b")).number == 2);
    world.run_for(Duration::millis(500));
  }
  world.kill(first);
  world.loses = {};
  const NodeNumber asked = other_than(world, {first});
  REQUIRE(retried(world, asked, ask(Op::set, "other", "x")).outcome == Outcome::done);
  for (const NodeNumber node : world.all()) world.kill(node);
  for (const NodeNumber node : world.all())
    if (node != asked) world.start(node);
  REQUIRE(retried(world, first, set_if(Condition::absent, "k", "w")).number == 0);
  CHECK(world.get(first, "k").value == "ab");
  world.start(asked);
  REQUIRE(world.run_until([&] { return world.serving() && world.converged(); }));
  CHECK(world.get(asked, "k").value == "ab");
  CHECK(superseded(world) == 0);
}

TEST_CASE("verdicts: a takeover that holds an answered one alone, enters nothing before W replicas have it",
          "[region][G1]") {
  World world(one_region());
  start(world);
  REQUIRE(world.set(world.node(0, 0), "k", "a").outcome == Outcome::done);
  // First and second have it, and only first has heard that it is settled.
  const NodeNumber first = coordinator(world, world.node(0, 0));
  const NodeNumber third = other_than(world, {first});
  REQUIRE(world.run_until([&] { return world.converged(); }));
  world.loses = [&](NodeNumber from, NodeNumber to, BytesView frame) {
    return from == first && (to == third || has(frame, region::MessageType::progress));
  };
  REQUIRE(world.call(first, ask(Op::append, "k", "b")).number == 2);
  const NodeNumber second = other_than(world, {first, third});
  // First takes over again, with third, which gets everything but the verdict.
  for (const NodeNumber node : world.all()) world.kill(node, false);
  bool open = false;
  world.loses = [&](NodeNumber from, NodeNumber, BytesView frame) {
    return !open && from == first && has_verdicts(frame);
  };
  world.start(first);
  world.start(third);
  REQUIRE(world.run_until([&] { return world.serving(); }));
  REQUIRE(coordinator(world, first) == first);
  const uint64_t sent = world.send(first, ask(Op::set, "other", "x"));
  world.run_for(Duration::millis(300));
  CHECK_FALSE(world.response(sent));
  open = true;
  REQUIRE(world.run_until([&] { return world.response(sent).has_value(); }));
  CHECK(world.response(sent)->outcome == Outcome::done);
  world.kill(first, false);
  world.start(second);
  REQUIRE(retried(world, second, ask(Op::set, "last", "x")).outcome == Outcome::done);
  CHECK(world.get(second, "k").value == "ab");
  CHECK(superseded(world) == 0);
}

TEST_CASE("verdicts: requests of one connection behind a conditional write, in their order", "[region]") {
  World world(one_region());
  start(world);
  const NodeNumber at = coordinator(world, world.node(0, 0));
  std::vector<uint64_t> sent;
  sent.push_back(world.send(at, set_if(Condition::absent, "k", "a")));
  sent.push_back(world.send(at, ask(Op::get, "k")));
  sent.push_back(world.send(at, set_if(Condition::absent, "k", "b")));
  sent.push_back(world.send(at, set_if(Condition::present, "k", "c")));
  sent.push_back(world.send(at, ask(Op::append, "k", "d")));
  sent.push_back(world.send(at, ask(Op::get, "k")));
  sent.push_back(world.send(at, ask(Op::del, "k")));
  sent.push_back(world.send(at, set_if(Condition::present, "k", "e")));
  REQUIRE(world.run_until([&] { return world.response(sent.back()).has_value(); }));
  std::vector<Response> got;
  for (const uint64_t one : sent) got.push_back(*world.response(one));
  for (const Response& response : got) CHECK(response.outcome == Outcome::done);
  CHECK(got[0].number == 1);
  CHECK(got[1].value == "a");
  CHECK(got[2].number == 0);
  CHECK(got[3].number == 1);
  CHECK(got[4].number == 2);
  CHECK(got[5].value == "cd");
  CHECK(got[6].number == 1);
  CHECK(got[7].number == 0);
}

TEST_CASE("verdicts: requests behind a conditional write that cannot be settled, rejected at their deadline",
          "[region][G9]") {
  World world(one_region());
  start(world);
  const NodeNumber at = coordinator(world, world.node(0, 0));
  world.loses = [at](NodeNumber from, NodeNumber, BytesView frame) {
    return from == at && has(frame, region::MessageType::append);
  };
  Request first = set_if(Condition::absent, "k", "a"), second = ask(Op::set, "k", "b");
  first.deadline_ms = second.deadline_ms = 300;
  const uint64_t one = world.send(at, first), two = world.send(at, second);
  REQUIRE(world.run_until([&] { return world.response(one) && world.response(two); }));
  CHECK(world.response(one)->outcome == Outcome::unknown);
  CHECK(world.response(two)->outcome == Outcome::rejected);
  CHECK(world.response(two)->code == Errc::timeout);
  world.loses = {};
  REQUIRE(world.run_until([&] { return world.converged(); }));
  CHECK(world.get(at, "k").value == "a");
}

TEST_CASE("verdicts: other regions, hear what came of it and no more", "[region][wan]") {
  WorldOptions options = one_region();
  options.regions = 2;
  World world(options);
  start(world);
  const NodeNumber far = world.node(1, 0);
  const NodeNumber first = write_that_nobody_hears(world, set_if(Condition::absent, "k", "first"));
  world.run_for(Duration::seconds(1));
  CHECK_FALSE(world.get(far, "k").found);
  NodeNumber asked{};
  for (const NodeNumber node : {world.node(0, 0), world.node(0, 1)})
    if (node != first) asked = node;
  REQUIRE(retried(world, asked, set_if(Condition::absent, "k", "second")).number == 1);
  world.start(first);
  REQUIRE(world.run_until([&] { return world.serving() && world.converged(); }));
  CHECK(world.get(far, "k").value == "second");
  CHECK(inspect(world, far, "k")["journal"][0]["value"] == "first");
}

TEST_CASE("verdicts: a disk is lost that had acknowledged one, the node has it again before it votes",
          "[region][G1][hazard53]") {
  WorldOptions options = one_region();
  options.nodes = options.n = 5;
  options.r = options.w = 3;
  World world(options);
  start(world);
  // Three have it, the client is answered, and only the coordinator has heard that it is settled.
  const NodeNumber first = coordinator(world, world.node(0, 0));
  const NodeNumber lost = other_than(world, {first}), third = other_than(world, {first, lost});
  world.loses = [&](NodeNumber from, NodeNumber to, BytesView frame) {
    return from == first && has_verdicts(frame) && to != lost && to != third;
  };
  bool settled = false;
  world.loses = [&, few = world.loses](NodeNumber from, NodeNumber to, BytesView frame) {
    return few(from, to, frame) || has(frame, region::MessageType::progress) ||
           (settled && has_verdicts(frame));
  };
  REQUIRE(world.call(first, set_if(Condition::absent, "k", "v")).number == 1);
  settled = true;  // from here on it travels by exchange alone
  world.kill(first, false);
  world.kill(lost);
  world.wipe(lost);
  world.start(lost);
  const auto standing = [&](NodeNumber node) {
    return nlohmann::json::parse(world.report(node, Op::status))["standing"].get<std::string>();
  };
  REQUIRE(world.run_until([&] { return standing(lost) == "vote"; }));
  world.kill(third, false);
  world.loses = {};
  REQUIRE(world.run_until([&] { return world.serving(); }));
  CHECK(retried(world, lost, ask(Op::get, "k")).value == "v");
  world.start(first);
  world.start(third);
  REQUIRE(world.run_until([&] { return world.serving() && world.converged(); }));
  CHECK(world.get(first, "k").value == "v");
}

TEST_CASE("verdicts: rows that a node pulls while a conditional write settles, are those of its outcome",
          "[region]") {
  WorldOptions options = one_region();
  options.log_bytes_max = 64u << 10;
  options.memtable_bytes = 16u << 10;
  World world(options);
  start(world);
  const NodeNumber first = coordinator(world, world.node(0, 0));
  const NodeNumber away = other_than(world, {first});
  world.kill(away, false);
  for (int i = 0; i < 300; ++i)
    REQUIRE(retried(world, first, ask(Op::set, "k" + std::to_string(i), Bytes(500, 'x'))).outcome ==
            Outcome::done);
  world.start(away);
  int held = 0;
  for (int i = 0; i < 200; ++i) {
    held += static_cast<int>(
        retried(world, first, set_if(Condition::absent, "n" + std::to_string(i % 150), "v")).number);
    world.run_for(Duration::millis(3));
  }
  CHECK(held == 150);
  REQUIRE(world.run_until([&] { return world.serving() && world.converged(); }));
  CHECK(world.get(away, "n7").value == "v");
}

TEST_CASE(
    "verdicts: a replica with an older verdict hears that the write is settled, and waits for the outcome",
    "[region]") {
  WorldOptions options = one_region();
  options.nodes = options.n = 5;
  options.r = options.w = 3;
  World world(options);
  start(world);
  // Two have a write that is never answered, and die; the other three set the key.
  const NodeNumber first = coordinator(world, world.node(0, 0)), held = other_than(world, {first});
  world.loses = [&](NodeNumber from, NodeNumber to, BytesView frame) {
    return from == first && to != held && has(frame, region::MessageType::append);
  };
  const uint64_t sent = world.send(first, set_if(Condition::absent, "k", "first"));
  world.run_for(Duration::millis(20));
  REQUIRE_FALSE(world.response(sent));
  world.kill(first, false);
  world.kill(held, false);
  world.loses = {};
  const NodeNumber asked = other_than(world, {first, held});
  REQUIRE(retried(world, asked, set_if(Condition::absent, "k", "second")).number == 1);
  // One of the two reports, and hears of what came of it only that it is settled.
  uint64_t told = 0;
  world.loses = [&](NodeNumber, NodeNumber to, BytesView frame) {
    if (to == held && has(frame, region::MessageType::progress)) ++told;
    return to == held && has(frame, region::MessageType::append);
  };
  world.start(held);
  REQUIRE(world.run_until([&] { return superseded(world) == 1; }));
  const uint64_t before = told;
  world.run_for(Duration::seconds(2));
  CHECK(told > before);
  CHECK(inspect(world, held, "k")["siblings"].empty());
  world.loses = {};
  world.start(first);
  REQUIRE(world.run_until([&] { return world.serving() && world.converged(); }));
  CHECK(world.get(held, "k").value == "second");
}

// Rule 12: W votes with a verdict of the coordinator's present epoch. One that was said of an earlier verdict
// is none: who said it may judge anew, and differently, in a later takeover.
TEST_CASE("verdicts: an acknowledgement of an earlier epoch's verdict, does not count", "[region]") {
  World world(one_region());
  start(world);
  world.run_for(Duration::seconds(5));
  const NodeNumber first = coordinator(world, world.node(0, 0)), held = other_than(world, {first});
  const NodeNumber third = other_than(world, {first, held});
  // First and held have it, and what held says of it is under way for long.
  Bytes append, acknowledged;
  bool open = false;
  world.loses = [&](NodeNumber from, NodeNumber to, BytesView frame) {
    if (open) return false;
    const Verdicts verdicts(frame);
    if (verdicts.append && from == first && to == held && append.empty()) {
      append = Bytes(frame);
      return false;
    }
    if (verdicts.acknowledges && from == held && to == first) acknowledged = Bytes(frame);
    return verdicts.append.has_value() || verdicts.acknowledges;
  };
  const uint64_t one = world.send(first, set_if(Condition::absent, "k", "v"));
  world.run_for(Duration::millis(20));
  REQUIRE_FALSE(append.empty());
  REQUIRE_FALSE(acknowledged.empty());
  REQUIRE_FALSE(world.response(one));
  // Another one takes over, which cannot tell anybody of its verdict, and first again.
  world.cut(first, held);
  world.cut(first, third);
  REQUIRE(world.run_until([&] { return coordinator(world, held) != first; }));
  world.heal();
  REQUIRE(world.run_until([&] { return world.response(one).has_value(); }));
  CHECK(world.response(one)->outcome == Outcome::unknown);
  Response now;
  REQUIRE(world.run_until([&] {
    now = world.call(first, ask(Op::route, "k"));
    return now.coordinator == first;
  }));
  Request read = ask(Op::get, "k");
  read.deadline_ms = 30'000;
  const uint64_t two = world.send(first, read);
  world.run_for(Duration::millis(100));
  REQUIRE_FALSE(world.response(two));
  open = true;  // for what comes late, and what it brings; nothing else is due yet
  SECTION("it was said in the earlier epoch") { world.send_late(held, first, acknowledged); }
  SECTION("it would be said now, of an append with the earlier verdict") {
    Verdicts verdicts(append);
    verdicts.append->epoch = now.epoch;
    region::FrameWriter writer;
    encode(*verdicts.append, writer.body());
    BytesView frame = append;
    world.send_late(first, held, writer.take(*region::decode_header(frame)));
  }
  world.run_for(Duration::millis(100));
  CHECK_FALSE(world.response(two));
  REQUIRE(world.run_until([&] { return world.response(two).has_value(); }));
  CHECK(world.response(two)->value == "v");
  REQUIRE(world.run_until([&] { return world.converged(); }));
}
