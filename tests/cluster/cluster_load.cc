// The load of the cluster tests: writes in every region of a running cluster until it is told to stop, then
// waits until all nodes are equal, reads every one of them and says what it found.
//
//   cluster_load TOPOLOGY [REGION...]       without regions: all of them
//
// Standard input, a line each:            standard output:
//   wait COUNT [REGION...]                  "ok" once each has COUNT more acknowledged writes, or "late"
//   stop                                    one JSON object; exit status 0 when nothing is wrong

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/cluster/audit.h"
#include "tests/cluster/load.h"
#include "tools/atoll/drill/convergence.h"

namespace atolldb::tests {
namespace {

constexpr uint32_t kWaitLimitS = 30;
constexpr Duration kConvergeLimit = Duration::seconds(60);

using Loads = std::vector<std::unique_ptr<RegionLoad>>;

bool wait_for(Loads& loads, std::istringstream& words) {
  uint64_t count = 0;
  words >> count;
  std::vector<std::string> regions;
  for (std::string word; words >> word;) regions.push_back(word);
  bool in_time = true;
  for (const auto& load : loads) {
    const bool asked =
        regions.empty() || std::find(regions.begin(), regions.end(), load->region()) != regions.end();
    if (asked) in_time = load->wait_for(count, kWaitLimitS) && in_time;
  }
  return in_time;
}

int fail(const std::string& message) {
  std::fprintf(stderr, "cluster_load: %s\n", message.c_str());
  return 1;
}

int report(const topology::Topology& topology, const Loads& loads) {
  tools::DrillReport converged;
  tools::Progress progress(stderr);
  const Status waited = tools::wait_until_equal(topology, kConvergeLimit, progress, converged);
  if (!waited) return fail(waited.error().message);
  std::vector<const Ledger*> ledgers;
  nlohmann::json regions = nlohmann::json::object();
  for (const auto& load : loads) {
    const Ledger& ledger = load->ledger();
    ledgers.push_back(&ledger);
    regions[load->region()] = {{"done", ledger.done},
                               {"rejected", ledger.rejected},
                               {"unknown", ledger.unknown},
                               {"reasons", ledger.reasons}};
  }
  const auto findings = audit(topology, ledgers);
  if (!findings) return fail(findings.error().message);
  const nlohmann::json out = {{"regions", regions},
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
  Loads loads;
  for (const topology::Region& region : topology->regions) {
    const bool asked = argc == 2 || std::find(argv + 2, argv + argc, region.name) != argv + argc;
    if (!asked) continue;
    auto load = RegionLoad::open(*topology, {region.name});
    if (!load) return fail(load.error().message);
    loads.push_back(*std::move(load));
  }
  for (const auto& load : loads) load->start();
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string verb;
    words >> verb;
    if (verb == "stop") break;
    if (verb != "wait") return fail("found '" + line + "', expected wait or stop");
    std::cout << (wait_for(loads, words) ? "ok" : "late") << std::endl;
  }
  for (const auto& load : loads) load->stop();
  return report(*topology, loads);
}

}  // namespace
}  // namespace atolldb::tests

int main(int argc, char** argv) { return atolldb::tests::run(argc, argv); }
