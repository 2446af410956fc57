// Every checker passes a good history that it has something to judge of, and fails on bad ones.

#include <algorithm>

#include "tests/sim/claim.h"
#include "tests/sim/digits.h"
#include "tests/sim/story.h"

using namespace atolldb;
using namespace atolldb::sim;
using region::Op;
using region::Outcome;

namespace {
std::string shown(const Verdict& verdict) {
  return verdict.property + " judged " + std::to_string(verdict.judged) + ": " +
         (verdict.violation ? verdict.violation->what : "no violation");
}

struct Passes : Catch::MatcherBase<Verdict> {
  bool match(const Verdict& verdict) const override { return !verdict.violation && verdict.judged > 0; }
  std::string describe() const override { return "has something to judge, and passes"; }
};

struct Fails : Catch::MatcherBase<Verdict> {
  explicit Fails(std::string part) : with(std::move(part)) {}
  bool match(const Verdict& verdict) const override {
    return verdict.violation && verdict.violation->what.find(with) != std::string::npos;
  }
  std::string describe() const override { return "fails with: " + with; }
  const std::string with;
};
}  // namespace

template <>
struct Catch::StringMaker<Verdict> {
  static std::string convert(const Verdict& verdict) { return shown(verdict); }
};

TEST_CASE("checkers: an empty history, nothing is judged and nobody says it is well", "[sim]") {
  Story story;
  for (const Check check : all_checks()) CHECK(check(story.evidence()).judged == 0);
}

TEST_CASE("G1: with W synced logs it passes, with one less or gone in the end it does not", "[sim]") {
  Story story;
  const auto u = story.set(0, "k", "a");
  story.wrote(Op::set, u, 0, 5);
  story.deliver_all();
  CHECK_THAT(check_durable(story.evidence()), Passes());
  story.history()[0].holders = 1;
  CHECK_THAT(check_durable(story.evidence()), Fails("with 1 synced logs"));
  story.history()[0].holders = 2;
  Evidence gone = story.evidence();
  gone.had[0].clear();
  CHECK_THAT(check_durable(gone), Fails("gone in the end"));
  gone.lost_regions = {0};
  CHECK_FALSE(check_durable(gone).violation);
  story.history()[0].update = -1;
  CHECK_THAT(check_durable(story.evidence()), Fails("no replica of its region ever logged it"));
}

TEST_CASE("claim: an increment that ran again after its first commit was lost, the second is meant",
          "[sim]") {
  Story story;
  const WorldOptions two = [] {
    WorldOptions out;
    out.regions = out.nodes = 2;
    return out;
  }();
  const topology::Topology topology = make_topology(two);
  story.add(0, "k", 5, "id");
  const auto again = story.add(1, "k", 5, "id");
  story.deliver(again, 0);
  story.sync_all();
  Operation& o = story.operation(Op::add, 0, "k", 0, 5);
  o.request_id = "id";
  o.by = topology.nodes[0].number;
  CHECK(update_of(o, story.facts(), topology, 2) == again);
  SECTION("none is held by W logs: the earliest is judged, and fails") {
    CHECK(update_of(o, story.facts(), topology, 3) == 0);
  }
  SECTION("another acknowledgement speaks of it") {
    story.facts().updates()[static_cast<size_t>(again)].op = 7;
    CHECK(update_of(o, story.facts(), topology, 2) == 0);
  }
}

TEST_CASE("claim: two add an element at the same time and one is answered, its answer says which", "[sim]") {
  Story story;
  const topology::Topology topology = make_topology(WorldOptions{});
  const auto first = story.sadd(0, "h", "x"), second = story.sadd(0, "h", "x");
  story.srem(0, "h", "x");
  const auto third = story.sadd(0, "h", "x");
  story.deliver_all();
  story.sync_all();
  Operation& o = story.operation(Op::sadd, 0, "h", 0, 5);
  o.elements = {"x"};
  o.by = topology.nodes[0].number;
  o.number = 0;  // it was there
  CHECK(update_of(o, story.facts(), topology, 2) == second);
  o.number = 1;
  CHECK(update_of(o, story.facts(), topology, 2) == first);
  story.facts().updates()[static_cast<size_t>(first)].op = 7;  // another answer speaks of it
  CHECK(update_of(o, story.facts(), topology, 2) == third);
  SECTION("no update gives this answer: one is judged all the same") {
    story.facts().updates()[static_cast<size_t>(third)].op = 8;
    CHECK(update_of(o, story.facts(), topology, 2) == second);
  }
}

