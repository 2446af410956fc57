#pragma once
// A set of dots as a version vector plus exceptions: for each actor a contiguous prefix 1..base and the
// intervals above it. One type for what the field calls clock (all dots a replica has processed), context
// (what an update had seen) and the acknowledgements of streams. DVVs after Almeida et al., DAIS 2014, and
// DottedDB (Gonçalves et al., SRDS 2017).
//
// Invariants: entries are sorted by actor and never empty; intervals are sorted, disjoint, not adjacent, and
// above base + 1.

#include <cstdint>
#include <functional>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "crdt/base/result.h"

namespace atolldb::crdt {

class DotSet {
 public:
  struct Interval {
    uint64_t first = 0, last = 0;
    friend bool operator==(const Interval&, const Interval&) = default;
  };
  struct Entry {
    Actor actor;
    uint64_t base = 0;  // 1..base are in
    std::vector<Interval> above;
    uint64_t last() const { return above.empty() ? base : above.back().last; }
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  bool empty() const { return entries_.empty(); }
  bool contains(const Dot& dot) const;
  bool covers(const DotSet& other) const;  // other is a subset
  bool intersects(const DotSet& other) const;
  void insert(const Dot& dot);
  void insert(const Actor& actor, uint64_t first, uint64_t last);
  void erase(const Dot& dot);
  void join(const DotSet& other);
  void subtract(const DotSet& other);
  void intersect(const DotSet& other);
  uint64_t last_of(const Actor& actor) const;  // the highest counter of an actor; 0: none
  const Entry* find(const Actor& actor) const;
  uint64_t size() const;  // dots; saturates
  const std::vector<Entry>& entries() const { return entries_; }
  // Every dot in order; false from the visitor stops.
  void each(const std::function<bool(const Dot&)>& visit) const;
  void clear() { entries_.clear(); }
  friend bool operator==(const DotSet&, const DotSet&) = default;

 private:
  std::vector<Entry> entries_;
};

DotSet join(DotSet a, const DotSet& b);
DotSet minus(DotSet a, const DotSet& b);

// Canonical: equal sets have equal bytes (docs/formats/dot-set.md). decode: Errc::corrupt when not canonical
// or over the limits; `bytes` is advanced past what was read.
void encode(const DotSet& set, Bytes& out);
Result<DotSet> decode_dot_set(BytesView& bytes);

}  // namespace atolldb::crdt
