#pragma once
// One row: the live dots that it holds with what they say, the baseline of a total, and the part of contexts
// that its replica's clock does not cover yet (DottedDB's fill and strip). A delta's parts and an exchange's
// units are made of the same pieces.

#include <cstdint>
#include <optional>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "crdt/base/int128.h"
#include "crdt/base/result.h"
#include "crdt/digest.h"
#include "crdt/dot_set.h"
#include "crdt/hlc.h"
#include "crdt/row_key.h"

namespace atolldb::crdt {

class Reader;
class Writer;

// One live dot and what it says. Of an element and a journal record that is the row's subject alone.
struct Live {
  Dot dot;
  bool standing = false;  // only in a delta's part: the dot is left standing, and its value is not repeated
  Hlc hlc;                // of a sibling
  Bytes value;            // of a sibling
  uint64_t started = 0;   // of a total: the counter it started at
  Int128 sum = 0;         // of a total: of the adds started .. dot.counter
  bool is_total() const { return started > 0; }
  friend bool operator==(const Live&, const Live&) = default;
};

// What deletes and overwrites had observed of a total: its adds up to `counter`, with their sum.
struct Baseline {
  uint64_t counter = 0;
  Int128 sum = 0;
  friend bool operator==(const Baseline&, const Baseline&) = default;
};

// Baselines join by the larger observed counter.
std::optional<Baseline> later(const std::optional<Baseline>& a, const std::optional<Baseline>& b);

// A field's row holds the totals of all actors, and their baselines; sorted by actor.
struct ActorBaseline {
  Actor actor;
  Baseline baseline;
  friend bool operator==(const ActorBaseline&, const ActorBaseline&) = default;
};
using Baselines = std::vector<ActorBaseline>;
std::optional<Baseline> baseline_of(const Baselines& baselines, const Actor& actor);
// Actor by actor. True: something changed.
bool join_baseline(Baselines& into, const Actor& actor, const Baseline& baseline);
bool join_baselines(Baselines& into, const Baselines& from);
// A field's totals join as rows of totals do: of each actor the one with the larger counter stays, unless its
// baseline voids it. True: something went.
bool join_totals(std::vector<Live>& live, const Baselines& baselines);

// A value that was overwritten unseen, as its journal row's subject holds it.
struct JournalRecord {
  RowTag type = RowTag::string;  // what it is: a string's or field's sibling, a total or an element
  Dot loser;
  Hlc hlc;                     // of a string
  Bytes value;                 // of a string or an element
  uint64_t started = 0;        // of a total
  Int128 sum = 0;              // of a total
  std::optional<Bytes> field;  // of a map's: the name of the field that held the sibling or the total
  friend bool operator==(const JournalRecord&, const JournalRecord&) = default;
};
Bytes encode(const JournalRecord& record);
Result<JournalRecord> decode_journal_record(BytesView bytes);
RowName name_of(const JournalRecord& record);

struct Row {
  uint64_t expiry_ms = 0;  // reserved: always 0 in this version
  std::vector<Live> live;  // sorted by dot
  Bytes subject;  // an element, an encoded journal record or a field's name; empty where no dot is live
  std::optional<Baseline> baseline;  // of a row of a total
  Baselines baselines;               // of a field
  DotSet context;  // dots that are void in this row and that the replica's clock does not cover yet

  bool empty() const { return live.empty() && !baseline && baselines.empty() && context.empty(); }
  const Live* find(const Dot& dot) const;
  friend bool operator==(const Row&, const Row&) = default;
};

const Live* find(const std::vector<Live>& live, const Dot& dot);
// Requires: live is sorted and does not hold that dot.
void insert_sorted(std::vector<Live>& live, Live item);

// Canonical, versioned MessagePack (docs/formats/row.md). decode validates the row against its name.
// Errc::version, Errc::corrupt.
Bytes encode(const Row& row, const RowName& name);
Result<Row> decode_row(const RowName& name, BytesView bytes);

// Whether an encoded row has a live dot, without decoding it. Requires: `bytes` is a row.
bool holds_live(BytesView bytes);

// Whether an encoded field holds one sibling and nothing else: no totals, no baselines, no context. Requires:
// `bytes` is a field's row.
bool is_plain_field(BytesView bytes);

// What digests cover of an encoded row: its live dots, without context, and without a baseline that bears on
// no live total (rule 12). Nothing: no live dot. Requires: `bytes` is a row of that name.
std::optional<Digest> digest_of_row(BytesView row_key, RowTag tag, BytesView bytes);

}  // namespace atolldb::crdt
