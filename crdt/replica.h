#pragma once
// One replica's data of one partition: a clock and the rows it speaks of. The data model of
// docs/data-model.md (its executable form is tests/model/data_model.py, class Replica); every rule named
// there is kept here and nowhere else.
//
// Writes come in two steps: a mutator looks at the rows and returns a Delta (delta mutators, Almeida et al.,
// 2018), which changes nothing; apply() merges a delta, own or foreign. Deltas may be applied in any order,
// with duplicates and gaps.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "crdt/base/ids.h"
#include "crdt/base/placement.h"
#include "crdt/base/result.h"
#include "crdt/delta.h"
#include "crdt/digest.h"
#include "crdt/dot_set.h"
#include "crdt/hlc.h"
#include "crdt/rows.h"
#include "crdt/sizes.h"
#include "crdt/sweeps.h"
#include "crdt/waiting_rows.h"

namespace atolldb::crdt {

// In the order in which a plain read looks for them, where concurrent creation gave a key several.
enum class Type : uint8_t { none = 0, string = 1, set = 2, map = 3 };

// What a plain read shows.
struct Shown {
  Type type = Type::none;
  Bytes value;  // of a string; a sum is its decimal digits
  uint32_t hidden =
      0;  // siblings and values of other types behind what is shown; of a collection, types alone
};

// All that one replica holds of a key: for `inspect` and the multi-value view.
struct Sibling {
  Dot dot;
  Hlc hlc;
  Bytes value;
};
struct RunningTotal {
  Dot dot;               // of its last add
  uint64_t started = 0;  // the counter it started at
  std::string sum;       // decimal, up to 128 bits
  uint64_t baseline_counter = 0;
  std::string baseline;  // decimal; empty = none
};
struct InspectedField {
  Bytes name;
  std::vector<Sibling> siblings;  // winner first
  std::vector<RunningTotal> totals;
};
struct Overwritten : Sibling {
  std::optional<Bytes> field;  // of a map: which one held it
};
struct Inspection {
  Type type = Type::none;
  std::vector<Sibling> siblings;  // winner first
  std::vector<RunningTotal> totals;
  std::vector<std::pair<Bytes, std::vector<Dot>>> elements;  // at most `elements_max`
  uint64_t element_count = 0;
  std::vector<InspectedField> fields;  // at most `elements_max`
  uint64_t field_count = 0;
  std::vector<Overwritten> journal;  // values that were overwritten unseen
  DotSet context;                    // kept contexts of the key's rows together
};

// What a mutator found. No delta: there is nothing to do (DEL of an absent key), and the answer is a read.
struct Mutation {
  std::optional<Delta> delta;
  int64_t count = 0;   // elements or fields added or removed, keys deleted
  Bytes value;         // of an add: the new sum in decimal
  bool found = false;  // where the update was asked for what was there: there was something
  std::vector<Bytes> values;
};

struct Units;  // of an exchange's chunk, decoded

class Replica {
 public:
  // `rows` outlives the replica. A new replica is empty; restore() brings one back. A collection of more rows
  // than `cleared_at_once_max` is cleared in steps (sweep()).
  Replica(PartitionId partition, const Placement& placement, Rows& rows,
          size_t cleared_at_once_max = kClearedAtOnceMax);
  Replica(Replica&&) noexcept;
  ~Replica();

  PartitionId partition() const;
  const DotSet& clock() const;

  // State that is kept beside the rows at a checkpoint (clock and tree leaves), and back. Errc::corrupt,
  // Errc::version.
  Bytes encode_state() const;
  Status restore(BytesView state);
  // Forgets everything: empty clock, empty tree. The caller has erased the rows.
  void reset();

