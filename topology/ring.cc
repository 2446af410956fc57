#include "topology/ring.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <tuple>

#include "crdt/base/ensure.h"
#include "crdt/base/siphash.h"

namespace atolldb::topology {
namespace {

struct VirtualNode {
  uint64_t position = 0;
  NodeNumber node{};
  uint32_t zone = 0;  // index; a node without a zone has one of its own
  friend bool operator<(const VirtualNode& a, const VirtualNode& b) {
    return std::tie(a.position, a.node) < std::tie(b.position, b.node);
  }
};

// What is hashed onto the circle: a kind and two numbers, little-endian. Part of the cluster's format:
// another layout would move every partition.
enum class PointKind : unsigned char { virtual_node = 1, partition = 2 };

uint64_t point(const SipKey& seed, PointKind kind, uint32_t number, uint32_t index) {
  std::array<char, 9> bytes{static_cast<char>(kind)};
  for (size_t i = 0; i < 4; ++i) {
    bytes[1 + i] = static_cast<char>(number >> (8 * i));
    bytes[5 + i] = static_cast<char>(index >> (8 * i));
  }
  return siphash24(seed, BytesView(bytes.data(), bytes.size()));
}

std::vector<VirtualNode> circle_of(const Topology& topology, const Region& region) {
  std::map<std::string_view, uint32_t> zones;
  uint32_t zones_seen = 0;
  std::vector<VirtualNode> circle;
  circle.reserve(region.nodes.size() * kVirtualNodes);
  for (const NodeNumber number : region.nodes) {
    const Node* node = topology.find(number);
    ensure(node != nullptr, "a region's nodes are in the topology");
    const uint32_t zone =
        node->zone.empty() ? zones_seen++ : zones.try_emplace(node->zone, zones_seen).first->second;
    zones_seen = std::max(zones_seen, zone + 1);
    for (uint32_t i = 0; i < kVirtualNodes; ++i)
      circle.push_back(
          {point(topology.placement.seed, PointKind::virtual_node, raw(number), i), number, zone});
  }
  std::ranges::sort(circle, std::less<>{});
  return circle;
}

// The region's nodes in the order in which a walk clockwise from `from` first meets them; as far as it takes
// to meet `count` zones, or all nodes where there are fewer zones.
std::vector<const VirtualNode*> clockwise(const std::vector<VirtualNode>& circle, uint64_t from, size_t nodes,
                                          size_t count) {
  std::vector<const VirtualNode*> met;
  size_t zones = 0;
  const auto start = std::ranges::lower_bound(circle, from, {}, &VirtualNode::position) - circle.begin();
  for (size_t step = 0; step < circle.size() && met.size() < nodes && zones < count; ++step) {
    const VirtualNode& at = circle[(static_cast<size_t>(start) + step) % circle.size()];
    const bool new_node = std::ranges::none_of(met, [&](const auto* m) { return m->node == at.node; });
    if (!new_node) continue;
    if (std::ranges::none_of(met, [&](const auto* m) { return m->zone == at.zone; })) ++zones;
    met.push_back(&at);
  }
  return met;
}

// Takes `count` nodes clockwise, one from each zone in every round, so that no zone holds two replicas while
// another one that has a node left holds none.
std::vector<NodeNumber> spread_over_zones(std::vector<const VirtualNode*> candidates, size_t count) {
  std::vector<NodeNumber> chosen;
  while (chosen.size() < count) {
    std::vector<uint32_t> zones_used;
    std::vector<const VirtualNode*> passed_over;
    for (const VirtualNode* candidate : candidates) {
      const bool zone_used = std::ranges::find(zones_used, candidate->zone) != zones_used.end();
      if (zone_used || chosen.size() == count) {
        passed_over.push_back(candidate);
        continue;
      }
      zones_used.push_back(candidate->zone);
      chosen.push_back(candidate->node);
    }
    candidates = std::move(passed_over);
  }
  return chosen;
}

}  // namespace

Ring::Ring(const Topology& topology, RegionId region_id) {
  const Region& region = topology.region(region_id);
  const std::vector<VirtualNode> circle = circle_of(topology, region);
  count_ = std::min<size_t>(region.n, region.nodes.size());
  replicas_.reserve(topology.placement.partitions * count_);
  for (uint32_t p = 0; p < topology.placement.partitions; ++p) {
    const uint64_t from = point(topology.placement.seed, PointKind::partition, p, 0);
    const auto replicas = spread_over_zones(clockwise(circle, from, region.nodes.size(), count_), count_);
    replicas_.insert(replicas_.end(), replicas.begin(), replicas.end());
  }
}

std::span<const NodeNumber> Ring::replicas(PartitionId partition) const {
  const size_t first = raw(partition) * count_;
  ensure(first + count_ <= replicas_.size(), "a partition of this cluster");
  return std::span(replicas_).subspan(first, count_);
}

}  // namespace atolldb::topology
