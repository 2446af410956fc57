// Hazards of docs/hazards.md that the data model alone must keep off, one story each, in every order of
// arrival.
#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/crdt/site.h"

using namespace atolldb;
using namespace atolldb::crdt;

namespace {

// Hands these to a fresh replica in every order.
template <typename Check>
void in_every_order(std::vector<Mutation> sent, const Check& check) {
  std::vector<size_t> order(sent.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::optional<Bytes> first;
  do {
    Site site(99);
    for (const size_t i : order) site.take(sent[i]);
    check(site);
    if (!first) first = site.everything();
    REQUIRE(site.everything() == *first);
  } while (std::next_permutation(order.begin(), order.end()));
}

}  // namespace

TEST_CASE("hazard 5: an element added on both sides and removed on one, the unseen add survives", "[crdt]") {
  Site a(1), b(2);
  const Mutation add_a = a.sadd("s", {"x"}), add_b = b.sadd("s", {"x"}), remove = a.srem("s", {"x"});
  in_every_order({add_a, add_b, remove}, [](Site& site) { REQUIRE(*site.replica.contains("s", "x")); });
  b.take(add_a);
  const Mutation remove_both = b.srem("s", {"x"});
  in_every_order({add_a, add_b, remove, remove_both},
                 [](Site& site) { REQUIRE_FALSE(*site.replica.contains("s", "x")); });
}

TEST_CASE("hazard 6: seven writers interleave, at most seven siblings", "[crdt]") {
  std::vector<std::unique_ptr<Site>> sites;
  for (uint16_t i = 1; i <= 7; ++i) sites.push_back(std::make_unique<Site>(i));
  std::vector<Mutation> sent;
  for (int round = 0; round < 10; ++round)
    for (auto& site : sites) sent.push_back(site->set("k", std::to_string(round)));
  Site all(99);
  for (const Mutation& m : sent) {
    all.take(m);
    REQUIRE(all.siblings("k").size() <= 7);
  }
}

TEST_CASE("hazard 10: equal stamps, the same winner in every order", "[crdt]") {
  Site a(1), b(2), c(3);
  in_every_order({a.set("k", "a"), b.set("k", "b"), c.set("k", "c")}, [](Site& site) {
    REQUIRE(site.get("k") == "c");
    REQUIRE(site.replica.read("k")->hidden == 2);
  });
}

TEST_CASE("hazard 12: what is overwritten unseen, once in the journal", "[crdt]") {
  Site a(1), b(2), c(3);
  const Mutation hidden = a.set("k", "a"), shown = b.set("k", "b");
  c.take(hidden), c.take(shown);
  const Mutation over = c.set("k", "c");
  in_every_order({hidden, shown, over}, [](Site& site) {
    REQUIRE(site.get("k") == "c");
    REQUIRE(site.journal("k") == std::vector<Bytes>{"a"});
  });
}

TEST_CASE("hazard 12: adds behind a winner that is no number, journalled when overwritten", "[crdt]") {
  Site a(1), b(2);
  const Mutation add = a.add("k", 5), text = b.set("k", "text");
  b.take(add);
  REQUIRE(b.get("k") == "text");
  REQUIRE(b.replica.read("k")->hidden == 1);
  const Mutation over = b.set("k", "more");
  in_every_order({add, text, over}, [](Site& site) {
    REQUIRE(site.get("k") == "more");
    REQUIRE(site.journal("k") == std::vector<Bytes>{"5"});
  });
}

TEST_CASE("hazard 39: the winner is superseded by one who never saw the loser, the loser is there",
          "[crdt]") {
  Site a(1), b(2);
  const Mutation loser = a.set("k", "loser"), winner = b.set("k", "winner"), over = b.del("k");
  in_every_order({loser, winner, over}, [](Site& site) { REQUIRE(site.get("k") == "loser"); });
}

TEST_CASE("hazard 44: a chain of sets in any order, void dots stay void and the journal is complete",
          "[crdt]") {
  Site a(1), b(2);
  const Mutation other = b.set("k", "other");
  const Mutation first = a.set("k", "1");
  a.take(other);
  const Mutation second = a.set("k", "2"), third = a.set("k", "3");
  in_every_order({other, first, second, third}, [](Site& site) {
    REQUIRE(site.siblings("k") == std::vector<Bytes>{"3"});
    REQUIRE(site.journal("k").size() == 1);
  });
}

TEST_CASE("hazard 46: a total that started anew meets an old baseline, counts from its start", "[crdt]") {
  Site a(1);
  const Mutation five = a.add("n", 5), set = a.set("n", "100"), three = a.add("n", 3);
  in_every_order({five, set, three}, [](Site& site) { REQUIRE(site.get("n") == "103"); });
}

TEST_CASE("hazard 49: a clear after adds that were seen in part, only those go", "[crdt]") {
  Site a(1), b(2);
  const Mutation one = a.sadd("s", {"seen"}), two = a.sadd("s", {"unseen"});
  b.take(one);
  const Dot dot = b.dot();
  const Mutation clear = b.run(b.replica.clear("s", dot, b.hlc()));
  in_every_order({one, two, clear}, [](Site& site) {
    REQUIRE_FALSE(*site.replica.contains("s", "seen"));
    REQUIRE(*site.replica.contains("s", "unseen"));
  });
}

TEST_CASE("G5: a write that has seen another wins over it, whatever its stamp", "[crdt]") {
  Site ahead(1), behind(2);
  const Dot d1 = ahead.dot();
  const Mutation early = ahead.run(ahead.replica.set("k", "early", d1, Hlc{1'000'000}));
  behind.take(early);
  const Mutation late = behind.set("k", "late");
  in_every_order({early, late}, [](Site& site) { REQUIRE(site.get("k") == "late"); });
}

TEST_CASE("string and set at one key: both kept, one shown, the hidden one journalled when overwritten",
          "[crdt]") {
  Site a(1), b(2);
  const Mutation add = a.sadd("k", {"x", "y"}), set = b.set("k", "text");
  b.take(add);
  REQUIRE(b.replica.read("k")->type == Type::string);
  REQUIRE(b.replica.read("k")->hidden == 1);
  const Mutation over = b.set("k", "more");
  in_every_order({add, set, over}, [](Site& site) {
    REQUIRE(site.get("k") == "more");
    REQUIRE(site.replica.inspect("k", 10).element_count == 0);
    std::vector<Bytes> journal = site.journal("k");
    std::sort(journal.begin(), journal.end());
    REQUIRE(journal == std::vector<Bytes>{"x", "y"});
  });
  const Dot dot = b.dot();
  REQUIRE(b.run(b.replica.expire("k", add.delta->dot(), dot, b.hlc())).count == 2);
  REQUIRE(b.journal("k").empty());
}

TEST_CASE("set with context: what is named is resolved, what is not stays; adds up to where they were shown",
          "[crdt]") {
  Site a(1), b(2), c(3);
  c.take(a.set("k", "1"));
  c.take(b.set("k", "2"));
  c.take(a.add("k", 10));
  const NamedContext named = c.named("k");
  c.counter = 100;  // and a stamp above all others
  c.take(b.set("k", "3"));
  c.take(a.add("k", 5));
  c.set_with_context("k", "100", named);
  REQUIRE(c.siblings("k") == std::vector<Bytes>{"100", "3"});
  REQUIRE(c.get("k") == "105");
}

TEST_CASE("a forged context: names of the future and of others change nothing (hazard 42)", "[crdt]") {
  Site a(1), b(2);
  a.set("k", "v");
  NamedContext forged;
  forged.dots.push_back({{{NodeNumber{9}, 9, 9}, kDotCounterMax}, std::nullopt, 0});
  forged.dots.push_back({{a.actor, 1'000'000}, 1, 5});
  const Mutation set = b.set_with_context("k", "w", forged);
  a.take(set);
  REQUIRE(a.siblings("k").size() == 2);
  REQUIRE(a.replica.clock().size() == 2);
}

TEST_CASE("ready: an add joins only behind the same actor's add before it, coalesced ones too", "[crdt]") {
  Site a(1), b(2);
  const Mutation one = a.add("n", 1), two = a.add("n", 2), three = a.add("n", 3);
  REQUIRE(one.delta->after_add == 0);
  REQUIRE(two.delta->after_add == 1);
  REQUIRE(b.replica.ready(*one.delta));
  REQUIRE_FALSE(b.replica.ready(*two.delta));
  REQUIRE(b.replica.ready(coalesce(*two.delta, *one.delta)));
  REQUIRE_FALSE(b.replica.ready(coalesce(*three.delta, *one.delta)));
  b.take(one);
  REQUIRE(b.replica.ready(*two.delta));
  REQUIRE_FALSE(b.replica.ready(*three.delta));
  REQUIRE(b.replica.ready(coalesce(*three.delta, *two.delta)));
  a.set("n", "0");
  REQUIRE(a.add("n", 1).delta->after_add == 0);
}