  // -- reading
  Type type(BytesView key);           // what a plain read shows, without its value
  Result<Shown> read(BytesView key);  // Errc::overflow: the sum leaves 64 bits
  // Members in row order, at most `limit`, from `after` (a row id that an earlier call returned; empty = from
  // the start).
  struct Members {
    std::vector<Bytes> elements;
    Bytes next;  // empty: that was all
  };
  // Errc::wrong_type. No more than `limit`, nor once they have `bytes_max` together.
  Result<Members> members(BytesView key, BytesView after, size_t limit, size_t bytes_max = 8u << 20);
  Result<bool> contains(BytesView key, BytesView element);
  // Fields of a map with what a read of each shows, in row order; at most `limit`, and no more once their
  // names and values have `bytes_max` together. Errc::wrong_type; Errc::overflow: a field's sum leaves 64
  // bits.
  struct Fields {
    std::vector<std::pair<Bytes, Bytes>> fields;
    Bytes next;  // empty: that was all
  };
  Result<Fields> fields(BytesView key, BytesView after, size_t limit, size_t bytes_max);
  // Looks at every row and decodes none. Errc::wrong_type.
  Result<uint64_t> count_fields(BytesView key);
  Result<uint64_t> count_members(BytesView key);
  // Nothing: there is no such field.
  Result<std::optional<Bytes>> field(BytesView key, BytesView field);
  // The multi-value view of a string: every sibling, what was added on top, and the context that names them.
  struct Siblings {
    std::vector<Bytes> values;      // winner first, as they were set
    std::optional<Bytes> added;     // decimal: what counts of the adds; nothing: there are none
    bool set = false, map = false;  // values of other types that stand behind
    NamedContext context;
  };
  Result<Siblings> siblings(BytesView key);  // Errc::wrong_type
  Inspection inspect(BytesView key, size_t elements_max);

  // -- writing: each returns the delta that the update is. `dot` is fresh, `hlc` its stamp. Sizes are checked
  // here (Errc::too_large), types as ATOLL's section 3 (Errc::wrong_type), numbers (Errc::invalid,
  // Errc::overflow).
  Result<Mutation> set(BytesView key, BytesView value, const Dot& dot, Hlc hlc);
  Result<Mutation> del(BytesView key, const Dot& dot, Hlc hlc);
  Result<Mutation> add(BytesView key, int64_t amount, const Dot& dot, Hlc hlc);
  Result<Mutation> sadd(BytesView key, const std::vector<BytesView>& elements, const Dot& dot, Hlc hlc);
  // The key is this set and nothing else, whatever it was: a clear and the adds in one update.
  Result<Mutation> sreplace(BytesView key, const std::vector<BytesView>& elements, const Dot& dot, Hlc hlc);
  Result<Mutation> srem(BytesView key, const std::vector<BytesView>& elements, const Dot& dot, Hlc hlc);
  // A set over the siblings that `named` lists (live dots; of a total its start and sum); the rest is left
  // standing.
  Result<Mutation> set_with_context(BytesView key, BytesView value, const NamedContext& named, const Dot& dot,
                                    Hlc hlc);

  // Fields of a map, each like a string: a later value for the same field in one call stands.
  using FieldValue = std::pair<BytesView, BytesView>;
  Result<Mutation> hset(BytesView key, const std::vector<FieldValue>& fields, const Dot& dot, Hlc hlc);
  Result<Mutation> hdel(BytesView key, const std::vector<BytesView>& fields, const Dot& dot, Hlc hlc);
  Result<Mutation> hadd(BytesView key, BytesView field, int64_t amount, const Dot& dot, Hlc hlc);

  // Every element of a set, or field of a map, that this replica holds, in one update.
  Result<Mutation> clear(BytesView key, const Dot& dot, Hlc hlc);
  // Removes the journal record of `loser`, on every replica that this update reaches.
  Result<Mutation> expire(BytesView key, const Dot& loser, const Dot& dot, Hlc hlc);

  // -- merging
  // False: every dot of it was known and nothing changed. The caller has checked ready().
  bool apply(const Delta& delta);
  // Rule 13: an add joins only behind the same actor's add before it.
  bool ready(const Delta& delta) const;

  // -- clears in steps: whether rows lie here that a clear has excluded already, and the next so many of
  // them. Nothing shows the difference, but digests: they still count such rows.
  bool sweeping() const;
  void sweep(size_t rows_max);

  // -- digests over live rows, kept with every change
  Digest digest() const;
  Digest leaf(uint32_t leaf) const;

  // -- complete exchange, sender's side: while a scan runs, rows keep what the clock from before it does not
  // cover. Scans may overlap; each is named by its number.
  struct Scan {
    uint64_t number = 0;
    DotSet clock;  // as it was before the scan began
  };
  Scan begin_scan();
  // The next units behind `cursor` (empty = from the start), about `bytes_max` of them, encoded for
  // receive(). A range that is empty on the sender's side is spoken for too. A last chunk has an empty
  // `next`.
  struct Chunk {
    Bytes units;
    Bytes next;
  };
  Chunk scan(uint64_t number, BytesView cursor, size_t bytes_max);
  void end_scan(uint64_t number);

