#pragma once
// The rows of the data types over the store: what one update changes is gathered here and committed as one
// batch together with its log record; until then reads see it.

#include <map>
#include <optional>

#include "crdt/rows.h"
#include "storage/store.h"

namespace atolldb::region {

class StoreRows final : public crdt::Rows {
 public:
  explicit StoreRows(storage::Store& store) : store_(store) {}

  bool get(BytesView row_key, Bytes& row) override;
  void put(BytesView row_key, Bytes&& row) override;
  void erase(BytesView row_key) override;
  void walk(BytesView from, BytesView to, const std::function<bool(BytesView, BytesView)>& visit) override;

  // Moves what was gathered into the batch.
  void drain(storage::Batch& batch);
  // A damaged row was met since the last call.
  bool take_damaged() { return std::exchange(damaged_, false); }

 private:
  storage::Store& store_;
  std::map<Bytes, std::optional<Bytes>, std::less<>> pending_;
  bool damaged_ = false;
};

}  // namespace atolldb::region
