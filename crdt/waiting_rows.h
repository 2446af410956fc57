#pragma once
// Which rows keep a context, so that it can be stripped when the clock has caught up. Each row waits under
// one dot of its context that the clock does not cover; when that dot comes, the row is looked at and, where
// something is left, waits under another. (Two watched literals, from SAT solvers, with one.)

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "crdt/dot_set.h"

namespace atolldb::crdt {

class WaitingRows {
 public:
  bool empty() const { return rows_.empty(); }
  void wait(const Bytes& row_key, const Dot& dot);
  void remove(const Bytes& row_key);
  // The rows that wait under one of these dots; they wait no more.
  std::vector<Bytes> take(const DotSet& dots);
  const std::map<Bytes, Dot>& rows() const { return rows_; }
  void clear();

 private:
  std::map<Bytes, Dot> rows_;
  std::set<std::pair<Dot, Bytes>> by_dot_;
};

}  // namespace atolldb::crdt
