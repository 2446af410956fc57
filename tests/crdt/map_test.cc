// Maps, told as stories: each field like a string, and the whole map gone without taking what nobody had
// seen.
#include <catch2/catch.hpp>

#include "crdt/row.h"
#include "tests/crdt/site.h"

using namespace atolldb;
using namespace atolldb::crdt;

namespace {

using Map = std::map<Bytes, Bytes>;

}  // namespace

TEST_CASE("map: fields set, counted and deleted, each for itself", "[crdt]") {
  Site a(1);
  REQUIRE(a.hset("m", {{"f", "1"}, {"g", "x"}, {"f", "2"}}).count == 2);
  REQUIRE(a.fields("m") == Map{{"f", "2"}, {"g", "x"}});
  REQUIRE(a.hadd("m", "f", 5).value == "7");
  REQUIRE(a.hadd("m", "n", -1).value == "-1");
  REQUIRE(a.hset("m", {{"g", "y"}}).count == 0);
  REQUIRE(a.hdel("m", {"f", "absent"}).count == 1);
  REQUIRE(a.fields("m") == Map{{"g", "y"}, {"n", "-1"}});
  REQUIRE(*a.replica.field("m", "g") == Bytes("y"));
  REQUIRE_FALSE(a.replica.field("m", "f")->has_value());
  REQUIRE(a.replica.read("m")->type == Type::map);
  REQUIRE_FALSE(a.hdel("m", {"f"}).delta);
}

TEST_CASE("map: a field updated while it is deleted, survives", "[crdt]") {
  Site a(1), b(2);
  const Mutation first = a.hset("m", {{"f", "old"}, {"g", "stays"}});
  b.take(first);
  const Mutation updated = a.hset("m", {{"f", "new"}});
  const Mutation removed = b.hdel("m", {"f"});
  b.take(updated);
  a.take(removed);
  for (Site* site : {&a, &b}) REQUIRE(site->fields("m") == Map{{"f", "new"}, {"g", "stays"}});
}

TEST_CASE("map: deleted whole while fields are set and counted, what was unseen survives", "[crdt]") {
  Site a(1), b(2);
  const Mutation set = a.hset("m", {{"f", "x"}, {"g", "x"}});
  const Mutation add = a.hadd("m", "n", 10);
  for (const Mutation* m : {&set, &add}) b.take(*m);
  const Mutation gone = b.del("m");
  REQUIRE(gone.count == 1);
  REQUIRE(b.replica.read("m")->type == Type::none);
  const Mutation again = a.hset("m", {{"g", "y"}});
  const Mutation more = a.hadd("m", "n", 3);  // a total that the delete had seen in part
  for (const Mutation* m : {&again, &more}) b.take(*m);
  a.take(gone);
  for (Site* site : {&a, &b}) REQUIRE(site->fields("m") == Map{{"g", "y"}, {"n", "3"}});
  REQUIRE(a.replica.digest() == b.replica.digest());
}

// Why totals need no context: a header says which dots are void, and not how much of a later total they were.
TEST_CASE("map: a header that came without its fields, excludes no increment", "[crdt]") {
  const bool f_first = field_row("f") < field_row("g");
  const Bytes other = f_first ? "f" : "g", counter = f_first ? "g" : "f";  // in row order
  Site a(1), b(2), c(3), d(4), e(5);
  const Mutation add = a.hadd("m", counter, 10);
  const Mutation set = b.hset("m", {{other, "x"}});
  b.take(add);
  const Mutation gone = b.clear("m");
  c.take(gone);  // before what it cleared: contexts wait
  c.hset("m", {{other, "y"}});
  const Replica::Scan scan = c.replica.begin_scan();
  const Replica::Chunk chunk = c.replica.scan(scan.number, {}, 1);
  c.replica.end_scan(scan.number);
  REQUIRE_FALSE(chunk.next.empty());
  REQUIRE(d.replica.repair(chunk.units).has_value());  // the header and the first field

  const Mutation over = d.hset("m", {{counter, "5"}});  // has seen nothing of the increment
  d.take(add);
  e.take(add);
  e.take(over);
  REQUIRE(*d.replica.field("m", counter) == Bytes("15"));
  REQUIRE(*e.replica.field("m", counter) == Bytes("15"));
  for (Site* site : {&d, &e}) {
    site->take(set);
    site->take(gone);
    REQUIRE(*site->replica.field("m", counter) == Bytes("5"));
  }
}

