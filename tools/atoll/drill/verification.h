#pragma once
// All nodes at once against the file, and the look around before a drill begins.

#include "crdt/base/result.h"
#include "tools/atoll/drill/drill_plan.h"
#include "tools/atoll/drill/drill_report.h"
#include "tools/atoll/drill/verifier.h"
#include "tools/atoll/progress.h"
#include "topology/topology.h"

namespace atolldb::tools {

// The keys of all nodes that are none of a drill's; they may stay. Errc::refused: a drill's own keys are
// there already and `loaded` is false, so that counts would be wrong from the start; or more than a million
// others.
Result<KeySet> find_foreign_keys(const topology::Topology& topology, bool loaded);

// Compares every node; fills in report.nodes and report.verify_seconds.
Status verify_nodes(const topology::Topology& topology, const Expectation& expected, const KeySet& foreign,
                    Progress& progress, DrillReport& report);

}  // namespace atolldb::tools
