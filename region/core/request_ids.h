#pragma once
// The memory of increments that were named by their clients (rule 14): committed with the increment on every
// replica of the region, kept for ten minutes and at most a million a node. Two meta entries each: by
// partition and id, to find one; by stamp, to forget the oldest.

#include <functional>
#include <optional>

#include "crdt/base/ids.h"
#include "crdt/base/time.h"
#include "region/core/request.h"
#include "storage/store.h"

namespace atolldb::region {

class RequestIds {
 public:
  // Of this process's time: no wall clock decides what is forgotten.
  static constexpr Duration kKept = Duration::seconds(600);
  static constexpr uint64_t kCountMax = 1'000'000;

  explicit RequestIds(storage::Store& store) : store_(store) {}

  static Bytes encode(const RequestId& id);
  // Adds the entries to the batch that commits the increment.
  void remember(PartitionId partition, BytesView id, const Dot& dot, uint64_t stamp_ms,
                storage::Batch& batch);
  // The dot under which the increment was counted.
  std::optional<Dot> find(PartitionId partition, BytesView id);
  // Puts into the batch, as erasures, a partition's ids up to a stamp, and its `surplus` oldest; at most
  // `count_max` at once. The highest stamp that is forgotten by it, 0: none. The partition's ids made after
  // that are all still known.
  uint64_t forget(PartitionId partition, uint64_t up_to_ms, uint64_t surplus, size_t count_max,
                  storage::Batch& batch);
  // All of a partition, for a complete exchange; and back.
  void each(PartitionId partition, const std::function<void(BytesView id, BytesView entry)>& visit);
  void adopt(PartitionId partition, BytesView id, BytesView entry, storage::Batch& batch);
  uint64_t count(PartitionId partition);

 private:
  storage::Store& store_;
};

}  // namespace atolldb::region
