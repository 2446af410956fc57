// DotSet against what it stands for: a set of dots.
#include "crdt/dot_set.h"

#include <rapidcheck.h>

#include <catch2/catch.hpp>
#include <set>

#include "crdt/codec.h"

using namespace atolldb;
using namespace atolldb::crdt;

namespace {

using Naive = std::set<Dot>;

Dot small_dot() {
  const auto node = *rc::gen::inRange<uint16_t>(1, 4);
  return {{NodeNumber{node}, 1, 1}, *rc::gen::inRange<uint64_t>(1, 13)};
}

// A set that was built in some order, and the naive one beside it.
std::pair<DotSet, Naive> random_sets() {
  DotSet set;
  Naive naive;
  for (int n = *rc::gen::inRange(0, 30); n > 0; --n) {
    const Dot dot = small_dot();
    if (*rc::gen::inRange(0, 4) == 0) {
      set.erase(dot);
      naive.erase(dot);
    } else {
      const uint64_t last = std::min<uint64_t>(dot.counter + *rc::gen::inRange<uint64_t>(0, 3), 14);
      set.insert(dot.actor, dot.counter, last);
      for (uint64_t c = dot.counter; c <= last; ++c) naive.insert({dot.actor, c});
    }
  }
  return {set, naive};
}

Naive dots_of(const DotSet& set) {
  Naive out;
  set.each([&](const Dot& dot) { return out.insert(dot).second; });
  return out;
}

void check_invariants(const DotSet& set) {
  const Actor* previous = nullptr;
  for (const DotSet::Entry& entry : set.entries()) {
    const bool in_order = previous == nullptr || *previous < entry.actor;
    RC_ASSERT(in_order);
    const bool empty = entry.base == 0 && entry.above.empty();
    RC_ASSERT_FALSE(empty);
    uint64_t last = entry.base;
    for (const DotSet::Interval& i : entry.above) {
      RC_ASSERT(i.first > last + 1);
      RC_ASSERT(i.first <= i.last);
      last = i.last;
    }
    previous = &entry.actor;
  }
}

void check_same(const DotSet& set, const Naive& naive) {
  check_invariants(set);
  RC_ASSERT(dots_of(set) == naive);
  RC_ASSERT(set.size() == naive.size());
  RC_ASSERT(set.empty() == naive.empty());
}

}  // namespace

TEST_CASE("DotSet: random inserts and erases, the same dots as a plain set", "[crdt]") {
  REQUIRE(rc::check([] {
    const auto [set, naive] = random_sets();
    check_same(set, naive);
    const Dot dot = small_dot();
    RC_ASSERT(set.contains(dot) == naive.contains(dot));
    uint64_t last = 0;
    for (const Dot& d : naive)
      if (d.actor == dot.actor) last = d.counter;
    RC_ASSERT(set.last_of(dot.actor) == last);
  }));
}

TEST_CASE("DotSet: join, subtract, intersect and covers, as on plain sets", "[crdt]") {
  REQUIRE(rc::check([] {
    const auto [a, x] = random_sets();
    const auto [b, y] = random_sets();
    Naive both, one, left;
    std::set_union(x.begin(), x.end(), y.begin(), y.end(), std::inserter(both, both.end()));
    std::set_intersection(x.begin(), x.end(), y.begin(), y.end(), std::inserter(one, one.end()));
    std::set_difference(x.begin(), x.end(), y.begin(), y.end(), std::inserter(left, left.end()));
    check_same(join(a, b), both);
    check_same(minus(a, b), left);
    DotSet common = a;
    common.intersect(b);
    check_same(common, one);
    RC_ASSERT(a.covers(b) == (one == y));
    RC_ASSERT(a.intersects(b) == !one.empty());
  }));
}

TEST_CASE("DotSet: join, commutative, associative and idempotent", "[crdt]") {
  REQUIRE(rc::check([] {
    const DotSet a = random_sets().first, b = random_sets().first, c = random_sets().first;
    RC_ASSERT(join(a, b) == join(b, a));
    RC_ASSERT(join(join(a, b), c) == join(a, join(b, c)));
    RC_ASSERT(join(a, a) == a);
    RC_ASSERT(join(a, b).covers(a));
  }));
}

