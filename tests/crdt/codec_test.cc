// Deltas, rows, units and states as bytes: canonical, versioned, and closed to whatever else may come.
#include <rapidcheck.h>

#include <catch2/catch.hpp>
#include <functional>

#include "crdt/context_codec.h"
#include "crdt/units_codec.h"
#include "crdt/wire.h"
#include "tests/crdt/hex.h"
#include "tests/crdt/site.h"

using namespace atolldb;
using namespace atolldb::crdt;

namespace {

// Deltas of every kind, with kept contexts, standing siblings, baselines and journal records among them.
std::vector<Delta> samples() {
  std::vector<Delta> out;
  Site a(1), b(2), c(3);
  const auto keep = [&](const Mutation& m) {
    out.push_back(*m.delta);
    return m;
  };
  const Mutation one = keep(a.set("k", "1"));
  keep(b.set("k", "x"));
  const Mutation add = keep(a.add("k", -7));
  keep(a.add("k", 9));
  b.take(add);
  b.take(one);
  const Mutation resolve = keep(b.set_with_context("k", "y", a.named("k")));
  c.take(resolve);
  keep(c.set("k", "z"));
  keep(b.set("k", "w"));
  keep(b.del("k"));
  keep(a.sadd("s", {"p", "q", "r"}));
  keep(a.srem("s", {"p", "r"}));
  keep(a.set("s", ""));
  const Mutation fields = keep(a.hset("m", {{"f", "1"}, {"g", ""}}));
  keep(a.hadd("m", "f", -7));
  const Mutation again = keep(a.hadd("m", "f", 9));
  keep(b.hset("m", {{"f", "x"}}));
  b.take(fields);
  b.take(again);
  keep(b.hset("m", {{"f", "2"}}));
  keep(b.hdel("m", {"f"}));
  keep(b.clear("m"));
  out.push_back(coalesce(*again.delta, out.back()));
  out.push_back(coalesce(out[0], out[1]));
  out.push_back(coalesce(out[2], out[3]));
  out.push_back(coalesce(out[9], out[10]));
  return out;
}

Bytes flipped(Bytes bytes) {
  for (int n = *rc::gen::inRange(1, 4); n > 0; --n)
    bytes[*rc::gen::inRange<size_t>(0, bytes.size())] = static_cast<char>(*rc::gen::inRange(0, 256));
  return bytes;
}

}  // namespace

TEST_CASE("delta: encoded and decoded, the same delta and the same bytes", "[crdt]") {
  for (const Delta& delta : samples()) {
    const Bytes bytes = encode(delta);
    const Result<Delta> back = decode_delta(bytes);
    REQUIRE(back);
    REQUIRE(back->key == delta.key);
    REQUIRE(back->dots == delta.dots);
    REQUIRE(back->after_add == delta.after_add);
    REQUIRE(back->contexts == delta.contexts);
    REQUIRE(back->parts == delta.parts);
    REQUIRE(encode(*back) == bytes);
  }
}

TEST_CASE("delta: cut anywhere or followed by more, refused", "[crdt]") {
  for (const Delta& delta : samples()) {
    const Bytes bytes = encode(delta);
    for (size_t size = 0; size < bytes.size(); ++size)
      REQUIRE_FALSE(decode_delta(BytesView(bytes).substr(0, size)));
    REQUIRE_FALSE(decode_delta(bytes + '\0'));
  }
}

TEST_CASE("delta: flipped bytes, refused or another canonical delta that any replica survives", "[crdt]") {
  const std::vector<Delta> all = samples();
  std::vector<Bytes> encoded;
  for (const Delta& delta : all) encoded.push_back(encode(delta));
  REQUIRE(rc::check([&] {
    const Bytes bytes = flipped(encoded[*rc::gen::inRange<size_t>(0, encoded.size())]);
    const Result<Delta> delta = decode_delta(bytes);
    if (!delta) return;
    RC_ASSERT(encode(*delta) == bytes);
    Site site(9);
    for (const Delta& d : all) site.replica.apply(d);
    site.replica.apply(*delta);
    for (const auto& [key, row] : site.rows.rows) {
      const RowName name = parse_row_key(key)->name;
      RC_ASSERT(encode(*decode_row(name, row), name) == row);
    }
  }));
}

