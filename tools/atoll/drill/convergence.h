#pragma once
// When are all nodes equal? When for every partition all nodes that hold it, in every region, say the same
// digest of its live rows and the same clock (G3).

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "crdt/base/result.h"
#include "tools/atoll/drill/drill_report.h"
#include "tools/atoll/progress.h"
#include "topology/topology.h"

namespace atolldb::tools {

// What one node says of its partitions (Op::digest): partition -> digest and clock in one opaque text.
using PartitionDigests = std::map<uint32_t, std::string>;

// Errc::corrupt: not the JSON that docs/formats/client.md describes.
Result<PartitionDigests> parse_digests(std::string_view json);

// How many partitions are held differently by some two of the nodes.
size_t count_unequal(const std::vector<PartitionDigests>& nodes);

// Asks until all are equal or `limit` is over; fills in report.converged and report.converge_seconds.
// Errc::unavailable: a node that does not answer at all.
Status wait_until_equal(const topology::Topology& topology, Duration limit, Progress& progress,
                        DrillReport& report);

}  // namespace atolldb::tools
