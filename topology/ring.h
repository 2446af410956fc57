#pragma once
// Consistent hashing inside a region: 256 virtual nodes a node; a partition's preference list is the first N
// distinct nodes clockwise, spread over zones where there are enough of them (Dynamo, SOSP 2007,
// section 4.2).

#include <span>
#include <vector>

#include "topology/topology.h"

namespace atolldb::topology {

inline constexpr uint32_t kVirtualNodes = 256;

class Ring {
 public:
  Ring(const Topology& topology, RegionId region);
  // The preference list: min(N, nodes of the region) nodes, the first one coordinates while it is healthy.
  // Lives as long as the ring.
  std::span<const NodeNumber> replicas(PartitionId partition) const;

 private:
  size_t count_;                      // of replicas
  std::vector<NodeNumber> replicas_;  // by partition, one list behind the other
};

}  // namespace atolldb::topology
