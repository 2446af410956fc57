#pragma once
// Where a key lives: its partition, and its place in the order of that partition's rows. The same in every
// region and fixed for the cluster's life.

#include <cstdint>

#include "crdt/base/ids.h"
#include "crdt/base/int128.h"
#include "crdt/base/siphash.h"

namespace atolldb {

inline constexpr uint32_t kTreeLeaves =
    256;  // leaves of a partition's hash tree: fan-out 16, two levels below the root

struct KeyPlace {
  PartitionId partition{};
  uint64_t hash = 0;
};

struct Placement {
  SipKey seed;
  uint32_t partitions = 256;  // 1 .. 65536

  KeyPlace place(BytesView key) const {
    const uint64_t hash = siphash24(seed, key);
    return {partition_of(hash), hash};
  }
  // Partitions and tree leaves are ranges of the hash, so that row order is tree order.
  PartitionId partition_of(uint64_t hash) const {
    return PartitionId{static_cast<uint16_t>((static_cast<Uint128>(hash) * partitions) >> 64)};
  }
  uint32_t leaf_of(uint64_t hash) const {
    const auto within = static_cast<uint64_t>(static_cast<Uint128>(hash) * partitions);
    return static_cast<uint32_t>((static_cast<Uint128>(within) * kTreeLeaves) >> 64);
  }
  friend bool operator==(const Placement&, const Placement&) = default;
};

}  // namespace atolldb