TEST_CASE("map: concurrent increments of one field, each counts once", "[crdt]") {
  Site a(1), b(2), c(3);
  const Mutation one = a.hadd("m", "n", 1), two = b.hadd("m", "n", 2), three = a.hadd("m", "n", 4);
  c.take(three);  // brings the sum of the first, too
  c.take(two);
  c.take(one);
  REQUIRE(c.fields("m") == Map{{"n", "7"}});
  REQUIRE_FALSE(c.replica.ready(Delta()) == false);
  Site d(4);
  REQUIRE_FALSE(d.replica.ready(*three.delta));  // inside a region an add comes behind the one before it
  d.take(one);
  REQUIRE(d.replica.ready(*three.delta));
}

TEST_CASE("map: hidden siblings of a field overwritten, in the journal with the field's name", "[crdt]") {
  Site a(1), b(2);
  const Mutation mine = a.hset("m", {{"f", "a"}}), theirs = b.hset("m", {{"f", "b"}});
  a.take(theirs);
  a.hset("m", {{"f", "c"}});
  const Inspection all = a.replica.inspect("m", 10);
  REQUIRE(all.fields.size() == 1);
  REQUIRE(all.fields[0].siblings.size() == 1);
  REQUIRE(all.journal.size() == 1);
  REQUIRE(all.journal[0].field == Bytes("f"));
  REQUIRE(all.journal[0].value == "a");  // b's had the later stamp's dot and was shown
}

TEST_CASE("map: other types and numbers, refused as Redis does", "[crdt]") {
  Site a(1);
  a.set("s", "x");
  a.sadd("e", {"x"});
  a.hset("m", {{"f", "word"}, {"big", "9223372036854775807"}});
  const Dot dot{a.actor, a.counter + 1};
  for (const char* key : {"s", "e"}) {
    REQUIRE(a.replica.hset(key, {{"f", "1"}}, dot, {}).error().code == Errc::wrong_type);
    REQUIRE(a.replica.hadd(key, "f", 1, dot, {}).error().code == Errc::wrong_type);
    REQUIRE(a.replica.hdel(key, {"f"}, dot, {}).error().code == Errc::wrong_type);
    REQUIRE(a.replica.field(key, "f").error().code == Errc::wrong_type);
    REQUIRE(a.replica.fields(key, {}, 1, 1).error().code == Errc::wrong_type);
  }
  REQUIRE(a.replica.add("m", 1, dot, {}).error().code == Errc::wrong_type);
  REQUIRE(a.replica.sadd("m", {"x"}, dot, {}).error().code == Errc::wrong_type);
  REQUIRE(a.replica.contains("m", "x").error().code == Errc::wrong_type);
  REQUIRE(a.replica.hadd("m", "f", 1, dot, {}).error().code == Errc::invalid);
  REQUIRE(a.replica.hadd("m", "big", 1, dot, {}).error().code == Errc::overflow);
  REQUIRE(a.replica.hset("m", {{Bytes(kElementBytesMax + 1, 'f'), ""}}, dot, {}).error().code ==
          Errc::too_large);
}

TEST_CASE("map: a sum that concurrent adds took out of 64 bits, an error that names the field", "[crdt]") {
  Site a(1), b(2);
  const Mutation base = a.hset("m", {{"n", "9223372036854775800"}});
  b.take(base);
  const Mutation mine = a.hadd("m", "n", 7), theirs = b.hadd("m", "n", 7);
  a.take(theirs);
  REQUIRE(a.replica.field("m", "n").error().code == Errc::overflow);
  const auto all = a.replica.fields("m", {}, 10, 100);
  REQUIRE(all.error().code == Errc::overflow);
  REQUIRE(all.error().message.find("\"n\"") != std::string::npos);
}

