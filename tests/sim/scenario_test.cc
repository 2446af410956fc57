// Scenario files: what they may say, and that an error names its line.

#include <catch2/catch.hpp>

#include "tests/sim/plan.h"

using namespace atolldb;
using namespace atolldb::sim;

namespace {
void refused(const char* toml, const std::string& place, const std::string& expected) {
  const auto scenario = parse_scenario(toml, "s.toml");
  REQUIRE_FALSE(scenario);
  CHECK_THAT(scenario.error().message, Catch::Contains("s.toml:" + place) && Catch::Contains(expected));
}
}  // namespace

TEST_CASE("scenario: all that it may say, is taken", "[sim]") {
  const auto scenario = parse_scenario(R"(
name = "all"
[cluster]
regions = 3
nodes = [3, 5]
partitions = 4
quorums = [[3, 2, 2], [3, 1, 3]]
memtable_kib = 64
log_kib = [64, 128]
[run]
seconds = 20
operations_per_second = [5, 50]
clients_per_region = 2
moving_percent = 10
local_reads_percent = 0
[[load]]
kind = "register"
weight = 2
keys = [1, 3]
value_bytes = 100
reads_percent = 50
deletes_percent = 5
[[load]]
kind = "counter"
[faults]
kinds = ["kill", "cut regions"]
every_ms = 500
)",
                                       "s.toml");
  REQUIRE(scenario);
  CHECK(scenario->regions.least == 3);
  CHECK(scenario->loads.size() == 2);
  const Plan plan = make_plan(*scenario, 7);
  CHECK(plan.world.regions == 3);
  CHECK_FALSE(plan.operations.empty());
  for (const PlannedFault& fault : plan.faults)
    CHECK((fault.kind == FaultKind::kill || fault.kind == FaultKind::cut_regions));
}

TEST_CASE("scenario: an error, names its line and what was expected", "[sim]") {
  refused("[cluster]\nregions = 9\n", "2:11", "from 1 to 7");
  refused("[cluster]\nnodes = [5, 3]\n", "2:9", "least");
  refused("[cluster]\nquorums = [[3, 1, 1]]\n", "2:12", "R + W > N");
  refused("[run]\nsecond = 3\n", "2:1", "seconds");
  refused("[[load]]\nkind = \"list\"\n", "2:", "register");
  refused("[[load]]\nweight = 1\n", "1:", "kind");
  refused("\n[faults]\nkinds = [\"fire\"]\n", "3:10", "\"lost disk\"");
  refused("x = [\n", "", "");
}

TEST_CASE("plan: a seed, always draws the same; another one, another", "[sim]") {
  const Plan a = make_plan({}, 5), b = make_plan({}, 5), c = make_plan({}, 6);
  CHECK(describe(a) == describe(b));
  CHECK(a.operations.size() == b.operations.size());
  CHECK(describe(a) != describe(c));
}
