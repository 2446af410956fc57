#pragma once
// Rows over std::map: what the data types are tested on.

#include <map>

#include "crdt/rows.h"

namespace atolldb::crdt {

class MapRows : public Rows {
 public:
  bool get(BytesView row_key, Bytes& row) override {
    const auto it = rows.find(row_key);
    if (it == rows.end()) return false;
    row = it->second;
    return true;
  }
  void put(BytesView row_key, Bytes&& row) override {
    ++puts;
    const auto it = rows.find(row_key);
    if (it == rows.end())
      rows.emplace(row_key, std::move(row));
    else
      it->second = std::move(row);
  }
  void erase(BytesView row_key) override {
    const auto it = rows.find(row_key);
    if (it != rows.end()) rows.erase(it);
  }
  void walk(BytesView from, BytesView to,
            const std::function<bool(BytesView key, BytesView row)>& visit) override {
    for (auto it = rows.lower_bound(from); it != rows.end() && BytesView(it->first) < to; ++it) {
      ++visited;
      if (!visit(it->first, it->second)) return;
    }
  }

  std::map<Bytes, Bytes, std::less<>> rows;
  uint64_t puts = 0, visited = 0;
};

}  // namespace atolldb::crdt
