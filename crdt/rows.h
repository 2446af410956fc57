#pragma once
// The rows of one partition as the data types see them: an ordered map from row key (crdt/row_key.h) to
// encoded row (crdt/row.h). Implemented over the store by region/core and over std::map by tests.

#include <functional>
#include <optional>

#include "crdt/base/bytes.h"

namespace atolldb::crdt {

class Rows {
 public:
  virtual ~Rows() = default;
  virtual bool get(BytesView row_key, Bytes& row) = 0;  // false: absent, and `row` is unchanged
  virtual void put(BytesView row_key, Bytes&& row) = 0;
  virtual void erase(BytesView row_key) = 0;
  // from <= key < to in order; the visitor returns false to stop and must not change rows.
  virtual void walk(BytesView from, BytesView to,
                    const std::function<bool(BytesView key, BytesView row)>& visit) = 0;
};

}  // namespace atolldb::crdt
