// Whole runs: some seeds that are always the same, each twice (G13), and some that nobody has run before.

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>

#include "tests/sim/report.h"
#include "tests/sim/shrink.h"

using namespace atolldb;
using namespace atolldb::sim;

namespace {
constexpr uint64_t kNewSeeds = 20;

void run_clean(uint64_t seed, bool twice) {
  const Plan plan = make_plan({}, seed);
  const RunResult result = run(plan);
  INFO("seed " << seed << ": " << describe(plan));
  if (result.violation) FAIL(result.violation->property << ": " << result.violation->what);
  if (twice) CHECK(run(plan).trace_hash == result.trace_hash);
}
}  // namespace

TEST_CASE("simulator: fixed seeds, no guarantee is broken and a second run is the same", "[sim]") {
  for (uint64_t seed = 1; seed <= 25; ++seed) run_clean(seed, true);
}

TEST_CASE("simulator: seeds that nobody has run, no guarantee is broken", "[sim]") {
  const auto first = static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()) /
                     1'000'000 % 1'000'000'000;
  std::cout << "new seeds " << first << ".." << first + kNewSeeds - 1 << "\n";
  for (uint64_t seed = first; seed < first + kNewSeeds; ++seed) run_clean(seed, false);
}

namespace {
// Which faults strike, and how often.
Report run_faults(std::vector<std::string> faults, uint64_t seeds) {
  Scenario scenario;
  scenario.regions = {1, 2};
  scenario.nodes = {3, 5};
  scenario.seconds = {30, 60};
  scenario.operations_per_second = {10, 20};
  scenario.fault_every_ms = {1'000, 6'000};
  scenario.faults = std::move(faults);
  Report report;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    const RunResult result = run(make_plan(scenario, seed));
    INFO("seed " << seed);
    if (result.violation) FAIL(result.violation->property << ": " << result.violation->what);
    report.add(result);
  }
  return report;
}
}  // namespace

// HAZARDS 9. The address may be that of either, and who is told to stop has to be the one who is meant.
TEST_CASE("simulator: a disk is cloned and used twice, the right process stops and no dot comes twice",
          "[sim]") {
  const Report report = run_faults({"cloned disk", "kill"}, 12);
  CHECK(report.count(Probe::newcomer_stopped) > 0);
  CHECK(report.count(Probe::passed_over_stopped) > 0);
}

TEST_CASE("simulator: W disks of a region are lost at once, all votes come back", "[sim]") {
  CHECK(run_faults({"lost disks", "kill"}, 12).count(Probe::too_few_kept_theirs) > 0);
}

// What an exchange brings is more than both memtables hold, again and again.
TEST_CASE("simulator: memtables smaller than an update, no node stops", "[sim]") {
  Scenario scenario;
  scenario.nodes = {3, 5};
  scenario.memtable_kib = {64, 64};
  scenario.operations_per_second = {40, 80};
  scenario.fault_every_ms = {300, 2'000};
  scenario.faults = {"older disk", "lost disk", "kill", "cut regions"};
  Load large, strings;
  large.kind = LoadKind::collection;
  large.deletes_percent = 40;
  strings.value_bytes = {1'000, 40'000};
  scenario.loads = {large, strings};
  for (const uint64_t seed : {13, 23}) {
    const RunResult result = run(make_plan(scenario, seed));
    INFO("seed " << seed);
    if (result.violation) FAIL(result.violation->property << ": " << result.violation->what);
  }
}

TEST_CASE("simulator: a broken run, is made short and fails in the same way every time", "[sim]") {
  Scenario scenario;
  scenario.regions = {2, 2};
  scenario.seconds = {10, 10};
  Plan plan = make_plan(scenario, 3);
  plan.world.network.distance_us.assign(2,
                                        {600'000'000, 600'000'000});  // ten minutes: nobody converges in time
  const RunResult broken = run(plan);
  REQUIRE(broken.violation);
  const Shrunk shrunk = shrink(plan, *broken.violation, 12);
  REQUIRE(shrunk.result.violation);
  CHECK(shrunk.result.violation->property == broken.violation->property);
  CHECK(shrunk.plan.operations.size() < plan.operations.size());
  CHECK(describe(shrunk.plan, shrunk.result) == describe(shrunk.plan, run(shrunk.plan, {true})));
}
