#include "tools/atoll/drill/drill.h"

#include <chrono>
#include <optional>
#include <thread>

#include "tools/atoll/clock.h"
#include "tools/atoll/drill/convergence.h"
#include "tools/atoll/drill/drill_plan.h"
#include "tools/atoll/drill/load_phase.h"
#include "tools/atoll/drill/verification.h"
#include "tools/atoll/node_calls.h"

namespace atolldb::tools {
namespace {

constexpr Duration kServingLimit = Duration::seconds(30);
constexpr auto kServePause = std::chrono::milliseconds(100);

std::vector<NodeNumber> all_nodes(const topology::Topology& topology) {
  std::vector<NodeNumber> nodes;
  for (const topology::Node& node : topology.nodes) nodes.push_back(node.number);
  return nodes;
}

// A node that answers may be between two coordinators, as after a start: that passes.
Status wait_until_serving(const topology::Topology& topology, Progress& progress) {
  const auto nodes = all_nodes(topology);
  const Instant deadline = monotonic_now() + kServingLimit;
  for (;;) {
    const auto states = ask_states(topology, nodes, Duration::seconds(5));
    size_t ready = 0;
    std::optional<size_t> worst;  // one that does not answer before one that does not serve
    for (size_t i = 0; i < nodes.size(); ++i) {
      ready += states[i].ready ? 1 : 0;
      if (!states[i].ready && (!worst || (states[*worst].answers && !states[i].answers))) worst = i;
    }
    if (!worst) return ok();
    const std::string& name = topology.find(nodes[*worst])->name;
    if (!states[*worst].answers || monotonic_now() >= deadline)
      return {Errc::unavailable, name + " does not serve (" + states[*worst].detail +
                                     "); start it first, a dev cluster with: atoll dev up"};
    progress.update(ready, nodes.size(), "waiting until " + name + " serves");
    std::this_thread::sleep_for(kServePause);  // between two questions; nobody announces it
  }
}

DrillReport empty_report(const topology::Topology& topology, const PackageIndex& index,
                         const DrillOptions& options) {
  DrillReport report;
  report.source = index.source();
  report.packages = index.packages().size();
  report.replaced = index.replaced();
  report.stanza_bytes = index.stanza_bytes();
  report.seed = options.seed;
  for (const topology::Region& region : topology.regions) report.regions.push_back(region.name);
  report.retries.resize(report.regions.size());
  report.first_errors.resize(report.regions.size());
  return report;
}

}  // namespace

Result<DrillReport> run_drill(const topology::Topology& topology, DevCluster* cluster,
                              const PackageIndex& index, const DrillOptions& options, Progress& progress) {
  if (topology.regions.size() < 2) {
    return {Errc::invalid, "found one region, a drill is about several: atoll dev up --regions eu,us,ap"};
  }
  if (Status serving = wait_until_serving(topology, progress); !serving) return serving.error();
  DrillReport report = empty_report(topology, index, options);
  auto foreign = find_foreign_keys(topology, options.verify_only);
  if (!foreign) return foreign.error();

  if (!options.verify_only) {
    if (Status loaded = run_load(topology, cluster, index, options, progress, report); !loaded) {
      return loaded.error();
    }
  }
  if (Status waited = wait_until_equal(topology, options.converge_limit, progress, report); !waited) {
    return waited.error();
  }
  const Expectation expected = expect(index, topology.placement);
  if (Status verified = verify_nodes(topology, expected, *foreign, progress, report); !verified) {
    return verified.error();
  }
  return report;
}

}  // namespace atolldb::tools
