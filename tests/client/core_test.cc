// The client's decisions without sockets: who is asked, what is repeated under which name, what the caller is
// told.

#include "client/core.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "region/core/request_codec.h"
#include "tests/client/core_world.h"

namespace atolldb::client {
TEST_CASE("client core: a response names the coordinator, the next request goes there", "[client]") {
  World w;
  w.submit(get());
  const auto first = w.next_sent();
  const NodeNumber coordinator = other_than(first.node);
  w.answer(first, under({4, coordinator, 1}, done()));
  w.submit(get());
  CHECK(w.next_sent().node == coordinator);
}

TEST_CASE("client core: an older epoch's coordinator, not believed", "[client]") {
  World w;
  w.submit(get());
  const auto first = w.next_sent();
  w.submit(get());
  const auto second = w.next_sent();
  const NodeNumber coordinator = other_than(first.node);
  w.answer(first, under({4, coordinator, 1}, done()));
  w.answer(second, under({3, first.node, 1}, done()));
  w.submit(get());
  CHECK(w.next_sent().node == coordinator);
}

// Rule 14 of the coordinator: an id names the epoch in which it was made.
TEST_CASE("client core: increment behind the epoch, a new id under the new epoch", "[client]") {
  World w;
  w.submit(add());
  const auto first = w.next_sent();
  CHECK(first.request.attempt == 1);
  w.answer(first, under(kFirst, rejected(Errc::behind)));
  const auto second = w.next_sent();
  CHECK(second.request.attempt == 1);
  CHECK(second.request.id->epoch == kFirst);
  CHECK(second.request.id->made_ms == 5'000);
  CHECK(second.request.id->nonce != first.request.id->nonce);
  w.answer(second, done());
  CHECK(w.last().outcome == Outcome::done);

  w.pass(Duration::millis(700));
  w.submit(add());
  const auto third = w.next_sent();
  CHECK(third.request.id->epoch == kFirst);
  CHECK(third.request.id->made_ms == 5'000);  // as told, not as it may be by now
}

TEST_CASE("client core: increment behind again and again, not in a tight loop", "[client]") {
  World w;
  w.submit(add());
  int sends = 0;
  while (!w.sent.empty()) {
    ++sends;
    w.answer(w.next_sent(), rejected(Errc::behind));
  }
  CHECK(sends < 10);
  w.pass(Duration::seconds(6));
}

TEST_CASE("client core: increment whose link is lost, the same id at the next node", "[client]") {
  World w;
  w.submit(add());
  w.answer(w.next_sent(), under(kFirst, rejected(Errc::behind)));
  const auto first = w.next_sent();
  w.lose(first.link);
  const auto second = w.next_sent();
  CHECK(second.node != first.node);
  CHECK(second.request.id == first.request.id);
  CHECK(second.request.attempt == 2);
  CHECK(second.request.correlation != first.request.correlation);

  SECTION("unknown: asked again until it is done") {
    w.answer(second, refused(Outcome::unknown, Errc::unavailable));
    w.pass(Duration::millis(10));
    const auto third = w.next_sent();
    CHECK(third.request.id == first.request.id);
    CHECK(third.request.attempt == 3);
    w.answer(third, done());
    CHECK(w.last().outcome == Outcome::done);
  }
  SECTION("unknown until the deadline: unknown") {
    for (int i = 0; i < 1000 && !w.answers.back(); ++i) {
      while (!w.sent.empty()) w.answer(w.next_sent(), refused(Outcome::unknown, Errc::unavailable));
      w.answer(second, refused(Outcome::unknown, Errc::unavailable));
      w.pass(Duration::millis(50));
    }
    CHECK(w.last().outcome == Outcome::unknown);
  }
  SECTION("rejected until the deadline: unknown, since the first attempt may have happened") {
    w.answer(second, rejected(Errc::unavailable));
    for (int i = 0; i < 1000 && !w.answers.back(); ++i) {
      while (!w.sent.empty()) w.answer(w.next_sent(), rejected(Errc::unavailable));
      w.pass(Duration::millis(50));
    }
    CHECK(w.last().outcome == Outcome::unknown);
  }
  SECTION("rejected for good: unknown, since the first attempt may have happened") {
    w.answer(second, rejected(Errc::wrong_type));
    CHECK(w.last().outcome == Outcome::unknown);
    CHECK(w.last().code == Errc::wrong_type);
  }
}

// The very first increment of a partition asks for epoch and stamp. If its link dies, no node can ever say
// more of that id than "unknown": repeated, it would stay unknown for ever.
TEST_CASE("client core: increment without a stamp whose link is lost, a fresh id", "[client]") {
  World w;
  w.submit(add());
  const auto first = w.next_sent();
  CHECK(first.request.id->made_ms == 0);
  w.lose(first.link);
  const auto second = w.next_sent();
  CHECK(second.request.attempt == 1);
  CHECK(second.request.id->nonce != first.request.id->nonce);
  w.answer(second, under(kFirst, rejected(Errc::behind)));
  const auto third = w.next_sent();
  CHECK(third.request.attempt == 1);
  CHECK(third.request.id->made_ms == 5'000);
  w.answer(third, done());
  CHECK(w.last().outcome == Outcome::done);
}

TEST_CASE("client core: late answers of an earlier attempt", "[client]") {
  World w(1, {.silence = Duration::seconds(9)});
  w.submit(add());
  w.answer(w.next_sent(), under(kFirst, rejected(Errc::behind)));
  const auto first = w.next_sent();
  w.pass(Duration::millis(1'001));  // no answer in time
  const auto second = w.next_sent();
  REQUIRE(second.request.attempt == 2);

  SECTION("rejected or unknown: ignored, the later attempt counts") {
    w.answer(first, rejected(Errc::invalid));
    CHECK_FALSE(w.answers.back().has_value());
    w.answer(first, refused(Outcome::unknown, Errc::timeout));
    CHECK(w.sent.empty());
    w.answer(second, done());
    CHECK(w.last().outcome == Outcome::done);
  }
  SECTION("done: it counted, and the later attempt's answer comes to nothing") {
    w.answer(first, done());
    CHECK(w.last().outcome == Outcome::done);
    w.submit(get("other"));
    w.answer(second, rejected(Errc::invalid));
    CHECK_FALSE(w.answers.back().has_value());
  }
}

TEST_CASE("client core: set whose link is lost, unknown and not repeated", "[client]") {
  World w;
  w.submit(set());
  w.lose(w.next_sent().link);
  CHECK(w.last().outcome == Outcome::unknown);
  CHECK(w.sent.empty());
}

TEST_CASE("client core: set without an answer, waits for it until the deadline", "[client]") {
  World w;
  w.submit(set());
  const auto only = w.next_sent();
  w.pass(Duration::millis(4'900));
  CHECK(w.sent.empty());
  SECTION("it comes") {
    w.answer(only, done());
    CHECK(w.last().outcome == Outcome::done);
  }
  SECTION("it does not come") {
    w.pass(Duration::millis(200));
    CHECK(w.last().outcome == Outcome::unknown);
    CHECK(w.last().code == Errc::timeout);
  }
}

TEST_CASE("client core: set repeated because the caller wants it, the last attempt's answer counts",
          "[client]") {
  CoreConfig config;
  config.retry_unknown_writes = true;
  config.silence = Duration::seconds(9);
  World w(1, config);
  w.submit(set());
  const auto first = w.next_sent();
  w.pass(Duration::millis(1'001));
  const auto second = w.next_sent();
  w.answer(first, done());
  CHECK_FALSE(w.answers.back().has_value());
  w.answer(second, done());
  CHECK(w.last().outcome == Outcome::done);
}

TEST_CASE("client core: busy, asked again with growing pauses until the deadline", "[client]") {
  World w;
  Request request = set();
  request.deadline_ms = 1'000;
  w.submit(request);
  int attempts = 0;
  for (int ms = 0; ms < 1'000; ++ms) {
    while (!w.sent.empty()) ++attempts, w.answer(w.next_sent(), rejected(Errc::busy));
    w.pass(Duration::millis(1));
  }
  w.pass(Duration::millis(10));
  CHECK(attempts > 5);
  CHECK(attempts < 20);
  CHECK(w.last().outcome == Outcome::rejected);
  CHECK(w.last().code == Errc::busy);
  CHECK(w.last().message.find("for a reason") != std::string::npos);
}

TEST_CASE("client core: no room now, asked again until there is", "[client]") {
  World w;
  w.submit(set());
  w.answer(w.next_sent(), rejected(Errc::full));
  w.pass(Duration::millis(10));
  w.answer(w.next_sent(), done());
  CHECK(w.last().outcome == Outcome::done);
}

TEST_CASE("client core: the node's deadline, early enough for its answer to arrive", "[client]") {
  World w;
  w.submit(set());
  CHECK(w.next_sent().request.deadline_ms == region::kDeadlineDefaultMs - 100);
  Request hurried = set();
  hurried.deadline_ms = 50;
  w.submit(hurried);
  CHECK(w.next_sent().request.deadline_ms == 40);
}

TEST_CASE("client core: a new coordinator's clock is behind the old one's, its stamp counts", "[client]") {
  World w;
  w.submit(add());
  w.answer(w.next_sent(), under(kFirst, rejected(Errc::behind)));
  Response behind = under(kSecond, rejected(Errc::behind));
  behind.stamp_ms = 3'000;
  w.answer(w.next_sent(), behind);
  CHECK(w.next_sent().request.id->made_ms == 3'000);
}

// A node that holds nothing of the key could only forward, which a local read must not be.
TEST_CASE("client core: a local read, replicas only", "[client]") {
  CoreConfig config;
  config.regions = {RegionId{0}};
  config.wait_for_nodes = false;
  const topology::Topology five = small_cluster(1, 5);  // n = 3
  const topology::Ring ring(five, RegionId{0});
  const auto& replicas = ring.replicas(five.placement.place("k").partition);
  Core core(config, five);
  std::optional<Response> answer;
  Request read = get();
  read.local = true;
  REQUIRE(core.submit(Instant{1}, std::move(read), {}, [&](Response&& r) { answer = std::move(r); }));
  std::set<NodeNumber> asked;
  for (auto opens = core.take_opens(); !opens.empty(); opens = core.take_opens()) {
    asked.insert(core.node_of(opens[0]));
    core.handle_link_down(Instant{1}, opens[0], "refused");
  }
  CHECK(asked == std::set<NodeNumber>(replicas.begin(), replicas.end()));
  CHECK(core.take_completions().size() == 1);
}

TEST_CASE("client core: unavailable, the next node is asked and then the coordinator it names", "[client]") {
  World w;
  w.submit(set());
  const auto first = w.next_sent();
  const NodeNumber coordinator = other_than(first.node);
  w.answer(first, under({9, coordinator, 1}, rejected(Errc::unavailable)));
  w.pass(Duration::millis(5));
  CHECK(w.next_sent().node == coordinator);
}

TEST_CASE("client core: an error of the request, told at once", "[client]") {
  World w;
  w.submit(set());
  w.answer(w.next_sent(), rejected(Errc::wrong_type));
  CHECK(w.last().outcome == Outcome::rejected);
  CHECK(w.last().code == Errc::wrong_type);
}

TEST_CASE("client core: a dead coordinator, the next replica at once", "[client]") {
  World w;
  w.submit(get());
  const auto first = w.next_sent();
  w.answer(first, under(kFirst, done()));
  w.dead.insert(NodeNumber{1});
  for (uint32_t i = 0; i < w.core.links(); ++i)
    if (w.core.node_of(LinkId{i}) == NodeNumber{1}) w.lose(LinkId{i});
  w.submit(set());
  CHECK(w.next_sent().node != NodeNumber{1});
}

TEST_CASE("client core: a node that does not answer, others are asked first", "[client]") {
  World w;
  w.submit(get());
  const NodeNumber silent = w.next_sent().node;
  w.pass(Duration::millis(1'001));
  CHECK(w.next_sent().node != silent);
  w.submit(get());
  CHECK(w.next_sent().node != silent);
}

TEST_CASE("client core: all nodes dead", "[client]") {
  CoreConfig config;
  SECTION("by default it waits for them") {
    World w(1, config);
    for (uint16_t n = 1; n <= 3; ++n) w.dead.insert(NodeNumber{n});
    w.submit(set());
    w.pass(Duration::millis(500));
    w.dead.clear();
    w.pass(Duration::millis(1'500));
    w.answer(w.next_sent(), done());
    CHECK(w.last().outcome == Outcome::done);
  }
  SECTION("until the deadline: rejected, for nothing has left") {
    World w(1, config);
    for (uint16_t n = 1; n <= 3; ++n) w.dead.insert(NodeNumber{n});
    w.submit(set());
    w.pass(Duration::seconds(6));
    CHECK(w.last().outcome == Outcome::rejected);
    CHECK(w.last().message.find("connection refused") != std::string::npos);
  }
  SECTION("told not to wait: rejected at once") {
    config.wait_for_nodes = false;
    World w(1, config);
    for (uint16_t n = 1; n <= 3; ++n) w.dead.insert(NodeNumber{n});
    w.submit(set());
    CHECK(w.last().outcome == Outcome::rejected);
  }
}

TEST_CASE("client core: a region is gone, the next one only if told so", "[client]") {
  CoreConfig config;
  config.any_region = GENERATE(false, true);
  World w(2, config);
  for (uint16_t n = 1; n <= 3; ++n) w.dead.insert(NodeNumber{n});
  w.submit(add());
  CHECK(w.sent.empty() == !config.any_region);
  if (config.any_region) {
    const auto sent = w.next_sent();
    CHECK(raw(sent.node) >= 4);
    CHECK(sent.request.id->region == RegionId{1});
  }
}

// Elsewhere a retry can only be unknown, or would count twice (HAZARDS 43).
TEST_CASE("client core: an increment that may have happened, stays in its region", "[client]") {
  CoreConfig config;
  config.any_region = true;
  World w(2, config);
  w.submit(add());
  w.answer(w.next_sent(), under(kFirst, rejected(Errc::behind)));
  const auto first = w.next_sent();
  for (uint16_t n = 1; n <= 3; ++n) w.dead.insert(NodeNumber{n});
  for (uint32_t link : {0u, 1u, 2u})
    if (LinkId{link} != first.link) w.lose(LinkId{link});
  w.lose(first.link);
  w.submit(get());  // a read of the same time goes on elsewhere
  w.pass(Duration::seconds(2));
  for (const auto& sent : w.sent) CHECK(sent.request.op == Op::get);
  CHECK_FALSE(w.sent.empty());
  w.pass(Duration::seconds(4));
  CHECK(w.answers.front()->outcome == Outcome::unknown);
}

TEST_CASE("client core: a node of another protocol version, named in the error", "[client]") {
  World w;
  w.submit(set());
  for (int i = 0; i < 3; ++i) {
    const auto sent = w.next_sent();
    Response whole_frame = rejected(Errc::version);
    whole_frame.message = "version 1, this side speaks version 2";
    w.core.handle_response(w.now, sent.link, std::move(whole_frame));
    w.settle();
  }
  CHECK(w.last().outcome == Outcome::rejected);
  CHECK(w.last().code == Errc::version);
  CHECK(w.last().message.find("speaks version 2") != std::string::npos);
}

TEST_CASE("client core: one node asked for, no other is", "[client]") {
  World w(2);
  w.submit(get(), Target{NodeNumber{5}, std::nullopt});
  CHECK(w.next_sent().node == NodeNumber{5});
  w.pass(Duration::seconds(6));  // no answer, so it is asked again and again
  CHECK(w.sent.size() > 2);
  for (const auto& sent : w.sent) CHECK(sent.node == NodeNumber{5});
}

TEST_CASE("client core: a request larger than a frame, rejected here", "[client]") {
  World w;
  Request request = set();
  request.value.resize(region::kClientFrameBytesMax);
  w.submit(std::move(request));
  CHECK(w.last().code == Errc::too_large);
}

TEST_CASE("client core: large values waiting together, frames stay small", "[client]") {
  World w;
  w.dead = {NodeNumber{2}, NodeNumber{3}};
  for (int i = 0; i < 40; ++i) {
    Request request = set();
    request.value.resize(1 << 20);
    w.submit(std::move(request));
  }
  CHECK(w.sent.size() == 40);
}

TEST_CASE("client core: closed, everything is completed", "[client]") {
  World w;
  w.submit(set());
  w.dead = {NodeNumber{1}, NodeNumber{2}, NodeNumber{3}};
  w.lose(LinkId{0}), w.lose(LinkId{1}), w.lose(LinkId{2});
  w.submit(add());
  w.core.close();
  w.settle();
  CHECK(w.answers[0]->outcome == Outcome::unknown);
  CHECK(w.answers[1]->outcome == Outcome::rejected);
  CHECK(w.core.in_flight() == 0);
}

}  // namespace atolldb::client
