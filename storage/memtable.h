#pragma once
// What the log has and LMDB has not yet: an ordered map from key to value or erasure, ranges in which
// everything below was erased, and the count of the bytes that it holds. One thread changes it; once frozen,
// any number may read it.

#include <map>
#include <optional>

#include "crdt/base/bytes.h"

namespace atolldb::storage {

class Memtable {
 public:
  using Map = std::map<Bytes, std::optional<Bytes>, std::less<>>;
  using Ranges = std::map<Bytes, Bytes, std::less<>>;  // from -> to, disjoint

  void change(Bytes&& key, std::optional<Bytes>&& value) {
    const size_t key_bytes = key.size();
    const size_t value_bytes = value ? value->size() : 0;
    auto [it, fresh] = map_.try_emplace(std::move(key));
    if (fresh)
      bytes_ += key_bytes + kEntryBytes;
    else
      bytes_ -= it->second ? it->second->size() : 0;
    it->second = std::move(value);
    bytes_ += value_bytes;
  }

  // Everything with from <= key < to, here and below. Entries made later stand above it.
  void erase_range(Bytes from, Bytes to);

  // Nothing: this memtable does not speak of the key. An empty optional inside: it was erased.
  const std::optional<Bytes>* find(BytesView key) const {
    const auto it = map_.find(key);
    if (it != map_.end()) return &it->second;
    return erased_until(key) ? &kErased : nullptr;
  }

  // The end of the erased range that the key lies in; nothing when it lies in none.
  const Bytes* erased_until(BytesView key) const {
    if (ranges_.empty()) return nullptr;
    auto range = ranges_.upper_bound(key);
    if (range == ranges_.begin()) return nullptr;
    --range;
    return key < range->second ? &range->second : nullptr;
  }

  const Map& entries() const { return map_; }
  const Ranges& ranges() const { return ranges_; }
  size_t bytes() const { return bytes_; }
  size_t size() const { return map_.size() + ranges_.size(); }

 private:
  static constexpr size_t kEntryBytes = 112;  // a tree node with its two strings' heads
  static const std::optional<Bytes> kErased;

  Map map_;
  Ranges ranges_;
  size_t bytes_ = 0;
};

}  // namespace atolldb::storage