TEST_CASE("map: read page by page, every field once, whatever ends a page", "[crdt]") {
  Site a(1);
  for (int i = 0; i < 50; ++i) a.hset("m", {{std::to_string(i), Bytes(100, 'v')}});
  for (const auto& [limit, bytes_max] : {std::pair<size_t, size_t>{7, 1 << 20}, {1000, 250}}) {
    Map seen;
    Bytes cursor;
    size_t pages = 0;
    do {
      const auto page = a.replica.fields("m", cursor, limit, bytes_max);
      REQUIRE(page);
      REQUIRE(page->fields.size() <= limit);
      for (const auto& [field, value] : page->fields) REQUIRE(seen.emplace(field, value).second);
      cursor = page->next;
      ++pages;
    } while (!cursor.empty());
    REQUIRE(seen.size() == 50);
    REQUIRE(pages > 5);
  }
  REQUIRE(a.replica.fields("m", "short", 1, 1).error().code == Errc::invalid);
}

TEST_CASE("types: given to one key at the same time, all kept in the order string, set, map", "[crdt]") {
  Site a(1), b(2), c(3);
  const Mutation string = a.set("k", "x");
  const Mutation set = b.sadd("k", {"e"});
  const Mutation map = c.hset("k", {{"f", "v"}});
  REQUIRE(c.take(set));
  REQUIRE(c.replica.read("k")->type == Type::set);
  REQUIRE(c.replica.read("k")->hidden == 1);
  REQUIRE(c.replica.field("k", "f").error().code == Errc::wrong_type);
  REQUIRE(c.take(string));
  REQUIRE(c.replica.read("k")->type == Type::string);
  REQUIRE(c.replica.read("k")->value == "x");
  REQUIRE(c.replica.read("k")->hidden == 2);

  // SET replaces any type; what it had not been shown goes to the journal.
  c.set("k", "y");
  REQUIRE(c.replica.read("k")->hidden == 0);
  REQUIRE(c.journal("k") == std::vector<Bytes>{"e", "v"});
  const Inspection all = c.replica.inspect("k", 10);
  REQUIRE(all.elements.empty());
  REQUIRE(all.fields.empty());
}

TEST_CASE("types: the shown one removed, the one behind it shows", "[crdt]") {
  Site a(1), b(2);
  const Mutation set = a.sadd("k", {"e"});
  const Mutation map = b.hset("k", {{"f", "v"}});
  a.take(map);
  REQUIRE(a.replica.read("k")->type == Type::set);
  a.srem("k", {"e"});
  REQUIRE(a.replica.read("k")->type == Type::map);
  REQUIRE(a.fields("k") == Map{{"f", "v"}});
  REQUIRE(a.journal("k").empty());
}

TEST_CASE("types: a shown collection cleared, the one behind it goes to the journal", "[crdt]") {
  Site a(1), b(2);
  const Mutation set = a.sadd("k", {"e"});
  const Mutation map = b.hset("k", {{"f", "v"}});
  a.take(map);
  REQUIRE(a.clear("k").delta);
  REQUIRE(a.replica.read("k")->type == Type::none);
  REQUIRE(a.journal("k") == std::vector<Bytes>{"v"});
}

TEST_CASE("types: a key with many journal records, its map is found behind them", "[crdt]") {
  Site a(1), b(2);
  for (int i = 0; i < 20; ++i) {
    b.take(a.set("k", "a"));
    const Mutation over = b.set("k", "b"), other = a.set("k", "c");
    a.take(over);
    a.set("k", "d");
  }
  a.del("k");
  REQUIRE(a.replica.read("k")->type == Type::none);
  a.hset("k", {{"f", "v"}, {"g", "w"}});
  REQUIRE(a.replica.read("k")->type == Type::map);
  REQUIRE(a.fields("k") == Map{{"f", "v"}, {"g", "w"}});
  REQUIRE(a.journal("k").size() == 20);
  Site c(3);
  REQUIRE(exchange(a, c, 1) > 1);
  REQUIRE(c.fields("k") == Map{{"f", "v"}, {"g", "w"}});
  REQUIRE(c.replica.digest() == a.replica.digest());
}
