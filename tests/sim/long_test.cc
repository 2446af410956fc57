// Two simulated days of small clusters with few requests. The second one's seeds are new where
// ATOLL_SIM_NEW_DAY is set; the short runs of seeds_test.cc have new ones every time.

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>

#include "tests/sim/report.h"

using namespace atolldb;
using namespace atolldb::sim;

namespace {
Scenario long_runs() {
  Scenario out;
  out.regions = {1, 2};
  out.nodes = {3, 3};
  out.partitions = {1, 3};
  out.quorums = {{3, 2, 2}, {3, 1, 3}};
  out.seconds = {3'600, 7'200};
  out.operations_per_second = {1, 1};
  out.clients_per_region = {1, 2};
  out.fault_every_ms = {5'000, 60'000};
  return out;
}

void run_a_day(uint64_t seed) {
  const auto began = std::chrono::steady_clock::now();
  Report report;
  for (; report.simulated() < Duration::seconds(86'400); ++seed) {
    const Plan plan = make_plan(long_runs(), seed);
    const RunResult result = run(plan);
    report.add(result);
    INFO("seed " << seed << " of tests/sim/scenarios/long.toml: " << describe(plan));
    INFO((result.violation ? result.violation->property + ": " + result.violation->what : "well"));
    REQUIRE_FALSE(result.violation);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  std::cout << report.text(seconds) << "figures: " << report.simulated().as_seconds() / 86'400
            << " simulated days in " << seconds << " s, no violation\n";
}
}  // namespace

// A process each, so that they run beside each other.
TEST_CASE("simulator: one day, no guarantee is broken", "[sim][one-day]") { run_a_day(1); }

TEST_CASE("simulator: another day, no guarantee is broken", "[sim][another-day]") {
  const auto now = static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  const uint64_t first = std::getenv("ATOLL_SIM_NEW_DAY") ? now / 1'000'000 % 1'000'000'000 : 10'000;
  std::cout << "seeds from " << first << "\n";
  run_a_day(first);
}