TEST_CASE("delta: another version, an oversized key, a foreign dot, refused with the reason", "[crdt]") {
  const Bytes bytes = encode(samples().front());
  Bytes newer = bytes;
  newer[1] = 2;
  REQUIRE(decode_delta(newer).error().code == Errc::version);
  Delta delta = samples().front();
  delta.key = Bytes(kKeyBytesMax + 1, 'k');
  REQUIRE(decode_delta(encode(delta)).error().code == Errc::too_large);
  delta = samples().front();
  delta.dots.clear();
  delta.dots.insert({{NodeNumber{77}, 1, 1}, 5});
  REQUIRE(decode_delta(encode(delta)).error().code == Errc::corrupt);
  delta = samples().front();
  std::swap(delta.parts.front(), delta.parts.back());
  REQUIRE(decode_delta(encode(delta)).error().code == Errc::corrupt);
}

TEST_CASE("delta: version 1, golden bytes", "[crdt]") {
  Site a(1);
  const Mutation set = a.set("k", "v");
  REQUIRE(hex(encode(*set.delta)) ==
          "9501c4016b"                                  // version, key
          "93c40a0001000000010000000701"                // dots
          "90"                                          //
          "9190"                                        // one context, empty
          "92"                                          // parts
          "93010190"                                    // header: context 0, nothing extra
          "9402019093c4100001000000010000000700000000"  // string: context 0, nothing extra, one sibling
          "0001cd03e9c40176");
  const Mutation add = a.add("n", -5);
  REQUIRE(hex(encode(*add.delta)) ==
          "9501c4016e"
          "93c40a0001000000010000000700920202"
          "90"
          "91"
          "9703c40a00010000000100000007"  // total
          "0090"                          // no context
          "00"                            // no add before it
          "930202fb"                      // counter, started, sum
          "c0");                          // no baseline
}

TEST_CASE("row: version 1, golden bytes", "[crdt]") {
  Row row;
  row.live.push_back({.dot = {{NodeNumber{1}, 1, 7}, 1}, .hlc = {1001}, .value = "v"});
  REQUIRE(hex(encode(row, string_row())) == "95010093c41000010000000100000007000000000001cd03e9c40176c090");
  REQUIRE(hex(row_key(key_prefix({PartitionId{3}, 0x0102030405060708}, "key"), string_row())) ==
          "00030102030405060708"
          "0003"
          "6b6579"
          "02"
          "00000000000000000000000000000000");
}

TEST_CASE("row: flipped bytes, refused or canonical all the same", "[crdt]") {
  Site site(9);
  for (const Delta& delta : samples()) site.replica.apply(delta);
  site.rows.rows.erase(site.rows.rows.begin());
  std::vector<std::pair<RowName, Bytes>> rows;
  for (const auto& [key, row] : site.rows.rows) rows.emplace_back(parse_row_key(key)->name, row);
  REQUIRE_FALSE(rows.empty());
  REQUIRE(rc::check([&] {
    const auto& [name, row] = rows[*rc::gen::inRange<size_t>(0, rows.size())];
    const Bytes bytes = flipped(row);
    const Result<Row> back = decode_row(name, bytes);
    if (back) RC_ASSERT(encode(*back, name) == bytes);
  }));
}

