#include "tests/canaries/hunt.h"

#include <filesystem>
#include <stdexcept>

#include "tests/crdt/random_history.h"
#include "tests/sim/run.h"

namespace atolldb::canaries {

namespace {

sim::Scenario scenario(const std::string& name) {
  if (name == "everything") return {};
  for (const char* folder : {"tests/canaries/scenarios/", "tests/sim/scenarios/"}) {
    const std::string path = std::string(ATOLL_SOURCE_DIR "/") + folder + name + ".toml";
    if (!std::filesystem::exists(path)) continue;
    auto loaded = sim::load_scenario(path);
    if (!loaded) throw std::runtime_error(loaded.error().message);
    return *loaded;
  }
  throw std::runtime_error("found no scenario " + name + ", expected one of tests/sim/scenarios");
}

// Three nodes: x is away and y coordinates; x comes back and does not see y, and asks z for its promise; z
// restarts before anything else reminds it of that. A thousand runs of random faults did not do this in the
// right order. Who is who, and the times, are still drawn.
sim::Plan forgetful_promise(uint64_t seed) {
  sim::Plan plan = sim::make_plan(scenario("promises"), seed);
  Prng dice(seed);
  const auto x = static_cast<uint32_t>(dice.below(3));
  const uint32_t y = (x + 1 + static_cast<uint32_t>(dice.below(2))) % 3, z = 3 - x - y;
  const auto fault = [&](int64_t at_ms, int64_t lasts_ms, sim::FaultKind kind, uint32_t a, uint32_t b) {
    const auto jitter = static_cast<int64_t>(dice.below(100));
    plan.faults.push_back({static_cast<uint32_t>(plan.faults.size()), Instant{(at_ms + jitter) * 1'000'000},
                           Duration::millis(lasts_ms), kind, a, b, 0});
  };
  fault(4'000, 2'000, sim::FaultKind::kill, x, x);
  fault(5'500, 6'000, sim::FaultKind::cut_pair, x, y);
  fault(6'700, 100, sim::FaultKind::kill, z, z);
  return plan;
}

}  // namespace

Catch hunt(Canary canary, const std::string& where, uint64_t seed) {
  canary_on = canary;
  if (where == "model") {
    const auto wrong = crdt::random_history(seed);
    return wrong ? Catch{"model", wrong->substr(0, wrong->find('\n'))} : Catch{};
  }
  const sim::RunResult result =
      sim::run(where == "promises" ? forgetful_promise(seed) : sim::make_plan(scenario(where), seed));
  return result.violation ? Catch{result.violation->property, result.violation->what} : Catch{};
}

}  // namespace atolldb::canaries
