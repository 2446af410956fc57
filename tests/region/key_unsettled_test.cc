// What of a key has entered and is not settled, against a plain set of numbers.

#include <catch2/catch.hpp>
#include <set>

#include "crdt/base/prng.h"
#include "region/core/partition.h"

using namespace atolldb;
using KeyUnsettled = region::Partition::KeyUnsettled;

TEST_CASE("unsettled of a key: numbers come and go in any order, the same as a plain set", "[region]") {
  Prng prng(1);
  for (int round = 0; round < 200; ++round) {
    KeyUnsettled unsettled("key");
    std::set<uint64_t> expected;
    uint64_t last = 0;
    const uint64_t adds = 1 + prng.below(4);  // of five steps
    for (int step = 0; step < 200; ++step) {
      if (prng.below(5) < adds) {
        unsettled.add(last += 1 + prng.below(3));
        expected.insert(last);
      } else if (!expected.empty()) {
        const auto gone = std::next(expected.begin(), static_cast<int64_t>(prng.below(expected.size())));
        unsettled.erase(*gone);
        expected.erase(gone);
      }
      unsettled.erase(last + 1);  // not in
      REQUIRE(unsettled.empty() == expected.empty());
      REQUIRE(unsettled.size() == expected.size());
      if (!expected.empty()) REQUIRE(unsettled.first() == *expected.begin());
    }
  }
}
