// Complete exchanges and repairs, told as stories; the random runs of model_test.cc reach these only rarely.
#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/crdt/site.h"

using namespace atolldb;
using namespace atolldb::crdt;

namespace {

// Keys in the order in which an exchange comes by them.
std::vector<Bytes> keys_in_order(size_t count) {
  std::vector<Bytes> keys;
  for (size_t i = 0; i < count; ++i) keys.push_back("key" + std::to_string(i));
  std::sort(keys.begin(), keys.end(), [](const Bytes& a, const Bytes& b) {
    return Site::placement().place(a).hash < Site::placement().place(b).hash;
  });
  return keys;
}

size_t context_rows(const Site& site) {
  size_t out = 0;
  for (const auto& [key, row] : site.rows.rows)
    out += decode_row(parse_row_key(key)->name, row)->context.empty() ? 0 : 1;
  return out;
}

}  // namespace

TEST_CASE("exchange: a void dot reaches the sender before its row is read, and the receiver after",
          "[crdt]") {
  Site a(1), b(2), c(3);
  const Mutation set = c.set("k", "old"), del = c.del("k");
  a.take(del);
  const Replica::Scan scan = a.replica.begin_scan();
  b.replica.begin_pull(scan.clock);
  a.take(set);  // the scan's clock does not cover it: its row must go on speaking against it
  REQUIRE(*b.replica.receive({}, a.replica.scan(scan.number, {}, 1000)));
  a.replica.end_scan(scan.number);
  b.take(set);
  REQUIRE(b.replica.read("k")->type == Type::none);
  REQUIRE(a.rows.rows.empty());
}

TEST_CASE("exchange: a removed dot arrives behind the cursor, stays removed (hazard 48)", "[crdt]") {
  const std::vector<Bytes> keys = keys_in_order(3);
  Site a(1), b(2);
  const Mutation set = a.set(keys[0], "old");
  a.del(keys[0]);
  a.set(keys[1], "v");
  a.set(keys[2], "v");
  const Replica::Scan scan = a.replica.begin_scan();
  b.replica.begin_pull(scan.clock);
  const Replica::Chunk first = a.replica.scan(scan.number, {}, 1);
  REQUIRE_FALSE(*b.replica.receive({}, first));
  b.take(set);
  REQUIRE(b.replica.read(keys[0])->type == Type::none);
  REQUIRE(*b.replica.receive(first.next, a.replica.scan(scan.number, first.next, 1000)));
  a.replica.end_scan(scan.number);
  REQUIRE(b.replica.read(keys[0])->type == Type::none);
  REQUIRE(b.replica.digest() == a.replica.digest());
}

TEST_CASE("exchange: broken off between chunks, nothing is missing afterwards (hazard 37)", "[crdt]") {
  const std::vector<Bytes> keys = keys_in_order(20);
  for (size_t chunks = 0; chunks < 20; ++chunks) {
    Site a(1), b(2);
    std::vector<Mutation> sent;
    for (const Bytes& key : keys) sent.push_back(a.set(key, "v"));
    const Replica::Scan scan = a.replica.begin_scan();
    b.replica.begin_pull(scan.clock);
    Bytes cursor;
    for (size_t i = 0; i < chunks; ++i) {
      const Replica::Chunk chunk = a.replica.scan(scan.number, cursor, 1);
      b.replica.receive(cursor, chunk).value();
      cursor = chunk.next;
    }
    b.replica.abandon_pull();
    a.replica.end_scan(scan.number);
    if (chunks < 20) REQUIRE(b.replica.clock().empty());
    for (const Mutation& m : sent) b.take(m);
    for (const Bytes& key : keys) REQUIRE(b.get(key) == "v");
    REQUIRE(b.replica.digest() == a.replica.digest());
    REQUIRE(context_rows(b) == 0);
  }
}

