#pragma once
// A partition's memory of increments that were named by their clients (rule 14): committed with the increment
// on every replica of the region, kept for ten minutes, and at most a million a node. One meta entry each, in
// the order of the stamps that the ids were made at, which is the order in which they are forgotten.

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
  static constexpr uint64_t kCountMax = 1'000'000;  // of a node

  RequestIds(storage::Store& store, PartitionId partition) : store_(store), partition_(partition) {}

  static Bytes encode(const RequestId& id);
  // The stamp that an encoded id was made at, in milliseconds.
  static uint64_t made_ms(BytesView id);

  // Adds the entry to the batch that commits the increment. The caller knows that the id is new.
  void remember(BytesView id, const Dot& dot, storage::Batch& batch) const;
  // The dot under which the increment was counted.
  std::optional<Dot> find(BytesView id) const;
  // Puts into the batch, as erasures, the oldest ids: those made after `from_ms` (where the caller knows that
  // nothing older is left) and up to `up_to_ms`, at most `count_max`. How many, and the highest stamp
  // forgotten: all made after that are still known.
  struct Forgotten {
    uint64_t count = 0, up_to_ms = 0;
  };
  Forgotten forget(uint64_t from_ms, uint64_t up_to_ms, size_t count_max, storage::Batch& batch) const;

  // For a complete exchange: entries behind a cursor (empty: all), in order, until `visit` answers false; the
  // cursor of an entry is its id.
  using Visitor = std::function<bool(BytesView id, BytesView entry)>;
  void walk(BytesView cursor, const Visitor& visit) const;
  // An entry as walk() gave it. False: it was known already.
  bool adopt(BytesView id, BytesView entry, storage::Batch& batch) const;

 private:
  Bytes key(BytesView id) const;

  storage::Store& store_;
  const PartitionId partition_;
};

}  // namespace atolldb::region
