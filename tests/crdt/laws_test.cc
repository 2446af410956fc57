// The laws of a delta CRDT (Almeida, Shoker and Baquero, 2018), for each type and for all of them under one
// key: merging is commutative, associative and idempotent and only ever adds knowledge; a delta does what the
// mutation did; deltas may leave in groups; what was encoded comes back.
#include <catch2/catch.hpp>

#include "tests/crdt/history.h"

using namespace atolldb;
using namespace atolldb::crdt;

namespace {

// What replicas that know the same must have in common: live rows, clock, and nothing that waits.
bool equal_live(const Site& a, const Site& b) {
  return a.replica.clock() == b.replica.clock() && a.replica.digest() == b.replica.digest();
}

// All that a replica knows. A row that waits is stripped when the dot comes that it waits under, so of what
// it keeps only the part counts that the clock does not cover.
Bytes knowledge(const Site& site) {
  Bytes out;
  encode(site.replica.clock(), out);
  for (const auto& [key, bytes] : site.rows.rows) {
    const RowName name = parse_row_key(key)->name;
    Row row = *decode_row(name, bytes);
    row.context.subtract(site.replica.clock());
    out += key + encode(row, name);
  }
  return out;
}

void copy(Site& from, Site& to) {
  to.rows.rows = from.rows.rows;
  RC_ASSERT(to.replica.restore(from.replica.encode_state()).has_value());
}

}  // namespace

TEST_CASE("merge: two deltas in either order on any state, the same knowledge", "[crdt]") {
  check_law([](Kind kind) {
    const History history = random_history(kind);
    if (history.sent.size() < 2) return;
    const std::vector<size_t> order = shuffled(history.sent.size());
    Site one(8), other(9);
    apply_some(history, one);
    copy(one, other);
    one.replica.apply(history.sent[order[0]]);
    one.replica.apply(history.sent[order[1]]);
    other.replica.apply(history.sent[order[1]]);
    other.replica.apply(history.sent[order[0]]);
    RC_ASSERT(knowledge(one) == knowledge(other));
  });
}

TEST_CASE("merge: all deltas in any order with duplicates, the same bytes", "[crdt]") {
  check_law([](Kind kind) {
    const History history = random_history(kind);
    Site in_order(8), in_disorder(9);
    for (const Delta& delta : history.sent) in_order.replica.apply(delta);
    for (const size_t i : shuffled(history.sent.size())) {
      in_disorder.replica.apply(history.sent[i]);
      in_disorder.replica.apply(history.sent[*rc::gen::inRange<size_t>(0, history.sent.size())]);
    }
    RC_ASSERT(in_order.everything() == in_disorder.everything());
  });
}

TEST_CASE("merge: a delta that was applied, changes nothing the second time", "[crdt]") {
  check_law([](Kind kind) {
    const History history = random_history(kind);
    Site site(9);
    for (const size_t i : shuffled(history.sent.size())) {
      RC_ASSERT(site.replica.apply(history.sent[i]));
      const Bytes before = site.everything();
      const uint64_t puts = site.rows.puts;
      RC_ASSERT_FALSE(site.replica.apply(history.sent[i]));
      RC_ASSERT(site.everything() == before);
      RC_ASSERT(site.rows.puts == puts);
    }
  });
}

TEST_CASE("merge: knowledge only grows, and what was merged stays merged", "[crdt]") {
  check_law([](Kind kind) {
    const History history = random_history(kind);
    Site site(9);
    std::vector<size_t> merged;
    for (const size_t i : shuffled(history.sent.size())) {
      const DotSet before = site.replica.clock();
      site.replica.apply(history.sent[i]);
      merged.push_back(i);
      RC_ASSERT(site.replica.clock() == join(before, history.sent[i].dots));
      const Bytes now = site.everything();
      for (const size_t earlier : merged) site.replica.apply(history.sent[earlier]);
      RC_ASSERT(site.everything() == now);
    }
  });
}

// Without contexts that wait: what two whole states have in common when they are joined in any grouping.
TEST_CASE("exchange: whole states joined in either order and grouping, the same live rows", "[crdt]") {
  check_law([](Kind kind) {
    History history = random_history(kind);
    const auto size = [] { return *rc::gen::inRange<size_t>(1, 400); };
    Site left(7), right(8), inner(9);
    exchange(*history.sites[0], left, size());  // (0 + 1) + 2
    exchange(*history.sites[1], left, size());
    exchange(*history.sites[2], left, size());
    exchange(*history.sites[2], inner, size());  // 0 + (2 + 1)
    exchange(*history.sites[1], inner, size());
    exchange(inner, right, size());
    exchange(*history.sites[0], right, size());
    RC_ASSERT(equal_live(left, right));
    const Bytes before = left.everything();
    exchange(right, left, size());
    RC_ASSERT(left.everything() == before);
  });
}

TEST_CASE("exchange: with deltas, the same live rows as deltas alone", "[crdt]") {
  check_law([](Kind kind) {
    History history = random_history(kind);
    Site by_delta(8), by_exchange(9);
    for (const size_t i : shuffled(history.sent.size())) by_delta.replica.apply(history.sent[i]);
    apply_some(history, by_exchange);
    for (const size_t i : {0, 1, 2, 0})
      exchange(*history.sites[i], by_exchange, *rc::gen::inRange<size_t>(1, 400));
    RC_ASSERT(equal_live(by_delta, by_exchange));
  });
}

