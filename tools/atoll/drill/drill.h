#pragma once
// The drill (docs/drill.md): loads a package index into every region at once, kills a region in the middle,
// brings it back, waits until all nodes are equal and compares every one with the file.

#include <string>

#include "crdt/base/result.h"
#include "tools/atoll/dev_cluster.h"
#include "tools/atoll/drill/drill_report.h"
#include "tools/atoll/drill/package_index.h"
#include "tools/atoll/progress.h"
#include "topology/topology.h"

namespace atolldb::tools {

struct DrillOptions {
  uint64_t seed = 1;
  uint32_t in_flight = 64;                  // writes of each loader
  Duration outage = Duration::seconds(15);  // at most; the region returns earlier when the others are done
  Duration retry_limit =
      Duration::seconds(600);  // of one write in the killed region; request ids live as long
  Duration converge_limit = Duration::seconds(300);
  bool verify_only = false;  // the load has been there before: only compare
};

// `cluster` is null where no region is to be killed; else it is the cluster of `topology`, whose last region
// is. Errors: what kept the drill from being run to its end. What it found wrong stands in the report.
Result<DrillReport> run_drill(const topology::Topology& topology, DevCluster* cluster,
                              const PackageIndex& index, const DrillOptions& options, Progress& progress);

}  // namespace atolldb::tools
