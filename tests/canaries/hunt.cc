#include "tests/canaries/hunt.h"

#include <filesystem>
#include <map>
#include <stdexcept>

#include "tests/crdt/random_history.h"
#include "tests/sim/run.h"
#include "tests/storage/lives.h"

namespace atolldb::canaries {

namespace {

sim::Scenario scenario(const std::string& name) {
  if (name == "everything" || name == "twice") return {};
  for (const char* folder : {"tests/canaries/scenarios/", "tests/sim/scenarios/"}) {
    const std::string path = std::string(ATOLL_SOURCE_DIR "/") + folder + name + ".toml";
    if (!std::filesystem::exists(path)) continue;
    auto loaded = sim::load_scenario(path);
    if (!loaded) throw std::runtime_error(loaded.error().message);
    return *loaded;
  }
  throw std::runtime_error("found no scenario " + name + ", expected one of tests/sim/scenarios");
}

// Faults in an order that a thousand runs of random ones did not meet. Who is who, and the times to within a
// tenth of a second, are still drawn.
class Script {
 public:
  Script(sim::Plan& plan, uint64_t seed) : plan_(plan), dice_(seed) {
    x = static_cast<uint32_t>(dice_.below(3));
    y = (x + 1 + static_cast<uint32_t>(dice_.below(2))) % 3;
    z = 3 - x - y;
  }
  uint32_t x, y, z;  // the nodes of a region

  void fault(int64_t at_ms, int64_t lasts_ms, sim::FaultKind kind, uint32_t a, uint32_t b = 0,
             uint64_t amount = 0) {
    const auto jitter = static_cast<int64_t>(dice_.below(100));
    plan_.faults.push_back({static_cast<uint32_t>(plan_.faults.size()), Instant{(at_ms + jitter) * 1'000'000},
                            Duration::millis(lasts_ms), kind, a, b, amount});
  }

 private:
  sim::Plan& plan_;
  Prng dice_;
};

// y coordinates while x is away; x comes back and does not see y, and asks z for its promise; z restarts
// before anything else reminds it of that.
void forget_a_promise(Script& script) {
  script.fault(4'000, 2'000, sim::FaultKind::kill, script.x);
  script.fault(5'500, 6'000, sim::FaultKind::cut_pair, script.x, script.y);
  script.fault(6'700, 100, sim::FaultKind::kill, script.z);
}

// x or y goes on with z alone; z loses its disk, and the one that has missed everything answers it first.
void regain_from_one(Script& script) {
  uint64_t slow = 0;  // of a clog that takes about as long as one can
  while (Prng(slow).below(400'000) < 350'000) ++slow;
  script.fault(4'000, 12'000, sim::FaultKind::cut_pair, script.x, script.y);
  script.fault(8'000, 6'000, sim::FaultKind::clog, script.x, 0, slow);
  script.fault(8'100, 500, sim::FaultKind::lost_disk, script.z);
}

// Region 0 loses its power while nobody else can be heard.
void start_alone(Script& script) {
  script.fault(5'000, 60'000, sim::FaultKind::isolate_region, 0);
  script.fault(6'000, 1'000, sim::FaultKind::kill_region, 0);
}

using Faults = void (*)(Script&);
const std::map<std::string, Faults>& scripts() {
  static const std::map<std::string, Faults> kScripts{
      {"promises", forget_a_promise}, {"votes", regain_from_one}, {"alone", start_alone}};
  return kScripts;
}

sim::Plan plan_of(const std::string& where, uint64_t seed) {
  sim::Plan plan = sim::make_plan(scenario(where), seed);
  const auto scripted = scripts().find(where);
  if (scripted == scripts().end()) return plan;
  Script script(plan, seed);
  scripted->second(script);
  return plan;
}

// "disk", "disk errors" or "disk damage".
Catch lives(const std::string& where, uint64_t seed) {
  storage::testing::LifeFaults faults;
  faults.sync_errors = faults.write_errors = faults.full_disks = where == "disk errors";
  faults.flipped_bits = where == "disk damage";
  storage::testing::LivesSeen seen;
  try {
    storage::testing::run_lives(seed, faults, false, seen);
  } catch (const std::exception& wrong) {
    return {"lives", wrong.what()};
  }
  return {};
}

// Every checker that found something, and what has none.
std::string names(const sim::RunResult& result) {
  std::string out;
  for (const sim::Verdict& verdict : result.verdicts)
    if (verdict.violation) out += (out.empty() ? "" : ", ") + verdict.property;
  return out.empty() ? result.violation->property : out;
}

}  // namespace

std::vector<std::string> checkers() {
  std::vector<std::string> out{"G13", "lives", "model"};
  const sim::History history;
  sim::Probes probes;
  const sim::Facts facts(topology::Topology{}, {}, probes);
  for (const sim::Check check : sim::all_checks()) out.push_back(check({history, facts}).property);
  return out;
}

Catch hunt(Canary canary, const std::string& where, uint64_t seed) {
  canary_on = canary;
  if (where == "model") {
    const auto wrong = crdt::random_history(seed);
    return wrong ? Catch{"model", wrong->substr(0, wrong->find('\n'))} : Catch{};
  }
  if (where.starts_with("disk")) return lives(where, seed);
  const sim::Plan plan = plan_of(where, seed);
  const sim::RunResult result = sim::run(plan);
  if (result.violation) return {names(result), result.violation->what};
  if (where == "twice" && sim::run(plan).trace_hash != result.trace_hash)
    return {"G13", "two runs of one seed have two trace hashes"};
  return {};
}

}  // namespace atolldb::canaries
