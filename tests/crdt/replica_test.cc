// One replica, by hand: what each operation answers and what it refuses.
#include "crdt/replica.h"

#include <catch2/catch.hpp>

#include "tests/crdt/site.h"

using namespace atolldb;
using namespace atolldb::crdt;

TEST_CASE("Replica: set, get and delete a string, leaves no rows behind", "[crdt]") {
  Site a(1);
  REQUIRE(a.replica.read("k")->type == Type::none);
  a.set("k", "v1");
  REQUIRE(a.get("k") == "v1");
  a.set("k", "v2");
  REQUIRE(a.get("k") == "v2");
  REQUIRE(a.rows.rows.size() == 1);
  REQUIRE(a.del("k").count == 1);
  REQUIRE(a.replica.read("k")->type == Type::none);
  REQUIRE(a.rows.rows.empty());
  REQUIRE(a.replica.digest() == Digest{});
  REQUIRE(a.del("k").count == 0);
  REQUIRE(a.replica.clock().size() == 3);
}

TEST_CASE("Replica: adds, count exactly and on top of what was set", "[crdt]") {
  Site a(1);
  REQUIRE(a.add("n", 5).value == "5");
  REQUIRE(a.add("n", -7).value == "-2");
  REQUIRE(a.get("n") == "-2");
  a.set("n", "10");
  REQUIRE(a.get("n") == "10");
  REQUIRE(a.add("n", 1).value == "11");
  a.set("n", "x");
  REQUIRE(a.replica.add("n", 1, a.dot(), a.hlc()).error().code == Errc::invalid);
}

TEST_CASE("Replica: sums outside 64 bits, refused on add and on read", "[crdt]") {
  Site a(1), b(2);
  a.set("n", "9223372036854775807");
  REQUIRE(a.replica.add("n", 1, {a.actor, 99}, a.hlc()).error().code == Errc::overflow);
  b.set("n", "9223372036854775807");
  const Mutation more = [&] {
    Site c(3);
    return c.add("n", 5);
  }();
  a.replica.apply(*more.delta);
  REQUIRE(a.replica.read("n").error().code == Errc::overflow);
  REQUIRE(a.replica.read("n").error().message == "increment or decrement would overflow");
  REQUIRE(a.add("n", -5).value == "9223372036854775807");
}

TEST_CASE("Replica: a set of elements, members in pages", "[crdt]") {
  Site a(1);
  REQUIRE(a.sadd("s", {"x", "y", "x"}).count == 2);
  REQUIRE(a.sadd("s", {"y", "z"}).count == 1);
  REQUIRE(*a.replica.contains("s", "x"));
  REQUIRE(a.srem("s", {"x", "q"}).count == 1);
  REQUIRE_FALSE(*a.replica.contains("s", "x"));
  const auto first = a.replica.members("s", {}, 1);
  REQUIRE(first->elements.size() == 1);
  const auto second = a.replica.members("s", first->next, 1);
  REQUIRE(second->elements.size() == 1);
  REQUIRE(second->next.empty());
  REQUIRE(first->elements != second->elements);
}

TEST_CASE("Replica: which updates only remove, seen from their deltas alone", "[crdt]") {
  Site a(1), b(2);
  const auto removes = [](const Mutation& mutation) {
    const auto sent = decode_delta(encode(*mutation.delta));
    return only_removes(*sent);
  };
  CHECK_FALSE(removes(*a.replica.set("k", "v", {a.actor, 99}, a.hlc())));
  CHECK_FALSE(removes(*a.replica.add("k", 5, {a.actor, 99}, a.hlc())));
  CHECK_FALSE(removes(*a.replica.sadd("s", {"x"}, {a.actor, 99}, a.hlc())));
  CHECK_FALSE(removes(*a.replica.hset("m", {{"f", "1"}}, {a.actor, 99}, a.hlc())));
  // Siblings that nobody was shown go to the journal.
  a.set("k", "v");
  const Mutation other = b.add("k", 5);
  a.replica.apply(*other.delta);
  CHECK(removes(*a.replica.del("k", {a.actor, 99}, a.hlc())));
  CHECK_FALSE(removes(*a.replica.set("k", "", {a.actor, 99}, a.hlc())));
  a.sadd("s", {"x", "y"});
  CHECK(removes(*a.replica.srem("s", {"x"}, {a.actor, 99}, a.hlc())));
  CHECK(removes(*a.replica.del("s", {a.actor, 99}, a.hlc())));
  CHECK(removes(*a.replica.sreplace("s", {}, {a.actor, 99}, a.hlc())));
  CHECK_FALSE(removes(*a.replica.sreplace("s", {"y"}, {a.actor, 99}, a.hlc())));
  a.hset("m", {{"f", "1"}, {"g", "2"}});
  CHECK(removes(*a.replica.hdel("m", {"f"}, {a.actor, 99}, a.hlc())));
  CHECK(removes(*a.replica.del("m", {a.actor, 99}, a.hlc())));
  CHECK_FALSE(removes(*a.replica.hset("m", {{"f", "3"}}, {a.actor, 99}, a.hlc())));
}

TEST_CASE("Replica: commands for another type, refused and nothing changed", "[crdt]") {
  Site a(1);
  a.sadd("s", {"x"});
  a.set("k", "v");
  REQUIRE(a.replica.add("s", 1, {a.actor, 99}, {}).error().code == Errc::wrong_type);
  REQUIRE(a.replica.sadd("k", {"x"}, {a.actor, 99}, {}).error().code == Errc::wrong_type);
  REQUIRE(a.replica.members("k", {}, 10).error().code == Errc::wrong_type);
  REQUIRE(a.replica.contains("k", "x").error().message ==
          "Operation against a key holding the wrong kind of value");
  a.set("s", "now a string");
  REQUIRE(a.get("s") == "now a string");
  REQUIRE(a.replica.inspect("s", 10).element_count == 0);
}
