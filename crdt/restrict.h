#pragma once
// The part of a set of dots that some actors issued.

#include "crdt/dot_set.h"

namespace atolldb::crdt {

template <typename Keep>
DotSet restrict_to(const DotSet& set, Keep&& keep) {
  DotSet out;
  for (const DotSet::Entry& entry : set.entries()) {
    if (!keep(entry.actor)) continue;
    if (entry.base > 0) out.insert(entry.actor, 1, entry.base);
    for (const DotSet::Interval& interval : entry.above)
      out.insert(entry.actor, interval.first, interval.last);
  }
  return out;
}

}  // namespace atolldb::crdt
