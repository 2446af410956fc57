#pragma once
// When are all nodes equal? When for every partition all nodes that hold it, in every region, say the same
// digest of its live rows, and those that hold the same partitions have the same clocks (G3).

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "crdt/base/result.h"
#include "tools/atoll/drill/drill_report.h"
#include "tools/atoll/progress.h"
#include "topology/topology.h"

namespace atolldb::tools {

// What one node says (Op::digest): for each partition its digest, and one entry for the clocks of all that it
// holds, which bears the name of them all.
using Digests = std::map<std::string, std::string>;

// Errc::corrupt: not the JSON that docs/formats/client.md describes.
Result<Digests> parse_digests(std::string_view json);

// How many entries some two of the nodes disagree on.
size_t count_unequal(const std::vector<Digests>& nodes);

// Asks until all are equal or `limit` is over; fills in report.converged and report.converge_seconds.
// Errc::unavailable: a node that does not answer at all.
Status wait_until_equal(const topology::Topology& topology, Duration limit, Progress& progress,
                        DrillReport& report);

}  // namespace atolldb::tools
