#include "client/routes.h"

#include <algorithm>

namespace atolldb::client {

Routes::Routes(const topology::Topology& topology)
    : topology_(topology),
      rings_(topology.regions.size()),
      known_(topology.regions.size() * topology.placement.partitions) {}

size_t Routes::index(RegionId region, PartitionId partition) const {
  return size_t{raw(region)} * topology_.placement.partitions + raw(partition);
}

const topology::Ring& Routes::ring(RegionId region) {
  std::optional<topology::Ring>& ring = rings_[raw(region)];
  if (!ring) ring.emplace(topology_, region);
  return *ring;
}

void Routes::learn(RegionId region, PartitionId partition, const region::Response& response) {
  Known& known = known_[index(region, partition)];
  if (response.epoch < known.epoch) return;
  if (response.epoch > known.epoch)
    known.stamp_ms = 0;  // another coordinator's stamp says nothing of this one's
  known.epoch = response.epoch;
  known.stamp_ms = std::max(known.stamp_ms, response.stamp_ms);
  if (response.coordinator != NodeNumber{}) known.coordinator = response.coordinator;
}

void Routes::forget_coordinator(NodeNumber node) {
  for (Known& known : known_)
    if (known.coordinator == node) known.coordinator = NodeNumber{};
}

void Routes::forget_coordinator(RegionId region, PartitionId partition) {
  known_[index(region, partition)].coordinator = NodeNumber{};
}

const Routes::Known& Routes::known(RegionId region, PartitionId partition) const {
  return known_[index(region, partition)];
}

void Routes::order(RegionId region, PartitionId partition, Ask ask, std::vector<NodeNumber>& nodes) {
  nodes.clear();
  const auto add = [&nodes](NodeNumber node) {
    if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) nodes.push_back(node);
  };
  const std::vector<NodeNumber>& members = topology_.region(region).nodes;
  const NodeNumber coordinator = known(region, partition).coordinator;
  if (std::find(members.begin(), members.end(), coordinator) != members.end()) add(coordinator);
  for (const NodeNumber node : ring(region).replicas(partition)) add(node);
  if (ask == Ask::replicas) return;
  for (const NodeNumber node : members) add(node);
}

region::RequestId Routes::make_id(RegionId region, PartitionId partition, uint64_t nonce) const {
  const Known& known = this->known(region, partition);
  return {region, known.epoch, known.stamp_ms, nonce};
}

}  // namespace atolldb::client
