#include "storage/memtable.h"

#include <algorithm>

namespace atolldb::storage {

const std::optional<Bytes> Memtable::kErased;

void Memtable::erase_range(Bytes from, Bytes to) {
  if (from >= to) return;
  const auto first = map_.lower_bound(from), last = map_.lower_bound(to);
  for (auto it = first; it != last; ++it)
    bytes_ -= it->first.size() + kEntryBytes + (it->second ? it->second->size() : 0);
  map_.erase(first, last);
  // Joined with the ranges that it overlaps or touches.
  auto range = ranges_.upper_bound(to);
  while (range != ranges_.begin()) {
    --range;
    if (range->second < from) break;
    bytes_ -= range->first.size() + range->second.size() + kEntryBytes;
    from = std::min(from, range->first);
    to = std::max(to, range->second);
    range = ranges_.erase(range);
  }
  bytes_ += from.size() + to.size() + kEntryBytes;
  ranges_.emplace(std::move(from), std::move(to));
}

}  // namespace atolldb::storage
