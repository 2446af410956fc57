// The drill's exit status is passed(): each thing that can go wrong must turn it.

#include "tools/atoll/drill/drill_report.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace atolldb::tools {
namespace {

DrillReport good_report() {
  DrillReport report;
  report.source = "index";
  report.regions = {"eu", "us"};
  report.retries = {0, 3};
  report.first_errors = {"", ""};
  PhaseFigures load{"load", 2.0, std::vector<RegionFigures>(2)};
  load.regions[0].done = 10;
  load.regions[1].done = 20;
  for (int i = 0; i < 10; ++i) load.regions[0].latency.record(Duration::millis(5));
  report.phases.push_back(load);
  report.converged = true;
  report.nodes = {{"eu-1", 5, 7, 0, {}}, {"us-1", 5, 7, 0, {}}};
  return report;
}

TEST_CASE("drill report: all held, passed", "[tools]") {
  CHECK(good_report().passed());
  CHECK(good_report().writes() == 30);
}

TEST_CASE("drill report: one thing wrong, not passed", "[tools]") {
  DrillReport error = good_report();
  error.phases[0].regions[1].errors = 1;
  CHECK_FALSE(error.passed());
  DrillReport diverged = good_report();
  diverged.converged = false;
  CHECK_FALSE(diverged.passed());
  DrillReport wrong = good_report();
  wrong.nodes[1].wrong = 1;
  CHECK_FALSE(wrong.passed());
  DrillReport nothing = good_report();
  nothing.nodes.clear();
  CHECK_FALSE(nothing.passed());
}

TEST_CASE("drill report: as JSON, the figures of the table", "[tools]") {
  const auto parsed = nlohmann::json::parse(to_json(good_report()));
  CHECK(parsed["passed"] == true);
  CHECK(parsed["phases"][0]["regions"][0]["writes"] == 10);
  CHECK(parsed["phases"][0]["regions"][0]["writes_per_second"] == 5.0);
  CHECK(parsed["phases"][0]["regions"][0]["p50_ms"].get<double>() == Approx(5.0).epsilon(0.04));
  CHECK(parsed["nodes"][1]["elements"] == 7);
}

TEST_CASE("latency: values over seven magnitudes, percentiles within 1/32", "[tools]") {
  for (const int64_t micros : {1, 31, 32, 63, 64, 1000, 123'456, 60'000'000}) {
    Latency latency;
    latency.record(Duration::micros(micros));
    const double found = static_cast<double>(latency.percentile(50).ns) / 1000;
    CHECK(found >= static_cast<double>(micros));
    CHECK(found <= static_cast<double>(micros) * 33 / 32);
  }
  Latency many;
  for (int64_t i = 1; i <= 1000; ++i) many.record(Duration::micros(i));
  CHECK(many.percentile(50).ns / 1000 == Approx(500).epsilon(0.04));
  CHECK(many.percentile(99).ns / 1000 == Approx(990).epsilon(0.04));
  Latency merged;
  merged.merge(many);
  merged.merge(many);
  CHECK(merged.count() == 2000);
  CHECK(Latency{}.percentile(99).ns == 0);
}

}  // namespace
}  // namespace atolldb::tools