// docs/decisions/0008: a checkpoint keeps the exchange that is being received.
TEST_CASE("exchange: the receiver is restored from a checkpoint between two chunks, and goes on where it was",
          "[crdt]") {
  const std::vector<Bytes> keys = keys_in_order(6);
  for (size_t when = 0; when < 5; ++when) {  // five keys are left, one a chunk
    Site a(1), b(2), restored(2);
    std::vector<Mutation> sent;
    for (const Bytes& key : keys) sent.push_back(a.set(key, "v"));
    sent.push_back(a.del(keys[0]));
    const Replica::Scan scan = a.replica.begin_scan();
    b.replica.begin_pull(scan.clock);
    Bytes cursor;
    Site* site = &b;
    for (size_t i = 0; site->replica.pulling(); ++i) {
      if (i == when) {
        restored.rows.rows = b.rows.rows;
        REQUIRE(restored.replica.restore(b.replica.encode_state()));
        site = &restored;
        REQUIRE(site->replica.pull_cursor() == cursor);
        site->take(sent[0]);  // removed in a place that may have arrived: judged by the sender's clock there
        if (i > 0) REQUIRE(site->get(keys[0]) == "");
      }
      const Replica::Chunk chunk = a.replica.scan(scan.number, cursor, 1);
      site->replica.receive(cursor, chunk).value();
      cursor = chunk.next;
    }
    a.replica.end_scan(scan.number);
    REQUIRE(site == &restored);
    REQUIRE(restored.replica.clock() == a.replica.clock());
    REQUIRE(restored.replica.digest() == a.replica.digest());
  }
}

TEST_CASE(
    "exchange: writes and removes at every place of the cursor, nothing lost and nothing returns (hazard 48)",
    "[crdt]") {
  const std::vector<Bytes> keys = keys_in_order(6);
  for (const Bytes& touched : keys)
    for (size_t when = 0; when < 6; ++when)
      for (const bool remove : {false, true}) {
        Site a(1), b(2);
        std::vector<Mutation> sent;
        for (const Bytes& key : keys) sent.push_back(a.set(key, "v"));
        const Replica::Scan scan = a.replica.begin_scan();
        b.replica.begin_pull(scan.clock);
        Bytes cursor;
        for (size_t i = 0; b.replica.pulling(); ++i) {
          if (i == when) sent.push_back(remove ? a.del(touched) : a.set(touched, "new"));
          const Replica::Chunk chunk = a.replica.scan(scan.number, cursor, 1);
          b.replica.receive(cursor, chunk).value();
          cursor = chunk.next;
        }
        a.replica.end_scan(scan.number);
        for (const Mutation& m : sent) b.take(m);
        REQUIRE(b.replica.clock() == a.replica.clock());
        REQUIRE(b.replica.digest() == a.replica.digest());
        REQUIRE(b.get(touched) == (remove ? "" : "new"));
      }
}

TEST_CASE("exchange: rows that only the receiver holds, removed where the sender has seen them", "[crdt]") {
  Site a(1), b(2), c(3);
  const Mutation one = c.set("removed", "v"), two = c.sadd("set", {"p", "q"});
  a.take(one), b.take(one), a.take(two), b.take(two);
  a.del("removed");
  a.srem("set", {"p"});
  b.set("own", "v");
  b.sadd("set", {"mine"});
  exchange(a, b, 1);
  REQUIRE(b.replica.read("removed")->type == Type::none);
  REQUIRE_FALSE(*b.replica.contains("set", "p"));
  REQUIRE(*b.replica.contains("set", "q"));
  REQUIRE(*b.replica.contains("set", "mine"));
  REQUIRE(b.get("own") == "v");
}

TEST_CASE("exchange: two scans overlap, rows keep what the earlier one does not cover", "[crdt]") {
  Site a(1), b(2), c(3), d(4);
  const Mutation set = d.set("k", "old"), del = d.del("k");
  a.take(del);
  const Replica::Scan early = a.replica.begin_scan();
  a.take(set);
  const Replica::Scan late = a.replica.begin_scan();
  c.replica.begin_pull(late.clock);
  REQUIRE(*c.replica.receive({}, a.replica.scan(late.number, {}, 1000)));
  a.replica.end_scan(late.number);
  REQUIRE_FALSE(a.rows.rows.empty());
  b.replica.begin_pull(early.clock);
  REQUIRE(*b.replica.receive({}, a.replica.scan(early.number, {}, 1000)));
  a.replica.end_scan(early.number);
  REQUIRE(a.rows.rows.empty());
  for (Site* site : {&b, &c}) {
    site->take(set);
    REQUIRE(site->replica.read("k")->type == Type::none);
  }
}

