// Nodes that are silent, reads that take long, regions that are gone and come back: without sockets, on the
// test's clock.

#include <catch2/catch.hpp>

#include "client/core.h"
#include "tests/client/core_world.h"

namespace atolldb::client {
namespace {

Response sign_of(NodeNumber node) {
  Response response;
  response.node = node;
  return response;
}

// Reads that were answered after `latency`, so that the core knows what is usual.
void usual(World& w, int reads, Duration latency) {
  for (int i = 0; i < reads; ++i) {
    w.submit(get());
    const auto sent = w.next_sent();
    w.now = w.now + latency;  // the answer comes before the tick
    w.answer(sent, done());
  }
}

}  // namespace

TEST_CASE("client core: a node owes an answer and is silent, its work goes elsewhere in 300 ms", "[client]") {
  World w;
  w.submit(get());
  const auto first = w.next_sent();
  w.pass(Duration::millis(149));
  CHECK(w.signs.empty());
  w.pass(Duration::millis(1));
  REQUIRE(w.signs.size() == 1);
  CHECK(w.signs[0].node == first.node);

  SECTION("it gives a sign: it is only slow") {
    for (int i = 0; i < 5; ++i) {
      REQUIRE_FALSE(w.signs.empty());
      w.answer(w.signs.front(), sign_of(first.node));
      w.signs.pop_front();
      w.pass(Duration::millis(150));
    }
    CHECK(w.sent.empty());
    w.answer(first, done());
    CHECK(w.last().outcome == Outcome::done);
  }
  SECTION("it gives none: another node is asked, and first from now on") {
    w.pass(Duration::millis(150));
    const auto second = w.next_sent();
    CHECK(second.node != first.node);
    w.answer(second, done());
    CHECK(w.last().outcome == Outcome::done);
    w.submit(set());
    CHECK(w.next_sent().node != first.node);
  }
  SECTION("it is heard again: it is as good as before") {
    w.pass(Duration::millis(150));
    w.answer(w.next_sent(), done());
    w.answer(first, done());
    w.submit(get());
    CHECK(w.next_sent().node == first.node);
  }
}

TEST_CASE("client core: a silent node owes a plain write, which is not repeated", "[client]") {
  World w;
  w.submit(set());
  const auto only = w.next_sent();
  w.pass(Duration::millis(400));
  CHECK(w.sent.empty());
  CHECK_FALSE(w.answers.back().has_value());
  w.submit(get());  // others do not wait for it
  CHECK(w.next_sent().node != only.node);
  w.answer(only, done());
  CHECK(w.answers.front()->outcome == Outcome::done);
}

TEST_CASE("client core: a far node, its silence is measured by its own round trips", "[client]") {
  World w;
  w.slow_open = Duration::millis(200);
  w.submit(get());
  REQUIRE(w.sent.empty());
  w.pass(Duration::millis(200));
  const auto first = w.next_sent();
  w.pass(Duration::millis(399));
  CHECK(w.signs.empty());
  w.pass(Duration::millis(1));
  CHECK(w.signs.size() == 1);
  CHECK(w.sent.empty());
  w.answer(first, done());
}

TEST_CASE("client core: no answers owed, no signs asked for", "[client]") {
  World w;
  usual(w, 3, Duration::millis(20));
  w.pass(Duration::seconds(30));
  CHECK(w.signs.empty());
  CHECK(w.core.next_deadline() == Instant::never());
}

TEST_CASE("client core: a read slower than nearly all others, a second time elsewhere", "[client]") {
  World w;
  usual(w, 128, Duration::millis(5));
  w.submit(get());
  const auto first = w.next_sent();
  w.pass(Duration::millis(4));
  CHECK(w.sent.empty());
  w.pass(Duration::millis(2));
  const auto second = w.next_sent();
  CHECK(second.node != first.node);
  CHECK(w.core.hedges() == 1);

  SECTION("the second is answered first") {
    w.answer(second, done());
    CHECK(w.last().outcome == Outcome::done);
    w.answer(first, rejected(Errc::invalid));  // comes to nothing
  }
  SECTION("the first is answered first") {
    w.answer(first, done());
    CHECK(w.last().outcome == Outcome::done);
  }
  SECTION("the second is rejected, the first is not waited for alone") {
    w.answer(second, rejected(Errc::unavailable));
    w.pass(Duration::millis(10));
    CHECK_FALSE(w.sent.empty());
  }
  SECTION("neither is answered: no third time at once") {
    w.pass(Duration::millis(100));
    CHECK(w.sent.empty());
  }
  CHECK(w.core.in_flight() <= 1);
}

TEST_CASE("client core: writes, reads at one node and too little known, never hedged", "[client]") {
  World w;
  const int known = GENERATE(10, 200);
  usual(w, known, Duration::millis(2));
  if (known == 200) {
    w.submit(set());
    w.submit(add());
    w.submit(get(), Target{NodeNumber{2}, std::nullopt});
  } else {
    w.submit(get());
  }
  const size_t sent = w.sent.size();
  w.pass(Duration::millis(100));
  CHECK(w.sent.size() == sent);
  CHECK(w.core.hedges() == 0);
}

TEST_CASE("client core: a region that is slow as a whole, one read in twenty is hedged", "[client]") {
  World w;
  usual(w, 512, Duration::millis(2));
  for (int i = 0; i < 1'000; ++i) w.submit(get("k" + std::to_string(i)));
  w.pass(Duration::millis(60));
  CHECK(w.core.hedges() > 0);
  CHECK(w.core.hedges() <= 10 + 1'000 / 20);
}

TEST_CASE("client core: its region is gone, the next one, and home again when it answers", "[client]") {
  CoreConfig config;
  config.any_region = true;
  World w(2, config);
  for (uint16_t n = 1; n <= 3; ++n) w.dead.insert(NodeNumber{n});
  w.submit(get());
  w.answer(w.next_sent(), done());
  CHECK(w.core.is_away(RegionId{0}));

  // While it is away nobody waits for it, and no request is lost on it.
  for (int i = 0; i < 20; ++i) {
    w.pass(Duration::millis(200));
    w.submit(get());
    const auto sent = w.next_sent();
    CHECK(raw(sent.node) >= 4);
    w.answer(sent, done());
  }
  CHECK(w.core.in_flight() == 0);

  w.dead.clear();
  while (w.sent.empty()) w.pass(Duration::millis(10));
  const auto question = w.next_sent();
  CHECK(raw(question.node) <= 3);
  CHECK(question.request.op == Op::get);
  CHECK(question.request.key == "k");
  SECTION("it runs, but does not serve: still away") {
    w.answer(question, rejected(Errc::unavailable));
    w.submit(set());
    CHECK(raw(w.sent.back().node) >= 4);
  }
  SECTION("it serves") {
    w.answer(question, done());
    CHECK_FALSE(w.core.is_away(RegionId{0}));
    w.submit(set());
    CHECK(raw(w.next_sent().node) <= 3);
  }
}

TEST_CASE("client core: a region that comes and goes, asked at growing intervals", "[client]") {
  CoreConfig config;
  config.any_region = true;
  World w(2, config);
  std::vector<Duration> absences;
  for (int round = 0; round < 6; ++round) {
    for (uint16_t n = 1; n <= 3; ++n) w.dead.insert(NodeNumber{n});
    for (uint32_t link : {0u, 1u, 2u})
      if (round > 0) w.lose_if_open(LinkId{link});
    w.submit(get());
    w.answer(w.next_sent(), done());
    REQUIRE(w.core.is_away(RegionId{0}));
    w.dead.clear();
    const Instant left = w.now;
    while (w.core.is_away(RegionId{0})) {
      w.pass(Duration::millis(10));
      while (!w.sent.empty()) w.answer(w.next_sent(), done());
    }
    absences.push_back(w.now - left);
  }
  CHECK(absences.front() < Duration::millis(1'500));
  CHECK(absences.back() >= Duration::millis(5'000));
}

TEST_CASE("client core: a region that is silent as a whole, left without waiting for each request",
          "[client]") {
  CoreConfig config;
  config.any_region = true;
  World w(2, config);
  const Instant start = w.now;
  w.submit(get());
  while (w.sent.empty() || raw(w.sent.back().node) <= 3) w.pass(Duration::millis(10));
  CHECK(w.now - start < Duration::millis(1'000));
  w.sent.clear();
  w.submit(get("other"));
  CHECK(raw(w.next_sent().node) >= 4);
}

}  // namespace atolldb::client
