#pragma once
// The identities that every room speaks of. Distinct types, so that a partition cannot be passed as a node.

#include <compare>
#include <cstdint>
#include <string>

namespace atolldb {

enum class NodeNumber : uint16_t {};   // unique in the cluster, never reused
enum class PartitionId : uint16_t {};  // 0 .. partitions - 1
enum class RegionId : uint16_t {};     // index of the region in the topology's order of appearance

constexpr uint16_t raw(NodeNumber n) { return static_cast<uint16_t>(n); }
constexpr uint16_t raw(PartitionId p) { return static_cast<uint16_t>(p); }
constexpr uint16_t raw(RegionId r) { return static_cast<uint16_t>(r); }

// Who issues dots: one process of one node. Fresh at every process start, durable before its first dot (G12).
// `random` keeps two copies of one disk apart even when nobody who knows better can be reached.
struct Actor {
  NodeNumber node{};
  uint32_t start = 0;  // number of the process start, above every one that reachable peers know of this node
  uint32_t random = 0;
  friend constexpr auto operator<=>(const Actor&, const Actor&) = default;
};

inline constexpr uint64_t kDotCounterMax =
    (uint64_t{1} << 48) - 1;  // a dot packs into 16 bytes: 2 + 4 + 4 + 6

// The name of exactly one update. Counters run per actor and partition, from 1.
struct Dot {
  Actor actor;
  uint64_t counter = 0;
  friend constexpr auto operator<=>(const Dot&, const Dot&) = default;
};

// Under which coordinator something entered a region's partition (rule 2 of docs/coordinator.md). Default:
// below every epoch.
struct Epoch {
  uint64_t number = 0;
  NodeNumber node{};
  uint32_t start = 0;
  friend constexpr auto operator<=>(const Epoch&, const Epoch&) = default;
};

inline std::string to_string(const Actor& a) {
  return std::to_string(raw(a.node)) + "." + std::to_string(a.start) + "." + std::to_string(a.random);
}
inline std::string to_string(const Dot& d) { return to_string(d.actor) + ":" + std::to_string(d.counter); }
inline std::string to_string(const Epoch& e) {
  return std::to_string(e.number) + "." + std::to_string(raw(e.node)) + "." + std::to_string(e.start);
}

}  // namespace atolldb
