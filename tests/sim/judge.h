#pragma once
// What a replica that has certain updates must hold of a key, from the definitions of docs/data-model.md
// alone: an update supersedes what its coordinator had of the rows that it touches, and nothing else goes.

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "tests/sim/facts.h"

namespace atolldb::sim {

struct KeyState {
  std::vector<const Update*> siblings;                         // sets that stand, the winner first
  std::vector<const Update*> adds;                             // that count
  std::map<crdt::RowId, std::vector<const Update*>> elements;  // with the sadds that stand
  bool is_string() const { return !siblings.empty() || !adds.empty(); }
};

class Judge {
 public:
  explicit Judge(const Facts& facts) : facts_(facts) {}

  // Of a replica that has exactly `had` of the key's partition.
  KeyState state(const Bytes& key, const crdt::DotSet& had) const;
  // What each update adds to a sum. Totals run on; this is the difference to the actor's add before.
  Int128 amount(const Update& add) const;
  // The value that a plain read shows; nothing: no string, or a sum beyond 64 bits.
  std::optional<Bytes> shown(const KeyState& state) const;
  // The first of the key's updates in `had` that supersedes the set, or the sadd in one of its rows.
  const Update* superseder(const Update& update, const crdt::RowName& row, const crdt::DotSet& had) const;
  // A plain read at `by`'s coordinator, just before it, would have shown this set.
  bool was_shown(const Update& set, const Update& by) const;

 private:
  const Facts& facts_;
};

}  // namespace atolldb::sim
