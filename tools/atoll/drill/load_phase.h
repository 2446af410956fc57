#pragma once
// The drill's load: a loader a region, all at once, and the outage in the middle.

#include "crdt/base/result.h"
#include "tools/atoll/dev_cluster.h"
#include "tools/atoll/drill/drill.h"
#include "tools/atoll/drill/drill_report.h"
#include "tools/atoll/drill/package_index.h"
#include "tools/atoll/progress.h"
#include "topology/topology.h"

namespace atolldb::tools {

// Returns when every write of every loader is answered; fills in the report's phases, retries and errors.
// With `cluster`, kills its last region once about half of the load is answered, and starts it again after
// options.outage, or when the other loaders are done. Errors: a loader or the region cannot be started.
Status run_load(const topology::Topology& topology, DevCluster* cluster, const PackageIndex& index,
                const DrillOptions& options, Progress& progress, DrillReport& report);

}  // namespace atolldb::tools
