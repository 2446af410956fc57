#pragma once
// Clears that are under way (docs/decisions/0018). A clear of a large collection is merged by remembering
// what it has seen: from then on no dot of that counts in the collection's rows, and the rows go in bounded
// steps. Kept beside the rows, in the replica's state at a checkpoint.

#include <map>
#include <optional>
#include <set>

#include "crdt/base/bytes.h"
#include "crdt/dot_set.h"
#include "crdt/row.h"
#include "crdt/row_key.h"

namespace atolldb::crdt {

struct Sweep {
  DotSet cleared;      // siblings and elements' dots that count no more; totals have baselines for that
  Bytes cursor;        // row key: what is up to here has been looked at; empty: nothing yet
  bool again = false;  // another clear came meanwhile: once more from the beginning
  // Where it is known: the only rows that may hold a dot which still counts. Nothing: any row may. It spares
  // reads the way past what is not swept yet; forgotten over a restart and when it becomes too large.
  std::optional<std::set<RowName>> live;

  // Takes out what does not count. True: something went. What went leaves no context in the row: the
  // header's says the same of all rows.
  bool strip(const RowName& name, Row& row) const;
};

// By the prefix of the key.
using Sweeps = std::map<Bytes, Sweep, std::less<>>;

}  // namespace atolldb::crdt