  // -- receiver's side. One exchange at a time; begin_pull abandons an earlier one. The sender's clock counts
  // for a range once the range has arrived, and is joined at the end.
  void begin_pull(const DotSet& sender_clock);
  // Merges one chunk in order. Errc::corrupt changes nothing. True: that was the last one and the clock has
  // been joined.
  Result<bool> receive(BytesView cursor, const Chunk& chunk);
  void abandon_pull();
  bool pulling() const;
  // What receive() expects next.
  BytesView pull_cursor() const;
  // Partial repair: the units of one chunk without their sender's clock.
  Status repair(BytesView units);

 private:
  struct At;    // a key, placed
  struct Held;  // a row, read to be changed
  struct View;
  struct Remembered;  // what a plain operation needs to know of a key
  struct Pull {
    DotSet clock;  // the sender's, from before its scan
    Bytes cursor;  // what has arrived: every position up to here
  };

  static std::optional<Pull> read_pull(Reader& reader);
  Sweeps read_sweeps(Reader& reader) const;
  At locate(BytesView key) const;
  std::optional<Row> get(const Bytes& row_key, const RowName& name) const;
  static Held held_row(const RowKeyParts& parts, BytesView row_key, BytesView bytes, bool to_write);
  View view(const At& at, bool to_write) const;
  void remember(At&& at, View&& view);
  bool any_live(const At& at, RowTag tag) const;
  Part over_field(const RowName& name, const Row& row, const View& view) const;

  // -- mutators (replica_string.cc, replica_set.cc, replica_map.cc)
  DotSet uncovered(const DotSet& context, const std::vector<Live>& live) const;
  Part seen_part(const RowName& name, const Row& row, const DotSet& excluded) const;
  Delta begin_delta(const At& at, const Dot& dot) const;
  void clear_parts(const At& at, const View& view, const Dot& dot, std::vector<Part>& parts) const;
  void walk_waiting(const Bytes& begin, const Bytes& end,
                    const std::function<bool(BytesView key, BytesView bytes)>& visit) const;
  Delta plain(const At& at, const View& view, const Dot& dot, std::vector<Live> live) const;

  // -- merging (replica_merge.cc)
  const DotSet& retained() const;
  bool has_arrived(const At& at, const RowName& name) const;
  Held hold(const At& at, const RowName& name) const;
  std::vector<Held> hold_rows(const At& at, const std::vector<Part>& parts,
                              const std::vector<DotSet>& contexts, bool whole);
  bool walk_to_clear(const At& at, std::vector<Held>& out);
  void merge(const At& at, Held& held, const Part& part, const std::vector<DotSet>& contexts,
             const std::vector<DotSet>& rests, const DotSet* excluded) const;
  void merge_key(BytesView key, const std::vector<DotSet>& contexts, const std::vector<Part>& parts,
                 const DotSet* joins);
  uint64_t count_live(BytesView prefix, RowTag tag) const;
  void store(const At& at, Held& held);
  void account(uint32_t leaf, const std::optional<Digest>& before, const std::optional<Digest>& after);
  void settle(const DotSet& covered);

  // -- clears in steps (replica_sweep.cc)
  const Sweep* sweep_of(BytesView prefix) const;
  bool strip_cleared(BytesView prefix, const RowName& name, Row& row) const;
  void walk_items(BytesView prefix, RowTag tag, BytesView from, bool live,
                  const std::function<bool(BytesView key, BytesView bytes)>& visit) const;
  bool any_ahead() const;
  void note_ahead(const std::vector<Part>& parts);
  void begin_sweep(const At& at, const Part& header, const std::vector<DotSet>& contexts, bool whole);
  void note_live(const At& at, const RowName& name);
  void forget_live(Sweep& sweep);

  // -- exchanges (replica_exchange.cc)
  std::vector<Bytes> own_rows(BytesView cursor, BytesView next);
  Status check_units(const Units& units, BytesView cursor, BytesView next) const;
  void merge_range(Units&& units, const std::vector<Bytes>& own);

  const PartitionId partition_;
  const Placement placement_;
  Rows& rows_;

  DotSet clock_;
  std::vector<Digest> leaves_;
  Digest root_;
  WaitingRows waiting_;

  const size_t cleared_at_once_max_;
  Sweeps sweeps_;
  size_t live_names_ = 0;       // in all of them
  DotSet ahead_;                // dots that exchanges and repairs brought ahead of the clock
  bool ahead_unknown_ = false;  // the state that was restored does not say

  std::unique_ptr<Remembered> remembered_;  // until anything changes

  uint64_t last_scan_ = 0;
  std::map<uint64_t, DotSet> scans_;  // the clocks from before; the oldest is part of all others
  std::optional<Pull> pull_;
};

}  // namespace atolldb::crdt
