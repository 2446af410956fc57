#pragma once
// A topology made in memory: regions "eu", "us", "ap" of three nodes each ("eu-1" has number 1, "us-1" number
// 4).

#include <string>

#include "topology/topology.h"

namespace atolldb::client {

inline topology::Topology small_cluster(size_t regions, size_t nodes = 3) {
  static const char* const kNames[] = {"eu", "us", "ap"};
  topology::Topology t;
  t.cluster = "test";
  t.placement.partitions = 16;
  for (size_t i = 0; i < regions; ++i) {
    topology::Region region;
    region.name = kNames[i];
    region.id = RegionId{static_cast<uint16_t>(i)};
    for (size_t j = 0; j < nodes; ++j) {
      topology::Node node;
      node.name = region.name + "-" + std::to_string(j + 1);
      node.number = NodeNumber{static_cast<uint16_t>(1 + i * nodes + j)};
      node.region = region.id;
      node.client = {"127.0.0.1", 1};  // nobody listens there
      region.nodes.push_back(node.number);
      t.nodes.push_back(node);
    }
    t.regions.push_back(region);
  }
  return t;
}

}  // namespace atolldb::client