TEST_CASE("G2: a calm region that answers passes, one that rejects or is late does not", "[sim]") {
  Story story;
  story.get(0, "k", std::nullopt, 20'000, 20'010);
  Evidence calm = story.evidence();
  calm.calm = {{0, Instant{0}, Instant{60'000'000'000}}};
  CHECK_THAT(check_available(calm), Passes());
  story.history()[0].outcome = Outcome::rejected;
  story.history()[0].code = Errc::unavailable;
  CHECK_THAT(check_available(calm), Fails("does not answer"));
  story.history()[0].outcome = Outcome::done;
  story.history()[0].returned = Instant{29'000'000'000};
  CHECK_THAT(check_available(calm), Fails("does not answer"));
  story.history()[0].invoked = Instant{1'000'000'000};  // it is still settling
  CHECK(check_available(calm).judged == 0);
}

TEST_CASE("G3: other rows under one clock, or clocks that stay apart, fail", "[sim]") {
  Story story;
  Evidence e = story.evidence();
  e.equal_pairs = 1;
  CHECK_THAT(check_convergent(e), Passes());
  e.unequal = {"partition 0 has other rows"};
  CHECK_THAT(check_convergent(e), Fails("other rows"));
  e.unequal.clear();
  e.converged = false;
  CHECK_THAT(check_convergent(e), Fails("did not become equal"));
}

TEST_CASE("G4: overwritten by one who was shown it, or in the journal, passes; without a record fails",
          "[sim]") {
  Story story;
  const auto a = story.set(0, "k", "a");
  const auto b = story.set(2, "k", "b");  // unseen: a sibling
  story.wrote(Op::set, a, 0, 5);
  story.wrote(Op::set, b, 0, 5);
  story.deliver_all();
  const auto c = story.set(0, "k", "c");  // shown one of them, and journals the other
  story.wrote(Op::set, c, 6, 9);
  story.deliver_all();
  CHECK_THAT(check_nothing_lost(story.evidence()), Passes());
  Evidence e = story.evidence();
  e.held["k"].journal.clear();
  CHECK_THAT(check_nothing_lost(e), Fails("lost without a record"));
  Evidence none = story.evidence();
  none.held["k"].siblings.clear();
  CHECK_THAT(check_nothing_lost(none), Fails("nothing that the replicas have supersedes it"));
}

TEST_CASE("G4: an element that vanishes without a remove fails", "[sim]") {
  Story story;
  story.wrote(Op::sadd, story.sadd(0, "s", "x"), 0, 5);
  story.wrote(Op::sadd, story.sadd(0, "s", "y"), 6, 7);
  story.deliver_all();
  CHECK_THAT(check_nothing_lost(story.evidence()), Passes());
  Evidence e = story.evidence();
  e.held["s"].elements.erase("y");
  e.held["s"].element_count = 1;
  CHECK_THAT(check_nothing_lost(e), Fails("nothing that the replicas have removes it"));
}

TEST_CASE("G4 increments: once passes, twice under one name or a wrong sum fails", "[sim]") {
  Story story;
  story.wrote(Op::add, story.add(0, "c", 1, "id1"), 0, 5).amount = 1;
  story.deliver_all();
  CHECK_THAT(check_exactly_once(story.evidence()), Passes());
  Evidence wrong = story.evidence();
  wrong.held["c"].value = "2";
  CHECK_THAT(check_exactly_once(wrong), Fails("its updates make 1"));
  story.add(1, "c", 1, "id1");
  story.deliver_all();
  CHECK_THAT(check_exactly_once(story.evidence()), Fails("counted twice"));
}

TEST_CASE("G5: what was seen and overwritten stays so, whatever the stamps say", "[sim]") {
  Story story;
  const auto a = story.set(0, "k", "a");
  story.wrote(Op::set, a, 0, 5);
  story.deliver(a, 1);
  const auto b = story.set(1, "k", "b");
  story.wrote(Op::set, b, 6, 9);
  story.get(0, "k", "b", 10, 11);
  story.deliver_all();
  CHECK_THAT(check_causality(story.evidence()), Passes());
  Evidence e = story.evidence();
  e.held["k"].siblings.push_back({story.facts().updates()[0].dot, "a"});
  CHECK_THAT(check_causality(e), Fails("had seen and overwritten"));
  Evidence other = story.evidence();
  other.held["k"].value = "a";
  CHECK_THAT(check_causality(other), Fails("the winner of its updates is 'b'"));
  story.get(0, "k", "a", 12, 13);
  CHECK_THAT(check_causality(story.evidence()), Fails("overwritten before it began"));
}

TEST_CASE("G6: what was removed and seen removed stays away", "[sim]") {
  Story story;
  const auto a = story.sadd(0, "s", "x");
  story.wrote(Op::sadd, a, 0, 5);
  story.deliver_all();
  const auto r = story.srem(1, "s", "x");
  story.wrote(Op::srem, r, 6, 9).elements = {"x"};
  Operation& read = story.operation(Op::sismember, 0, "s", 7, 8);
  read.elements = {"x"};
  read.found = true;  // while the remove is under way
  story.deliver_all();
  CHECK_FALSE(check_no_resurrection(story.evidence()).violation);
  Evidence e = story.evidence();
  e.held["s"].elements["x"] = {story.facts().updates()[0].dot};
  CHECK_THAT(check_no_resurrection(e), Fails("again"));
  story.history().back().invoked = Instant{10'000'000};
  story.history().back().returned = Instant{11'000'000};
  CHECK_THAT(check_no_resurrection(story.evidence()), Fails("had been removed before it began"));
}

TEST_CASE("G6: a deleted string that is there again fails", "[sim]") {
  Story story;
  const auto a = story.set(0, "k", "a");
  story.wrote(Op::set, a, 0, 5);
  story.wrote(Op::del, story.del(0, "k"), 6, 9);
  story.deliver_all();
  CHECK_FALSE(check_no_resurrection(story.evidence()).violation);
  Evidence e = story.evidence();
  e.held["k"].siblings.push_back({story.facts().updates()[0].dot, "a"});
  CHECK_THAT(check_no_resurrection(e), Fails("had deleted"));
}

TEST_CASE("G7: reads between and after writes, only those that can be", "[sim]") {
  Story story;
  const auto a = story.set(0, "k", "a");
  story.wrote(Op::set, a, 0, 5);
  story.deliver_all();
  story.now_ms = 10;
  const auto b = story.set(0, "k", "b");
  story.wrote(Op::set, b, 10, 20);
  story.deliver_all();
  SECTION("either value while the write is under way, then the new one") {
    story.get(0, "k", "a", 11, 12);
    story.get(0, "k", "b", 13, 14);
    story.get(0, "k", "b", 21, 22);
    CHECK_THAT(check_linearizable(story.evidence()), Passes());
  }
  SECTION("a read goes back") {
    story.get(0, "k", "b", 11, 12);
    story.get(0, "k", "a", 13, 14);
    CHECK_THAT(check_linearizable(story.evidence()), Fails("not linearizable"));
  }
  SECTION("a stale read after the write was answered") {
    story.get(0, "k", "a", 21, 22);
    CHECK_THAT(check_linearizable(story.evidence()), Fails("not linearizable"));
  }
  SECTION("nothing, though there was no delete") {
    story.get(0, "k", std::nullopt, 21, 22);
    CHECK_THAT(check_linearizable(story.evidence()), Fails("not linearizable"));
  }
  SECTION("before it was issued") {
    story.get(0, "k", "b", 6, 7);
    CHECK_THAT(check_linearizable(story.evidence()), Fails("not linearizable"));
  }
}

TEST_CASE("G7: an unknown write takes effect once, late or never", "[sim]") {
  Story story;
  story.wrote(Op::set, story.set(0, "k", "a"), 0, 5);
  story.now_ms = 10;
  story.set(1, "k", "unknown");  // it has not seen 'a': nobody delivered that
  SECTION("never") {
    story.get(0, "k", "a", 30, 31);
    CHECK_THAT(check_linearizable(story.evidence()), Passes());
  }
  SECTION("late") {
    story.get(0, "k", "a", 30, 31);
    story.get(0, "k", "unknown", 32, 33);
    CHECK_THAT(check_linearizable(story.evidence()), Passes());
  }
  SECTION("and not taken back") {
    story.get(0, "k", "unknown", 30, 31);
    story.get(0, "k", "a", 32, 33);
    CHECK_THAT(check_linearizable(story.evidence()), Fails("not linearizable"));
  }
}

TEST_CASE("G7: another region's write appears in between, and an answered one that saw it supersedes it",
          "[sim]") {
  Story story;
  const auto a = story.set(0, "k", "a");
  story.wrote(Op::set, a, 0, 5);
  const auto f = story.set(2, "k", "foreign");
  story.now_ms = 8;
  story.deliver(f, 0);
  story.deliver(f, 1);
  story.now_ms = 10;
  story.wrote(Op::set, story.set(0, "k", "b"), 10, 12);
  story.get(0, "k", "b", 13, 14);
  CHECK_THAT(check_linearizable(story.evidence()), Passes());
  story.get(0, "k", "foreign", 15, 16);
  CHECK_THAT(check_linearizable(story.evidence()), Fails("not linearizable"));
}

TEST_CASE("G7: elements of a set, each is linearizable", "[sim]") {
  Story story;
  const auto a = story.sadd(0, "h", "x");
  story.wrote(Op::sadd, a, 0, 5);
  Operation& yes = story.operation(Op::sismember, 0, "h", 6, 7);
  yes.elements = {"x"};
  yes.found = true;
  CHECK_THAT(check_linearizable(story.evidence()), Passes());
  Operation& no = story.operation(Op::sismember, 0, "h", 8, 9);
  no.elements = {"x"};
  CHECK_THAT(check_linearizable(story.evidence()), Fails("element x"));
}

TEST_CASE("G7 counters: sums form one chain that agrees with real time and with what was added", "[sim]") {
  Story story;
  const auto add = [&](uint32_t m, int64_t from, int64_t to, const Bytes& shown) {
    story.now_ms = from;
    const uint32_t region = m / 2;
    const auto u = story.add(m, "c", digit(region), "id" + std::to_string(from));
    Operation& o = story.wrote(Op::add, u, from, to);
    o.amount = digit(region);
    o.shown = shown;
  };
  add(0, 0, 5, "1");
  add(0, 6, 9, "2");
  add(2, 6, 9, "512");
  SECTION("a good one") {
    story.get(0, "c", "2", 10, 11);
    story.get(0, "c", "514", 12, 13);
    CHECK_THAT(check_counters(story.evidence()), Passes());
  }
  SECTION("an answer goes back") {
    story.get(0, "c", "514", 10, 11);
    story.get(0, "c", "2", 12, 13);
    CHECK_THAT(check_counters(story.evidence()), Fails("behind an earlier one"));
  }
  SECTION("an acknowledged add is missing") {
    story.get(0, "c", "1", 12, 13);
    CHECK_THAT(check_counters(story.evidence()), Fails("behind an earlier one"));
  }
  SECTION("more than was added") {
    story.get(0, "c", "3", 12, 13);
    CHECK_THAT(check_counters(story.evidence()), Fails("more than was ever added"));
  }
  SECTION("two answers that exclude each other") {
    story.get(0, "c", "514", 10, 20);
    story.get(0, "c", "512", 10, 20);
    CHECK_THAT(check_counters(story.evidence()), Fails(""));
  }
}

TEST_CASE("G8: a session reads its own writes and never goes back", "[sim]") {
  Story story;
  const auto a = story.set(0, "k", "a");
  story.deliver_all();
  const auto b = story.set(1, "k", "b");
  story.wrote(Op::set, b, 6, 9);
  story.get(0, "k", "b", 10, 11);
  story.deliver_all();
  CHECK_THAT(check_sessions(story.evidence()), Passes());
  SECTION("to what was overwritten") {
    story.get(0, "k", "a", 12, 13);
    CHECK_THAT(check_sessions(story.evidence()), Fails("goes back"));
  }
  SECTION("to nothing") {
    story.get(0, "k", std::nullopt, 12, 13);
    CHECK_THAT(check_sessions(story.evidence()), Fails("goes back"));
  }
  CHECK(a == 0);
}

TEST_CASE("G8: a session that moves with its token", "[sim]") {
  Story story;
  const auto carried = [&](Operation& o) {
    o.client = 7;
    o.session = true;
  };
  const auto a = story.set(0, "k", "a");
  carried(story.wrote(Op::set, a, 1, 2));
  SECTION("reads what it has written") {
    carried(story.get(1, "k", "a", 3, 4));
    CHECK_THAT(check_sessions(story.evidence()), Passes());
  }
  SECTION("does not find what it has written") {
    carried(story.get(1, "k", std::nullopt, 3, 4));
    CHECK_THAT(check_sessions(story.evidence()), Fails("goes back"));
  }
  SECTION("begins anew, and has nothing to expect") {
    Operation& o = story.get(1, "k", std::nullopt, 3, 4);
    carried(o);
    o.session_number = 1;
    CHECK(check_sessions(story.evidence()).judged == 0);
  }
  SECTION("writes without having seen it") {
    const auto b = story.set(2, "k", "b");
    carried(story.wrote(Op::set, b, 3, 4));
    CHECK_THAT(check_sessions(story.evidence()), Fails("has not seen"));
  }
  SECTION("writes ahead of it, as it has asked") {
    const auto b = story.set(2, "k", "b");
    Operation& o = story.wrote(Op::set, b, 3, 4);
    carried(o);
    o.carries = true;
    o.on_behind = region::OnBehind::stale;
    CHECK(check_sessions(story.evidence()).judged == 0);
  }
  SECTION("writes over it") {
    story.deliver(a, 2);
    carried(story.wrote(Op::set, story.set(2, "k", "b"), 3, 4));
    CHECK_THAT(check_sessions(story.evidence()), Passes());
  }
  SECTION("has found that it was deleted, and finds it again") {
    Operation& reader = story.get(0, "k", std::nullopt, 5, 6);
    carried(reader);
    reader.client = 8;
    Operation& again = story.get(1, "k", "a", 7, 8);
    carried(again);
    again.client = 8;
    CHECK_THAT(check_sessions(story.evidence()), Fails("goes back"));
  }
}

TEST_CASE("G12: a dot for two updates fails", "[sim]") {
  Story story;
  story.set(0, "k", "a");
  CHECK_THAT(check_unique_dots(story.evidence()), Passes());
  crdt::Site copy(static_cast<uint16_t>(raw(story.facts().updates()[0].dot.actor.node)));
  Bytes record;
  region::encode(region::DeltaRecord{PartitionId{0}, {}, {}, {}, crdt::encode(*copy.set("k", "other").delta)},
                 record);
  story.facts().committed(Instant{1}, 1, {99}, record);
  CHECK_THAT(check_unique_dots(story.evidence()), Fails("names two updates"));
}

TEST_CASE("rejected: a write that was rejected and happened, or was ordered twice, fails", "[sim]") {
  Story story;
  Operation& never = story.operation(Op::set, 0, "k", 0, 5);
  never.value = "never";
  never.outcome = Outcome::rejected;
  CHECK_THAT(check_rejected(story.evidence()), Passes());
  SECTION("it happened") {
    story.set(0, "k", "never");
    CHECK_THAT(check_rejected(story.evidence()), Fails("it happened"));
  }
  SECTION("ordered twice") {
    story.set(0, "k", "a");
    story.set(0, "k", "a");
    CHECK_THAT(check_rejected(story.evidence()), Fails("ordered twice"));
  }
}

TEST_CASE("stamps: one far ahead of time fails where most clocks are right", "[sim]") {
  Story story;
  const auto u = static_cast<size_t>(story.set(0, "k", "a"));
  Evidence evidence = story.evidence();
  CHECK(check_stamps(evidence).judged == 0);  // nobody knows whose clock is right
  evidence.clocks_ahead_max = Duration::seconds(1);
  CHECK_THAT(check_stamps(evidence), Passes());
  Update& update = story.facts().updates()[u];
  update.stamp = crdt::Hlc::from_wall(
      static_cast<uint64_t>(MachineClock::kWallBaseMs + update.issued.ns / 1'000'000 + 61'001));
  CHECK_THAT(check_stamps(evidence), Fails("61001 ms ahead of time"));
}
