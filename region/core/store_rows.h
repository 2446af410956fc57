#pragma once
// The rows of the data types over the store: what one update changes is gathered here and committed as one
// batch together with its log record; until then reads see it.

#include <map>
#include <optional>
#include <set>

#include "crdt/base/ids.h"
#include "crdt/rows.h"
#include "storage/store.h"

namespace atolldb::region {

class StoreRows final : public crdt::Rows {
 public:
  // `damaged`: where the partitions of damaged rows that are met go.
  StoreRows(storage::Store& store, std::set<PartitionId>& damaged) : store_(store), damaged_(damaged) {}

  bool get(BytesView row_key, Bytes& row) override;
  void put(BytesView row_key, Bytes&& row) override;
  void erase(BytesView row_key) override;
  void walk(BytesView from, BytesView to, const std::function<bool(BytesView, BytesView)>& visit) override;

  // Moves what was gathered into the batch.
  void drain(storage::Batch& batch);

 private:
  void met_damage(BytesView row_key);

  storage::Store& store_;
  std::map<Bytes, std::optional<Bytes>, std::less<>> pending_;
  std::set<PartitionId>& damaged_;
};

}  // namespace atolldb::region