TEST_CASE("units: flipped or cut, refused and nothing changed, or merged whole", "[crdt]") {
  Site from(8);
  for (const Delta& delta : samples()) from.replica.apply(delta);
  const Replica::Scan scan = from.replica.begin_scan();
  const Replica::Chunk chunk = from.replica.scan(scan.number, {}, 1 << 20);
  REQUIRE(chunk.next.empty());
  for (size_t size = 0; size < chunk.units.size(); ++size)
    REQUIRE_FALSE(decode_units(BytesView(chunk.units).substr(0, size)));
  REQUIRE(rc::check([&] {
    Site to(9);
    to.set("k", "mine");
    to.replica.begin_pull(scan.clock);
    const Bytes before = to.everything();
    const Result<bool> received = to.replica.receive({}, {flipped(chunk.units), {}});
    if (!received) RC_ASSERT(to.everything() == before);
  }));
}

TEST_CASE("replica state: flipped or cut, refused and nothing changed", "[crdt]") {
  Site site(9);
  for (const Delta& delta : samples()) site.replica.apply(delta);
  const Bytes state = site.replica.encode_state();
  for (size_t size = 0; size < state.size(); ++size)
    REQUIRE_FALSE(site.replica.restore(BytesView(state).substr(0, size)));
  REQUIRE(site.replica.encode_state() == state);
  Bytes newer = state;
  newer[1] = 4;
  REQUIRE(site.replica.restore(newer).error().code == Errc::version);
  REQUIRE(rc::check([&] {
    Site other(9);
    const Bytes bytes = flipped(state);
    if (other.replica.restore(bytes)) RC_ASSERT(other.replica.encode_state() == bytes);
  }));
}

TEST_CASE("context: flipped, cut, of another key or version, refused or another context of the same form",
          "[crdt]") {
  Site a(1), b(2);
  const Mutation other = b.set("k", "1");
  a.add("k", -5);
  a.take(other);
  const auto siblings = a.replica.siblings("k");
  REQUIRE(siblings);
  REQUIRE(siblings->values == std::vector<Bytes>{"1"});
  REQUIRE(siblings->added == Bytes("-5"));
  const Bytes bytes = encode_context(siblings->context, "k");
  REQUIRE(decode_context(bytes, "l").error().code == Errc::invalid);
  for (size_t size = 0; size < bytes.size(); ++size)
    REQUIRE_FALSE(decode_context(BytesView(bytes).substr(0, size), "k"));
  Bytes newer = bytes;
  newer[1] = 2;
  REQUIRE(decode_context(newer, "k").error().code == Errc::version);
  REQUIRE(decode_context(Bytes(kContextBytesMax + 1, '\0'), "k").error().code == Errc::too_large);
  REQUIRE(rc::check([&] {
    const Bytes broken = flipped(bytes);
    const auto context = decode_context(broken, "k");
    if (context) RC_ASSERT(encode_context(*context, "k") == broken);
  }));
}

TEST_CASE("row key: parsed as it was made, and nothing else parses", "[crdt]") {
  REQUIRE(rc::check([](uint16_t partition, uint64_t hash, const std::string& text) {
    const Bytes key = text.substr(0, kKeyBytesMax);
    const Bytes prefix = key_prefix({PartitionId{partition}, hash}, key);
    const RowName name = element_row(text);
    const Bytes whole = row_key(prefix, name);
    const auto parts = parse_row_key(whole);
    RC_ASSERT(parts.has_value());
    RC_ASSERT(parts->key == key);
    RC_ASSERT(parts->prefix == prefix);
    RC_ASSERT(parts->name == name);
    RC_ASSERT(raw(parts->place.partition) == partition);
    RC_ASSERT(parts->place.hash == hash);
    RC_ASSERT(prefix < whole);
    RC_ASSERT(whole < key_end(prefix));
    const bool in_partition =
        partition_begin(PartitionId{partition}) <= whole && whole < partition_end(PartitionId{partition});
    RC_ASSERT(in_partition);
    RC_ASSERT_FALSE(parse_row_key(whole + "x").has_value());
    RC_ASSERT_FALSE(parse_row_key(BytesView(whole).substr(1)).has_value());
  }));
}
