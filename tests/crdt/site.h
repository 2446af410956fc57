#pragma once
// A replica whose one actor issues dots and stamps in order: for tests that are told as stories.

#include <catch2/catch.hpp>
#include <vector>

#include "crdt/replica.h"
#include "tests/crdt/map_rows.h"

namespace atolldb::crdt {

struct Site {
  explicit Site(uint16_t node, size_t cleared_at_once_max = kClearedAtOnceMax)
      : actor{NodeNumber{node}, 1, 7}, replica(PartitionId{0}, placement(), rows, cleared_at_once_max) {}
  static Placement placement() { return {{1, 2}, 1}; }
  Dot dot() { return {actor, ++counter}; }
  Hlc hlc() const { return {1000 + counter}; }

  // Applies what a mutator found and answers it.
  Mutation run(Result<Mutation> found) {
    REQUIRE(found);
    if (found->delta)
      REQUIRE(replica.apply(*found->delta));
    else
      --counter;
    return std::move(found).value();
  }
  Mutation set(BytesView k, BytesView v) {
    const Dot d = dot();
    return run(replica.set(k, v, d, hlc()));
  }
  Mutation del(BytesView k) {
    const Dot d = dot();
    return run(replica.del(k, d, hlc()));
  }
  Mutation add(BytesView k, int64_t n) {
    const Dot d = dot();
    return run(replica.add(k, n, d, hlc()));
  }
  Mutation sadd(BytesView k, const std::vector<BytesView>& elements) {
    const Dot d = dot();
    return run(replica.sadd(k, elements, d, hlc()));
  }
  Mutation srem(BytesView k, const std::vector<BytesView>& elements) {
    const Dot d = dot();
    return run(replica.srem(k, elements, d, hlc()));
  }
  Mutation clear(BytesView k) {
    const Dot d = dot();
    return run(replica.clear(k, d, hlc()));
  }
  Mutation hset(BytesView k, const std::vector<Replica::FieldValue>& fields) {
    const Dot d = dot();
    return run(replica.hset(k, fields, d, hlc()));
  }
  Mutation hdel(BytesView k, const std::vector<BytesView>& fields) {
    const Dot d = dot();
    return run(replica.hdel(k, fields, d, hlc()));
  }
  Mutation hadd(BytesView k, BytesView field, int64_t n) {
    const Dot d = dot();
    return run(replica.hadd(k, field, n, d, hlc()));
  }
  Mutation set_with_context(BytesView k, BytesView v, const NamedContext& named) {
    const Dot d = dot();
    return run(replica.set_with_context(k, v, named, d, hlc()));
  }
  bool take(const Mutation& from) { return replica.apply(*from.delta); }

  std::map<Bytes, Bytes> fields(BytesView k) {
    const Result<Replica::Fields> page = replica.fields(k, {}, 1000, 1 << 20);
    REQUIRE(page);
    return {page->fields.begin(), page->fields.end()};
  }
  Bytes get(BytesView k) { return replica.read(k)->value; }
  std::vector<Bytes> siblings(BytesView k) {
    std::vector<Bytes> out;
    for (const Sibling& s : replica.inspect(k, 0).siblings) out.push_back(s.value);
    return out;
  }
  std::vector<Bytes> journal(BytesView k) {
    std::vector<Bytes> out;
    for (const Sibling& s : replica.inspect(k, 0).journal) out.push_back(s.value);
    return out;
  }
  // What a client that reads siblings names.
  NamedContext named(BytesView k) {
    NamedContext out;
    const Inspection all = replica.inspect(k, 0);
    for (const Sibling& s : all.siblings) out.dots.push_back({s.dot, std::nullopt, 0});
    for (const RunningTotal& t : all.totals)
      if (!t.sum.empty()) out.dots.push_back({t.dot, t.started, std::stoll(t.sum)});
    return out;
  }
  // Everything that this replica holds, to compare byte for byte.
  Bytes everything() const {
    Bytes out = replica.encode_state();
    for (const auto& [key, row] : rows.rows) out += key + row;
    return out;
  }

  MapRows rows;
  Actor actor;
  uint64_t counter = 0;
  Replica replica;
};

// A complete exchange, in chunks of about that size. Answers how many.
inline size_t exchange(Site& from, Site& to, size_t bytes_max = 1 << 16) {
  const Replica::Scan scan = from.replica.begin_scan();
  to.replica.begin_pull(scan.clock);
  Bytes cursor;
  for (size_t chunks = 1;; ++chunks) {
    const Replica::Chunk chunk = from.replica.scan(scan.number, cursor, bytes_max);
    const Result<bool> last = to.replica.receive(cursor, chunk);
    REQUIRE(last);
    cursor = chunk.next;
    if (!*last) continue;
    from.replica.end_scan(scan.number);
    return chunks;
  }
}

}  // namespace atolldb::crdt
