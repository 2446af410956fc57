#pragma once
// A part of a delta: what one update does to one row (rule 1 of docs/data-model.md). What was seen and is not
// live in the part is void in the row.

#include <cstdint>
#include <optional>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/dot_set.h"
#include "crdt/row.h"
#include "crdt/row_key.h"

namespace atolldb::crdt {

struct Part {
  static constexpr uint32_t kNoContext = UINT32_MAX;

  RowName name;
  // What the coordinator had seen of the row: its clock, which all parts of a plain write share, and what
  // this row alone adds to it (kept context, and live dots that the clock does not cover).
  uint32_t context = kNoContext;  // index into the delta's contexts
  DotSet extra;
  std::vector<Live> live;            // what it adds, and what it names as left standing; sorted by dot
  Bytes subject;                     // as in Row
  std::optional<Baseline> baseline;  // of a total
  uint64_t after_add = 0;  // of a total: counter of the same actor's add before it; 0: none that still counts
  Baselines baselines;     // of a field
  std::vector<Dot> after;  // of a field: its actors' adds before these, where they still count; sorted
  friend bool operator==(const Part&, const Part&) = default;
};

}  // namespace atolldb::crdt
