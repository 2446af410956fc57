#include "topology/topology.h"

#include <algorithm>

namespace atolldb::topology {

const Node* Topology::find(std::string_view node_name) const {
  const auto it = std::ranges::find(nodes, node_name, &Node::name);
  return it == nodes.end() ? nullptr : &*it;
}

const Node* Topology::find(NodeNumber number) const {
  const auto it = std::ranges::lower_bound(nodes, number, {}, &Node::number);
  return it == nodes.end() || it->number != number ? nullptr : &*it;
}

const Region* Topology::find_region(std::string_view name) const {
  const auto it = std::ranges::find(regions, name, &Region::name);
  return it == regions.end() ? nullptr : &*it;
}

const Region& Topology::region(RegionId id) const {
  ensure(raw(id) < regions.size(), "a region of this topology");
  return regions[raw(id)];
}

const Link* Topology::link(RegionId a, RegionId b) const {
  const auto it = std::ranges::find_if(
      links, [&](const Link& l) { return (l.a == a && l.b == b) || (l.a == b && l.b == a); });
  return it == links.end() ? nullptr : &*it;
}

}  // namespace atolldb::topology
