#pragma once
// The memory of increments that were named by their clients (rule 14): committed with the increment on every
// replica of the region, kept for ten minutes and at most a million a node. Two meta entries each: by
// partition and id, to find one; by time, to forget the oldest.

#include <functional>
#include <optional>

#include "crdt/base/ids.h"
#include "region/core/request.h"
#include "storage/store.h"

namespace atolldb::region {

class RequestIds {
 public:
  static constexpr uint64_t kKeptMs = 600'000;
  static constexpr uint64_t kCountMax = 1'000'000;

  explicit RequestIds(storage::Store& store) : store_(store) {}

  static Bytes encode(const RequestId& id);
  // Adds the entries to the batch that commits the increment.
  void remember(PartitionId partition, BytesView id, const Dot& dot, uint64_t stamp_ms,
                storage::Batch& batch);
  // The dot under which the increment was counted.
  std::optional<Dot> find(PartitionId partition, BytesView id);
  // Puts the entries of ids that are too old, and of the `surplus` oldest, into the batch as erasures; at
  // most `count_max` at once. `forgotten` is told of each; a partition's ids made after the newest of its own
  // are all still known.
  void forget(uint64_t now_ms, uint64_t surplus, size_t count_max, storage::Batch& batch,
              const std::function<void(PartitionId, uint64_t stamp_ms)>& forgotten);
  // All of a partition, for a complete exchange; and back.
  void each(PartitionId partition, const std::function<void(BytesView id, BytesView entry)>& visit);
  void adopt(PartitionId partition, BytesView id, BytesView entry, storage::Batch& batch);
  uint64_t count();

 private:
  storage::Store& store_;
};

}  // namespace atolldb::region
