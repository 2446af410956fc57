#include "region/core/store_rows.h"

#include "crdt/base/canary.h"
#include "crdt/base/ensure.h"

namespace atolldb::region {
namespace {

// Of a row, or of a walk, which never leaves its partition.
PartitionId partition_of(BytesView row_key) {
  ensure(row_key.size() >= 2, "row keys begin with their partition");
  return PartitionId{static_cast<uint16_t>(static_cast<unsigned char>(row_key[0]) << 8 |
                                           static_cast<unsigned char>(row_key[1]))};
}

}  // namespace

void StoreRows::met_damage(BytesView row_key) {
  if (!canary(Canary::damaged_row_absent)) damaged_.insert(partition_of(row_key));
}

bool StoreRows::get(BytesView row_key, Bytes& row) {
  if (!pending_.empty()) {
    if (auto at = pending_.find(row_key); at != pending_.end()) {
      if (at->second) row = *at->second;
      return at->second.has_value();
    }
  }
  const storage::Found found = store_.get(row_key, row);
  if (found == storage::Found::damaged) met_damage(row_key);
  return found == storage::Found::yes;
}

void StoreRows::put(BytesView row_key, Bytes&& row) {
  auto at = pending_.lower_bound(row_key);
  if (at != pending_.end() && at->first == row_key)
    at->second = std::move(row);
  else
    pending_.emplace_hint(at, Bytes(row_key), std::move(row));
}

void StoreRows::erase(BytesView row_key) {
  auto at = pending_.lower_bound(row_key);
  if (at != pending_.end() && at->first == row_key)
    at->second = std::nullopt;
  else
    pending_.emplace_hint(at, Bytes(row_key), std::nullopt);
}

void StoreRows::walk(BytesView from, BytesView to, const std::function<bool(BytesView, BytesView)>& visit) {
  if (pending_.empty()) {
    if (!store_.walk(from, to, visit)) met_damage(from);
    return;
  }
  auto at = pending_.lower_bound(from);
  bool going = true;
  const auto pending_before = [&](BytesView bound) {
    for (; going && at != pending_.end() && at->first < bound; ++at)
      if (at->second) going = visit(at->first, *at->second);
  };
  const bool intact = store_.walk(from, to, [&](BytesView key, BytesView value) {
    pending_before(key);
    if (!going) return false;
    if (at != pending_.end() && at->first == key) {
      if (at->second) going = visit(key, *at->second);
      ++at;
    } else {
      going = visit(key, value);
    }
    return going;
  });
  if (!intact) met_damage(from);
  pending_before(to);
}

void StoreRows::drain(storage::Batch& batch) {
  while (!pending_.empty()) {
    auto node = pending_.extract(pending_.begin());
    batch.rows.push_back({std::move(node.key()), std::move(node.mapped())});
  }
}

}  // namespace atolldb::region