TEST_CASE("DotSet: equal sets have equal bytes, and they come back", "[crdt]") {
  REQUIRE(rc::check([] {
    const auto [set, naive] = random_sets();
    DotSet again;
    for (auto it = naive.rbegin(); it != naive.rend(); ++it) again.insert(*it);
    Bytes bytes, more;
    encode(set, bytes);
    encode(again, more);
    RC_ASSERT(bytes == more);
    bytes += "rest";
    BytesView view = bytes;
    const Result<DotSet> back = decode_dot_set(view);
    RC_ASSERT(back.has_value());
    RC_ASSERT(*back == set);
    RC_ASSERT(view == "rest");
  }));
}

TEST_CASE("DotSet: flipped bytes, refused or canonical all the same", "[crdt]") {
  REQUIRE(rc::check([] {
    Bytes bytes;
    encode(random_sets().first, bytes);
    for (int n = *rc::gen::inRange(1, 4); n > 0; --n)
      bytes[*rc::gen::inRange<size_t>(0, bytes.size())] = static_cast<char>(*rc::gen::inRange(0, 256));
    BytesView view = bytes;
    const Result<DotSet> back = decode_dot_set(view);
    if (!back) return;
    check_invariants(*back);
    Bytes again;
    encode(*back, again);
    RC_ASSERT(again == bytes.substr(0, bytes.size() - view.size()));
  }));
}

TEST_CASE("DotSet: version 1, golden bytes", "[crdt]") {
  DotSet set;
  set.insert({NodeNumber{1}, 2, 3}, 1, 300);
  set.insert({NodeNumber{1}, 2, 3}, 302, 302);
  set.insert({NodeNumber{2}, 1, 0xffffffff}, 7, 9);
  Bytes bytes;
  encode(set, bytes);
  const Bytes expected(
      "\x96\xc4\x0a\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\xcd\x01\x2c\x92\xcd\x01\x2e\xcd\x01\x2e"
      "\xc4\x0a\x00\x02\x00\x00\x00\x01\xff\xff\xff\xff\x00\x92\x07\x09",
      39);
  REQUIRE(bytes == expected);
}

TEST_CASE("DotSet: what is not canonical, refused", "[crdt]") {
  const auto refused = [](Bytes bytes) {
    BytesView view = bytes;
    return !decode_dot_set(view).has_value();
  };
  const Bytes one("\xc4\x0a\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03", 12);
  REQUIRE_FALSE(refused("\x93" + one + "\x05\x90"));
  REQUIRE(refused("\x93" + one + Bytes("\x00\x90", 2)));                     // an actor without dots
  REQUIRE(refused("\x96" + one + "\x05\x90" + one + "\x06\x90"));            // twice the same actor
  REQUIRE(refused("\x93" + one + "\x05\x92\x06\x07"));                       // adjacent to the base
  REQUIRE(refused("\x93" + one + "\x05\x94\x09\x0b\x08\x08"));               // intervals out of order
  REQUIRE(refused("\x93" + one + "\x05\x92\x09\x08"));                       // backwards
  REQUIRE(refused("\x93" + one + Bytes("\xcf\0\x01\0\0\0\0\0\0\x90", 10)));  // over kDotCounterMax
  REQUIRE(refused("\x92" + one + "\x05"));                                   // half an entry
}

TEST_CASE("Dot: packed order, the order of dots", "[crdt]") {
  REQUIRE(rc::check([](uint16_t n1, uint16_t n2, uint32_t s1, uint32_t s2, uint32_t r1, uint32_t r2) {
    const Dot a{{NodeNumber{n1}, s1, r1}, *rc::gen::inRange<uint64_t>(1, kDotCounterMax)};
    const Dot b{{NodeNumber{n2}, s2, r2}, *rc::gen::inRange<uint64_t>(1, kDotCounterMax)};
    const auto pa = pack(a), pb = pack(b);
    RC_ASSERT((a <=> b) == (BytesView(pa.data(), 16) <=> BytesView(pb.data(), 16)));
    RC_ASSERT(unpack_dot({pa.data(), 16}) == a);
  }));
}
