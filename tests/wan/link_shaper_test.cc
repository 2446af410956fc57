// The shaper alone, under a clock of the test's own.

#include "wan/io/link_shaper.h"

#include <catch2/catch.hpp>

#include "wan/io/log_limit.h"

namespace atolldb::wan {
namespace {

constexpr NodeNumber kPeer{7};

Instant at(int64_t milliseconds) { return Instant{} + Duration::millis(milliseconds); }

TEST_CASE("link shaper: no delay and no cap, does not shape", "[wan]") {
  CHECK_FALSE(LinkShaper({}).shapes());
  CHECK(LinkShaper({.delay = Duration::millis(1)}).shapes());
  CHECK(LinkShaper({.bytes_per_second_max = 1}).shapes());
}

TEST_CASE("link shaper: delay, each frame comes out that much later, in order", "[wan]") {
  LinkShaper shaper({.delay = Duration::millis(40)});
  CHECK(shaper.next_due() == Instant::never());
  REQUIRE(shaper.push(at(0), kPeer, "first"));
  REQUIRE(shaper.push(at(10), NodeNumber{8}, "second"));
  CHECK(shaper.next_due() == at(40));
  CHECK_FALSE(shaper.pop(at(39)).has_value());
  const auto first = shaper.pop(at(45));
  REQUIRE(first.has_value());
  CHECK(first->frame == "first");
  CHECK(first->to == kPeer);
  CHECK_FALSE(shaper.pop(at(45)).has_value());
  CHECK(shaper.next_due() == at(50));
  CHECK(shaper.pop(at(50))->to == NodeNumber{8});
}

TEST_CASE("link shaper: cap, bytes leave at that rate and the line is free after a pause", "[wan]") {
  LinkShaper shaper({.delay = Duration::millis(5), .bytes_per_second_max = 1000});
  REQUIRE(shaper.push(at(0), kPeer, Bytes(100, 'x')));  // 100 ms on the line
  REQUIRE(shaper.push(at(0), kPeer, Bytes(50, 'x')));   // 50 ms more
  CHECK(shaper.next_due() == at(105));
  REQUIRE(shaper.pop(at(105)).has_value());
  CHECK(shaper.next_due() == at(155));
  REQUIRE(shaper.pop(at(155)).has_value());
  REQUIRE(shaper.push(at(1000), kPeer, Bytes(10, 'x')));
  CHECK(shaper.next_due() == at(1015));
}

TEST_CASE("link shaper: full, the frame is refused and room comes back", "[wan]") {
  LinkShaper shaper({.delay = Duration::millis(1), .bytes_max = 100});
  REQUIRE(shaper.push(at(0), kPeer, Bytes(60, 'x')));
  CHECK_FALSE(shaper.push(at(0), kPeer, Bytes(41, 'x')));
  CHECK(shaper.bytes() == 60);
  REQUIRE(shaper.push(at(0), kPeer, Bytes(40, 'x')));
  REQUIRE(shaper.pop(at(1)).has_value());
  CHECK(shaper.bytes() == 40);
  CHECK(shaper.clear() == 1);
  CHECK(shaper.bytes() == 0);
  CHECK(shaper.push(at(1), kPeer, Bytes(100, 'x')));
}

TEST_CASE("log limit: a burst, one line a period and the rest counted", "[wan]") {
  LogLimit limit(Duration::seconds(1));
  CHECK(limit.allow(at(0)) == uint64_t{0});
  for (int i = 1; i <= 5; ++i) CHECK_FALSE(limit.allow(at(i)).has_value());
  CHECK(limit.allow(at(1000)) == uint64_t{5});
  CHECK(limit.allow(at(2000)) == uint64_t{0});
}

}  // namespace
}  // namespace atolldb::wan
