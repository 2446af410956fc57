#pragma once
// Which region is near: by what the topology declares of its links, or by asking.

#include <chrono>
#include <optional>
#include <vector>

#include "client/loop.h"
#include "crdt/base/ids.h"
#include "topology/topology.h"

namespace atolldb::client {

// `home` first, then the others by the declared delay of their link to it, ties in the topology's order.
std::vector<RegionId> by_declared_distance(const topology::Topology& topology, RegionId home);

// The regions by `round_trips` (index = RegionId; nullopt: no answer, last in the topology's order). Round
// trips within a quarter and a millisecond of each other say nothing, and neither do any between regions that
// share a host: such regions keep the topology's order, so that a client asks the same one each time.
std::vector<RegionId> by_round_trips(
    const topology::Topology& topology,
    const std::vector<std::optional<std::chrono::steady_clock::duration>>& round_trips);

// All regions by the round trip of a ping to their nearest node, as above. Blocks until every region has
// answered or two seconds are over; half a second after the first answer at the latest.
std::vector<RegionId> by_measured_distance(Loop& loop);

}  // namespace atolldb::client
