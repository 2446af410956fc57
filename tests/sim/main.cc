// atoll-sim: whole clusters under faults, in virtual time (docs/testing.md).

#include <chrono>
#include <iostream>

#include "tests/command_line.h"
#include "tests/sim/report.h"
#include "tests/sim/shrink.h"

namespace {

using namespace atolldb;
using namespace atolldb::sim;

constexpr const char* kAbout =
    "Runs whole Atoll clusters in one thread and in virtual time, under faults, and checks what their "
    "clients\n"
    "were told against the guarantees. A run is a function of its seed: what fails once fails again, with "
    "the\n"
    "same bytes on the screen.\n";
constexpr const char* kExamples =
    "Examples:\n"
    "  atoll-sim --seed 42                     one run\n"
    "  atoll-sim --seeds 1..200 --report       many, and what they did and reached\n"
    "  atoll-sim --minutes 480 --until-failure a long night, with seeds nobody has run\n"
    "  atoll-sim --scenario FILE --seeds 1..50 clusters, loads and faults of a TOML file\n"
    "  atoll-sim --seed 42 --trace             one run, with everything that happened in it\n"
    "Exit status: 0 all is well, 1 a guarantee was broken, 2 the call was wrong.";

struct Call {
  std::string seeds, scenario;
  uint64_t seed = 0, minutes = 0, shrink_runs = 250;
  bool until_failure = false, report = false, twice = false, trace = false, quiet = false, complete = false;
};

struct Seeds {
  uint64_t next = 1, last = 1;
};

std::optional<Seeds> parse_seeds(const std::string& text) {
  const size_t dots = text.find("..");
  const std::string first = text.substr(0, dots),
                    last = dots == std::string::npos ? first : text.substr(dots + 2);
  const auto digits = [](const std::string& s) {
    return !s.empty() && s.size() < 20 && s.find_first_not_of("0123456789") == std::string::npos;
  };
  if (!digits(first) || !digits(last)) return std::nullopt;
  Seeds out{std::stoull(first), std::stoull(last)};
  return out.next <= out.last ? std::optional(out) : std::nullopt;
}

double seconds_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

void explain(const Call& call, const Scenario& scenario, const Plan& plan, const RunResult& result) {
  std::cout << "VIOLATION seed " << plan.seed << " " << result.violation->property << "\n  "
            << result.violation->what << "\n  again: atoll-sim --seed " << plan.seed
            << (call.scenario.empty() ? "" : " --scenario " + scenario.name) << "\n"
            << std::flush;
  if (call.shrink_runs == 0) return;
  const Shrunk shrunk = shrink(plan, *result.violation, call.shrink_runs);
  std::cout << "the shortest history that was found, after " << shrunk.runs << " runs:\n"
            << describe(shrunk.plan, shrunk.result) << std::flush;
}

int simulate(const Call& call, const Scenario& scenario, Seeds seeds) {
  Report report;
  const auto began = std::chrono::steady_clock::now();
  for (uint64_t seed = seeds.next;; ++seed) {
    if (call.minutes > 0 ? seconds_since(began) >= 60.0 * static_cast<double>(call.minutes)
                         : seed > seeds.last)
      break;
    const Plan plan = make_plan(scenario, seed);
    const RunResult result = run(plan, {call.trace});
    report.add(result);
    if (!call.quiet)
      std::cout << "seed " << seed << ": " << describe(plan) << ": " << result.done << " of "
                << result.operations << " done, trace " << std::hex << result.trace_hash << std::dec << "\n";
    if (call.trace) std::cout << describe(plan, result);
    if (call.twice && run(plan).trace_hash != result.trace_hash) {
      std::cout << "VIOLATION seed " << seed << " G13\n  two runs of this seed differ\n";
      return 1;
    }
    if (!result.violation) continue;
    explain(call, scenario, plan, result);
    if (call.until_failure) break;
  }
  if (call.report) std::cout << report.text(seconds_since(began));
  if (call.complete)
    for (const std::string& missed : report.missed()) std::cout << "INCOMPLETE: " << missed << "\n";
  return report.violations() > 0 || (call.complete && !report.missed().empty()) ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  CommandLine app(kAbout, "atoll-sim", kExamples);
  Call call;
  const auto seed = app.add("--seed", call.seed, "Run this seed").called("N");
  const auto seeds = app.add("--seeds", call.seeds, "Run these, both included").called("A..B").excludes(seed);
  app.add("--minutes", call.minutes, "Run seeds upwards from --seed for so long; from the clock without one")
      .called("M")
      .within(1, 100'000)
      .excludes(seeds);
  app.add("--scenario", call.scenario, "Clusters, loads and faults to draw from; without it, everything")
      .called("FILE");
  app.add("--until-failure", call.until_failure, "End at the first violation");
  app.add("--report", call.report,
          "Print what was simulated, every kind of fault, and the rare states reached");
  app.add("--complete", call.complete, "Fail when a rare state, a fault or a checker was never reached");
  app.add("--twice", call.twice, "Run each seed twice and compare (G13)");
  app.add("--trace", call.trace, "Print what happened in each run");
  app.add("--quiet", call.quiet, "No line for each run");
  app.add("--shrink-runs", call.shrink_runs, "Runs to spend on making a failure short; 0: none")
      .called("N")
      .shows_default();
  if (const auto status = app.parse(argc, argv)) return *status;
  Scenario scenario;
  if (!call.scenario.empty()) {
    auto loaded = load_scenario(call.scenario);
    if (!loaded) {
      std::cerr << "atoll-sim: " << loaded.error().message << "\n";
      return 2;
    }
    scenario = std::move(*loaded);
    scenario.name = call.scenario;
  }
  Seeds range{call.seed, call.seed};
  if (!call.seeds.empty()) {
    const auto parsed = parse_seeds(call.seeds);
    if (!parsed) {
      std::cerr << "atoll-sim: found --seeds " << call.seeds
                << ", expected A..B with A at most B, such as 1..200\n";
      return 2;
    }
    range = *parsed;
  } else if (!seed.given()) {
    if (call.minutes == 0) {
      std::cerr << "atoll-sim: found no seed, expected --seed N, --seeds A..B or --minutes M; see --help\n";
      return 2;
    }
    range.next = static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()) /
                 1'000'000 % 1'000'000'000;
    std::cout << "first seed " << range.next << "\n";
  }
  return simulate(call, scenario, range);
}
