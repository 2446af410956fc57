// The drill and the cluster tests believe this when it says that all nodes are equal.

#include "tools/atoll/drill/convergence.h"

#include <catch2/catch.hpp>

namespace atolldb::tools {
namespace {

Digests digests(const std::string& partitions, const std::string& clock) {
  const auto parsed = parse_digests(R"({"node": "eu-1", "digest": "0", "clock": ")" + clock +
                                    R"(", "partitions": )" + partitions + "}");
  REQUIRE(parsed);
  return *parsed;
}

TEST_CASE("convergence: same digests and clocks, equal", "[tools]") {
  const Digests node = digests(R"({"0": "aa", "1": "bb"})", "c1");
  CHECK(count_unequal({node, node, node}) == 0);
}

TEST_CASE("convergence: one partition or the clocks differ, not equal", "[tools]") {
  const Digests node = digests(R"({"0": "aa", "1": "bb"})", "c1");
  CHECK(count_unequal({node, node, digests(R"({"0": "aa", "1": "xx"})", "c1")}) == 1);
  CHECK(count_unequal({node, digests(R"({"0": "aa", "1": "bb"})", "c2")}) == 1);
}

TEST_CASE("convergence: nodes that hold different partitions, compared where they meet", "[tools]") {
  const Digests node = digests(R"({"0": "aa", "1": "bb"})", "c1");
  CHECK(count_unequal({node, digests(R"({"1": "bb", "2": "cc"})", "c2")}) == 0);
  CHECK(count_unequal({node, digests(R"({"1": "xx", "2": "cc"})", "c2")}) == 1);
}

TEST_CASE("convergence: an answer that is something else, an error", "[tools]") {
  for (const char* text :
       {"", "[]", "{}", R"({"partitions": {"0": 7}, "clock": "c"})", R"({"partitions": {}})"}) {
    CHECK_FALSE(parse_digests(text));
  }
}

}  // namespace
}  // namespace atolldb::tools
