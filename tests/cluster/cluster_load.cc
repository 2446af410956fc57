// The load of the cluster tests: writes in a running cluster until it is told to stop, then
// waits until all nodes are equal, reads every one of them and says what it found.
//
//   cluster_load TOPOLOGY [LOAD...]         see load_spec.h; none: one in each region
//
// Standard input, a line each:            standard output:
//   start                                   "ok": the writing begins
//   wait COUNT [LOAD...]                    "ok" once each has COUNT more acknowledged writes, or "late"
//   rejected COUNT [LOAD...]                the same for writes that were rejected
//   end LOAD...                             "ok" once they have stopped writing; what they wrote is judged
//   all the same placed                                  "ok" once the first of each preference list
//   coordinates stop                                    one JSON object; exit status 0 when nothing is wrong

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "tests/cluster/audit.h"
#include "tests/cluster/load.h"
#include "tests/cluster/placed.h"
#include "tests/cluster/stall_watch.h"
#include "tools/atoll/drill/convergence.h"

namespace atolldb::tests {
namespace {

constexpr uint32_t kWaitLimitS = 120;
constexpr Duration kConvergeLimit = Duration::seconds(60);

using Loads = std::vector<std::unique_ptr<RegionLoad>>;

using Wait = bool (RegionLoad::*)(uint64_t count, uint32_t limit_s);

// Those that the rest of the line names; where it names none, all that have not ended.
std::vector<RegionLoad*> named(Loads& loads, std::istringstream& words) {
  std::vector<std::string> labels;
  for (std::string word; words >> word;) labels.push_back(word);
  std::vector<RegionLoad*> out;
  for (const auto& load : loads)
    if (labels.empty() ? !load->ended()
                       : std::find(labels.begin(), labels.end(), load->label()) != labels.end())
      out.push_back(load.get());
  return out;
}

bool wait_for(Loads& loads, std::istringstream& words, Wait wait) {
  uint64_t count = 0;
  words >> count;
  bool in_time = true;
  for (RegionLoad* load : named(loads, words)) in_time = (load->*wait)(count, kWaitLimitS) && in_time;
  return in_time;
}

bool wait_until_all_placed(const topology::Topology& topology) {
  const Status placed = wait_until_placed(topology, Duration::seconds(kWaitLimitS));
  if (!placed) std::fprintf(stderr, "cluster_load: %s\n", placed.error().message.c_str());
  return placed.has_value();
}

// Nothing: there is no such command.
std::optional<bool> obey(const topology::Topology& topology, Loads& loads, const std::string& verb,
                         std::istringstream& words) {
  if (verb == "wait") return wait_for(loads, words, &RegionLoad::wait_for);
  if (verb == "rejected") return wait_for(loads, words, &RegionLoad::wait_for_rejected);
  if (verb == "placed") return wait_until_all_placed(topology);
  if (verb == "start") {
    for (const auto& load : loads) load->start();
    return true;
  }
  if (verb != "end") return std::nullopt;
  for (RegionLoad* load : named(loads, words)) load->stop();
  return true;
}

int fail(const std::string& message) {
  std::fprintf(stderr, "cluster_load: %s\n", message.c_str());
  return 1;
}

int report(const topology::Topology& topology, const Loads& loads, int64_t stalled_ms) {
  tools::DrillReport converged;
  tools::Progress progress(stderr);
  const Status waited = tools::wait_until_equal(topology, kConvergeLimit, progress, converged);
  if (!waited) return fail(waited.error().message);
  std::vector<const Ledger*> ledgers;
  nlohmann::json told = nlohmann::json::object();
  for (const auto& load : loads) {
    const Ledger& ledger = load->ledger();
    ledgers.push_back(&ledger);
    told[load->label()] = {{"done", ledger.done},
                           {"rejected", ledger.rejected},
                           {"unknown", ledger.unknown},
                           {"reasons", ledger.reasons}};
  }
  const auto findings = audit(topology, ledgers);
  if (!findings) return fail(findings.error().message);
  const nlohmann::json out = {{"loads", told},
                              {"stalled_ms", stalled_ms},
                              {"converged", converged.converged},
                              {"converge_seconds", converged.converge_seconds},
                              {"reads", findings->reads},
                              {"wrong", findings->wrong},
                              {"examples", findings->examples}};
  std::cout << out.dump() << std::endl;
  return converged.converged && findings->wrong == 0 ? 0 : 1;
}

int run(int argc, char** argv) {
  if (argc < 2) return fail("found no topology file; cluster_load TOPOLOGY [REGION...]");
  const auto topology = topology::load(argv[1]);
  if (!topology) return fail(topology.error().message);
  std::vector<std::string> specs(argv + 2, argv + argc);
  if (specs.empty())
    for (const topology::Region& region : topology->regions) specs.push_back(region.name);
  const StallWatch watch;
  Loads loads;
  for (const std::string& text : specs) {
    const auto spec = parse_load(text, *topology);
    if (!spec) return fail(spec.error().message);
    auto load = RegionLoad::open(*topology, *spec);
    if (!load) return fail(load.error().message);
    loads.push_back(*std::move(load));
  }
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string verb;
    words >> verb;
    if (verb == "stop") break;
    const auto done = obey(*topology, loads, verb, words);
    if (!done) return fail("found '" + line + "', expected start, wait, rejected, end, placed or stop");
    std::cout << (*done ? "ok" : "late") << std::endl;
  }
  for (const auto& load : loads) load->stop();
  return report(*topology, loads, watch.longest_ms());
}

}  // namespace
}  // namespace atolldb::tests

int main(int argc, char** argv) { return atolldb::tests::run(argc, argv); }
