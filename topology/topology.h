#pragma once
// Who exists and where. Parsed from one TOML file, the same on every node and for every client
// (docs/topology.md).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crdt/base/ids.h"
#include "crdt/base/placement.h"
#include "crdt/base/result.h"

namespace atolldb::topology {

enum class Durability : uint8_t { strict, periodic };

struct Address {
  std::string host;
  uint16_t port = 0;
  std::string endpoint() const { return "tcp://" + host + ":" + std::to_string(port); }
};

struct Node {
  std::string name;     // unique in the cluster: "eu-1"
  NodeNumber number{};  // unique in the cluster, never reused
  RegionId region{};
  std::string zone;  // empty: the node is a zone of its own
  Address resp, http, peer, client;
  std::string public_key;  // CURVE, Z85, 40 characters
};

struct Region {
  std::string name;
  RegionId id{};
  uint32_t n = 3, r = 2, w = 2;
  std::vector<NodeNumber> nodes;  // in file order
};

struct Link {
  RegionId a{}, b{};
  uint32_t delay_ms = 0;              // added in each direction, for dev clusters
  uint64_t bytes_per_second_max = 0;  // 0: no cap
};

struct Topology {
  std::string cluster;
  Placement placement;  // seed and partitions
  Durability durability = Durability::strict;
  bool strict_disks = false;
  uint64_t outbox_bytes_max = uint64_t{1} << 30;
  uint64_t memtable_bytes = uint64_t{32} << 20;  // of each of the two
  std::vector<Region> regions;                   // index = RegionId
  std::vector<Node> nodes;                       // sorted by number
  std::vector<Link> links;
  std::string digest;  // hex hash of what must be equal on all nodes: cluster, seed, partitions

  const Node* find(std::string_view node_name) const;
  const Node* find(NodeNumber number) const;
  const Region* find_region(std::string_view name) const;
  const Region& region(RegionId id) const;
  const Link* link(RegionId a, RegionId b) const;
};

// All errors are Errc::invalid with "FILE:LINE:COLUMN: found ..., expected ..."; the first one found is
// returned.
Result<Topology> parse(std::string_view toml, std::string_view file_name);
Result<Topology> load(const std::string& path);

}  // namespace atolldb::topology