// The delta of a mutation, applied to any state that knows what its coordinator knew, does what joining the
// coordinator's whole state does.
TEST_CASE("mutator: its delta does what the full mutation does", "[crdt]") {
  check_law([](Kind kind) {
    History history = random_history(kind);
    Site& coordinator = *history.sites[*rc::gen::inRange<size_t>(0, 3)];
    Site by_delta(8), by_state(9);
    apply_some(history, by_delta);
    exchange(coordinator, by_delta);
    copy(by_delta, by_state);
    const Bytes before = coordinator.everything();
    const std::optional<Delta> delta = history.write(kind, coordinator);
    RC_ASSERT(coordinator.everything() == before);  // a mutator changes nothing
    if (!delta) return;
    coordinator.replica.apply(*delta);
    by_delta.replica.apply(*delta);
    exchange(coordinator, by_state);
    RC_ASSERT(equal_live(by_delta, by_state));
  });
}

TEST_CASE("coalesce: any grouping of deltas, does what they do one by one", "[crdt]") {
  check_law([](Kind kind) {
    const History history = random_history(kind);
    if (history.sent.empty()) return;
    Site one_by_one(8), together(9);
    std::optional<Delta> waiting;
    for (const size_t i : shuffled(history.sent.size())) {
      one_by_one.replica.apply(history.sent[i]);
      waiting = waiting ? coalesce(*waiting, history.sent[i]) : history.sent[i];
      const Result<Delta> back = decode_delta(encode(*waiting));
      RC_ASSERT((back ? "" : back.error().message) == "");
      RC_ASSERT(encode(*back) == encode(*waiting));
      if (*rc::gen::inRange(0, 3) > 0) continue;
      together.replica.apply(*waiting);
      waiting.reset();
    }
    if (waiting) together.replica.apply(*waiting);
    RC_ASSERT(one_by_one.everything() == together.everything());
  });
}

// A group that is split into two, which overlap or not, and joined again is the group.
TEST_CASE("coalesce: a group split and joined again in any way, does what the group does", "[crdt]") {
  check_law([](Kind kind) {
    const History history = random_history(kind);
    if (history.sent.empty()) return;
    const auto group = [&](const std::vector<size_t>& members) {
      std::optional<Delta> out;
      for (const size_t i : members) out = out ? coalesce(*out, history.sent[i]) : history.sent[i];
      return out;
    };
    std::vector<size_t> first, second;
    const std::vector<size_t> order = shuffled(history.sent.size());
    for (const size_t i : order) {
      const int side = *rc::gen::inRange(0, 3);
      if (side != 1) first.push_back(i);
      if (side != 0) second.push_back(i);
    }
    Site whole(7), pieces(8), rejoined(9);
    apply_some(history, whole);
    copy(whole, pieces);
    copy(whole, rejoined);
    const std::optional<Delta> a = group(first), b = group(second);
    whole.replica.apply(*group(order));
    if (a) pieces.replica.apply(*a);
    if (b) pieces.replica.apply(*b);
    rejoined.replica.apply(a && b ? coalesce(*a, *b) : a ? *a : *b);
    RC_ASSERT(knowledge(whole) == knowledge(pieces));
    RC_ASSERT(knowledge(whole) == knowledge(rejoined));
  });
}

TEST_CASE("coalesce: associative", "[crdt]") {
  check_law([](Kind kind) {
    const History history = random_history(kind);
    if (history.sent.size() < 3) return;
    const std::vector<size_t> order = shuffled(history.sent.size());
    const Delta &a = history.sent[order[0]], &b = history.sent[order[1]], &c = history.sent[order[2]];
    Site left(8), right(9);
    left.replica.apply(coalesce(coalesce(a, b), c));
    right.replica.apply(coalesce(a, coalesce(b, c)));
    RC_ASSERT(knowledge(left) == knowledge(right));
  });
}

TEST_CASE("bytes: rows, deltas and states, come back as they were and have one spelling", "[crdt]") {
  check_law([](Kind kind) {
    const History history = random_history(kind);
    for (const Delta& delta : history.sent) {
      const Result<Delta> back = decode_delta(encode(delta));
      RC_ASSERT(back.has_value());
      RC_ASSERT(encode(*back) == encode(delta));
      RC_ASSERT(back->parts == delta.parts);
      RC_ASSERT(back->contexts == delta.contexts);
      RC_ASSERT(back->after_add == delta.after_add);
    }
    for (const auto& site : history.sites) {
      for (const auto& [key, bytes] : site->rows.rows) {
        const RowName name = parse_row_key(key)->name;
        const Result<Row> row = decode_row(name, bytes);
        RC_ASSERT(row.has_value());
        RC_ASSERT(encode(*row, name) == bytes);
      }
      Site again(9);
      RC_ASSERT(again.replica.restore(site->replica.encode_state()).has_value());
      RC_ASSERT(again.replica.encode_state() == site->replica.encode_state());
    }
  });
}

TEST_CASE("state: brought back after every step, goes on as if nothing had been", "[crdt]") {
  check_law([](Kind kind) {
    const History history = random_history(kind);
    Site straight(8), restarted(9);
    for (const size_t i : shuffled(history.sent.size())) {
      straight.replica.apply(history.sent[i]);
      restarted.replica.apply(history.sent[i]);
      const Bytes state = restarted.replica.encode_state();
      restarted.replica.reset();
      RC_ASSERT(restarted.replica.digest() == Digest{});
      RC_ASSERT(restarted.replica.restore(state).has_value());
    }
    RC_ASSERT(straight.everything() == restarted.everything());
  });
}
