#include "crdt/hlc.h"

#include <catch2/catch.hpp>

#include "crdt/digest.h"

using namespace atolldb;
using namespace atolldb::crdt;

TEST_CASE("HybridClock: issue, always above what was issued or observed", "[crdt]") {
  HybridClock clock;
  Hlc last = clock.issue(1000);
  REQUIRE(last.wall_ms() == 1000);
  for (const uint64_t wall : {1000, 1000, 999, 0, 1001, 5}) {
    const Hlc next = clock.issue(wall);
    REQUIRE(next > last);
    last = next;
  }
  clock.observe(Hlc::from_wall(2000), 1500);
  REQUIRE(clock.issue(1500) > Hlc::from_wall(2000));
}

TEST_CASE("HybridClock: a stamp of the far future, not adopted (hazard 11)", "[crdt]") {
  HybridClock clock;
  clock.issue(1000);
  clock.observe(Hlc::from_wall(1000 + HybridClock::kDriftMaxMs + 1), 1000);
  REQUIRE(clock.issue(1000).wall_ms() == 1000);
  clock.observe(Hlc::from_wall(1000 + HybridClock::kDriftMaxMs), 1000);
  REQUIRE(clock.issue(1000).wall_ms() == 1000 + HybridClock::kDriftMaxMs);
}

TEST_CASE("HybridClock: restore, never falls back", "[crdt]") {
  HybridClock clock;
  clock.restore(Hlc::from_wall(5000));
  REQUIRE(clock.issue(1) > Hlc::from_wall(5000));
  const Hlc highest = clock.highest();
  clock.restore(Hlc{1});
  REQUIRE(clock.highest() == highest);
}

TEST_CASE("Digest: sums, order does not matter and a row can be taken out", "[crdt]") {
  const Digest a = hash_of("key a", "row a"), b = hash_of("key b", "row b");
  Digest left, right;
  left += a, left += b;
  right += b, right += a;
  REQUIRE(left == right);
  left -= a;
  REQUIRE(left == b);
  left -= b;
  REQUIRE(left == Digest{});
  REQUIRE_FALSE(hash_of("key a", "row b") == a);
  REQUIRE_FALSE(hash_of("key b", "row a") == a);
}

TEST_CASE("Digest: carries and borrows, across the halves", "[crdt]") {
  Digest sum{0, UINT64_MAX};
  sum += Digest{0, 1};
  REQUIRE(sum == Digest{1, 0});
  sum -= Digest{0, 1};
  REQUIRE(sum == Digest{0, UINT64_MAX});
  REQUIRE(to_hex(Digest{1, 0xab}) == "000000000000000100000000000000ab");
}
