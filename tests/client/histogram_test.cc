// Quantiles against the sorted values themselves: three digits must hold at every size.

#include "client/histogram.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "crdt/base/prng.h"

namespace atolldb::client {

TEST_CASE("histogram: values of every size, quantiles right to three digits", "[client]") {
  Prng dice(1);
  for (int round = 0; round < 20; ++round) {
    Histogram histogram;
    std::vector<int64_t> values;
    for (int i = 0; i < 5'000; ++i) {
      values.push_back(static_cast<int64_t>(dice.next() >> (24 + dice.below(40))));
      histogram.record(Duration::nanos(values.back()));
    }
    std::sort(values.begin(), values.end());
    for (const double q : {0.0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const size_t rank = static_cast<size_t>(std::max(1.0, std::ceil(q * 5'000)));
      const auto exact = static_cast<double>(values[rank - 1]);
      const auto found = static_cast<double>(histogram.quantile(q).ns);
      INFO("q " << q << " exact " << exact << " found " << found);
      REQUIRE(found >= exact);
      REQUIRE(found <= exact * 1.001 + 0.5);
    }
    REQUIRE(histogram.max().ns == values.back());
    REQUIRE(histogram.min().ns == values.front());
  }
}

TEST_CASE("histogram: joined, as if recorded in one", "[client]") {
  Prng dice(2);
  Histogram all, a, b;
  for (int i = 0; i < 10'000; ++i) {
    const Duration value = Duration::nanos(static_cast<int64_t>(dice.below(1'000'000'000)));
    all.record(value);
    (dice.chance(1, 2) ? a : b).record(value);
  }
  a.join(b);
  CHECK(a.count() == all.count());
  CHECK(a.mean() == all.mean());
  for (const double q : {0.01, 0.5, 0.99}) CHECK(a.quantile(q) == all.quantile(q));
}

TEST_CASE("histogram: nothing recorded, zeros; too large a value, the largest there is", "[client]") {
  Histogram histogram;
  CHECK(histogram.quantile(0.5).ns == 0);
  CHECK(histogram.mean().ns == 0);
  histogram.record(Duration::seconds(1'000'000));
  CHECK(histogram.quantile(0.5).ns == static_cast<int64_t>(Histogram::kMaxNs));
  histogram.record(Duration::nanos(-5));
  CHECK(histogram.min().ns == 0);
}

}  // namespace atolldb::client