TEST_CASE("exchange: a large set, in chunks near their size with its key's unit in each", "[crdt]") {
  Site a(1), b(2), c(3);
  const Mutation first = c.set("s", "text");
  for (int i = 0; i < 2000; ++i) {
    const Bytes element = "element " + std::to_string(i);
    a.sadd("s", {element});
  }
  a.take(first);  // a string over it, at the same time: both are kept
  const Replica::Scan scan = a.replica.begin_scan();
  b.replica.begin_pull(scan.clock);
  Bytes cursor;
  size_t chunks = 0;
  do {
    const Replica::Chunk chunk = a.replica.scan(scan.number, cursor, 4000);
    REQUIRE(chunk.units.size() < 4500);
    b.replica.receive(cursor, chunk).value();
    REQUIRE(b.get("s") == "text");
    cursor = chunk.next;
    ++chunks;
  } while (!cursor.empty());
  a.replica.end_scan(scan.number);
  REQUIRE(chunks > 20);
  REQUIRE(b.replica.digest() == a.replica.digest());
  REQUIRE(b.replica.inspect("s", 0).element_count == 2000);
}

TEST_CASE("exchange: chunks out of order, again, or without an exchange, refused and nothing changed",
          "[crdt]") {
  const std::vector<Bytes> keys = keys_in_order(3);
  Site a(1), b(2);
  for (const Bytes& key : keys) a.set(key, "v");
  const Replica::Scan scan = a.replica.begin_scan();
  const Replica::Chunk first = a.replica.scan(scan.number, {}, 1);
  const Replica::Chunk second = a.replica.scan(scan.number, first.next, 1);
  REQUIRE(b.replica.receive({}, first).error().code == Errc::invalid);
  b.replica.begin_pull(scan.clock);
  REQUIRE(b.replica.receive(first.next, second).error().code == Errc::invalid);
  REQUIRE(b.rows.rows.empty());
  REQUIRE_FALSE(*b.replica.receive({}, first));
  const Bytes before = b.everything();
  REQUIRE(b.replica.receive({}, first).error().code == Errc::invalid);
  REQUIRE(b.replica.receive(first.next, {second.units, first.next}).error().code == Errc::corrupt);
  REQUIRE(b.replica.receive(first.next, {first.units, second.next}).error().code == Errc::corrupt);
  REQUIRE(b.everything() == before);
  REQUIRE(b.replica.pull_cursor() == first.next);
}

TEST_CASE("repair: units of a chunk, merged without their sender's clock", "[crdt]") {
  Site a(1), b(2);
  const Mutation set = a.set("k", "v"), add = a.add("n", 5);
  const Replica::Scan scan = a.replica.begin_scan();
  const Replica::Chunk chunk = a.replica.scan(scan.number, {}, 1000);
  a.replica.end_scan(scan.number);
  REQUIRE(b.replica.repair(chunk.units));
  REQUIRE(b.get("k") == "v");
  REQUIRE(b.get("n") == "5");
  REQUIRE(b.replica.clock().empty());
  REQUIRE(b.take(set));
  REQUIRE(b.take(add));
  REQUIRE(b.get("n") == "5");
  REQUIRE(b.replica.digest() == a.replica.digest());
  REQUIRE(context_rows(b) == 0);
  REQUIRE(b.replica.repair("junk").error().code == Errc::corrupt);
}

TEST_CASE("strip: a context waits in its row, and goes as soon as the clock has caught up", "[crdt]") {
  Site a(1), b(2);
  std::vector<Mutation> sent;
  for (int i = 0; i < 10; ++i) sent.push_back(a.set("k", std::to_string(i)));
  b.take(sent.back());
  REQUIRE(b.get("k") == "9");
  REQUIRE(context_rows(b) == 2);  // the string and the header
  for (const int late : {4, 8, 0, 2, 6, 1, 7, 3}) {
    b.take(sent[static_cast<size_t>(late)]);
    REQUIRE(b.get("k") == "9");
    REQUIRE(context_rows(b) == 2);  // the string and the header
  }
  b.take(sent[5]);
  REQUIRE(context_rows(b) == 0);
  REQUIRE(b.everything() == a.everything());
}
