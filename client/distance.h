#pragma once
// Which region is near: by what the topology declares of its links, or by asking.

#include <vector>

#include "client/loop.h"
#include "crdt/base/ids.h"
#include "topology/topology.h"

namespace atolldb::client {

// `home` first, then the others by the declared delay of their link to it, ties in the topology's order.
std::vector<RegionId> by_declared_distance(const topology::Topology& topology, RegionId home);

// All regions by the round trip of a ping to their nearest node; those that do not answer within two seconds
// come last, in the topology's order. Blocks until every region has answered or that time is over; half a
// second after the first answer at the latest.
std::vector<RegionId> by_measured_distance(Loop& loop);

}  // namespace atolldb::client
