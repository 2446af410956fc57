#pragma once
// What the log has and LMDB has not yet: an ordered map from key to value or erasure, and the count of the
// bytes that it holds. One thread changes it; once frozen, any number may read it.

#include <map>
#include <optional>

#include "crdt/base/bytes.h"

namespace atolldb::storage {

class Memtable {
 public:
  using Map = std::map<Bytes, std::optional<Bytes>, std::less<>>;

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

  // Nothing: this memtable does not speak of the key. An empty optional inside: it was erased.
  const std::optional<Bytes>* find(BytesView key) const {
    const auto it = map_.find(key);
    return it == map_.end() ? nullptr : &it->second;
  }

  const Map& entries() const { return map_; }
  size_t bytes() const { return bytes_; }
  size_t size() const { return map_.size(); }

 private:
  static constexpr size_t kEntryBytes = 112;  // a tree node with its two strings' heads

  Map map_;
  size_t bytes_ = 0;
};

}  // namespace atolldb::storage
