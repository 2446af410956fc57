// Random runs against the oracle: any order, loss, duplicates, coalescing, client contexts, repairs, stepwise
// exchanges, rollback and damage with a fresh actor. A failure prints its seed and what was done.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "tests/crdt/random_history.h"

using namespace atolldb;
using namespace atolldb::crdt;

namespace {

uint64_t runs() {
  const char* asked = std::getenv("ATOLL_MODEL_RUNS");
  return asked == nullptr ? 4000 : std::strtoull(asked, nullptr, 10);
}

}  // namespace

TEST_CASE("Replica: random histories, shows what the oracle says after every step", "[crdt]") {
  const char* first = std::getenv("ATOLL_MODEL_FIRST");
  const uint64_t from = first == nullptr ? 1 : std::strtoull(first, nullptr, 10);
  for (uint64_t seed = from; seed < from + runs(); ++seed) {
    const auto wrong = random_history(seed);
    INFO("seed " << seed << ": " << wrong.value_or(""));
    REQUIRE_FALSE(wrong);
  }
}
