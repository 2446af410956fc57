#pragma once
// Fields of maps are judged as strings are: each follows the rules of one. So that every checker does, an
// operation on a field, and what it left behind, stand under a key of their own: the map's, a dot, and the
// field's name. Loads use these few names.

#include <optional>
#include <string>

#include "crdt/row_key.h"

namespace atolldb::sim {

inline constexpr uint32_t kMapFields = 4;
inline constexpr char kMapLetter = 'p';  // begins the key of a map, and of nothing else

inline Bytes field_key(const Bytes& map, uint32_t field) { return map + ".f" + std::to_string(field); }
inline bool is_field_key(const Bytes& key) {
  return !key.empty() && key.front() == kMapLetter && key.find('.') != Bytes::npos;
}
// The key that a cluster knows.
inline Bytes key_of(const Bytes& key) { return is_field_key(key) ? key.substr(0, key.rfind('.')) : key; }
inline Bytes field_of(const Bytes& key) { return key.substr(key.rfind('.') + 1); }

inline std::optional<Bytes> field_key(const Bytes& map, const crdt::RowName& row) {
  for (uint32_t field = 0; field < kMapFields; ++field) {
    const Bytes key = field_key(map, field);
    if (crdt::field_row(field_of(key)) == row) return key;
  }
  return std::nullopt;
}

}  // namespace atolldb::sim
