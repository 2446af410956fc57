// Clearing large collections in steps: what a clear excludes is left out by everything that looks at an
// element's or a field's row, so that all else is as if the rows had gone at once; the sweeper takes them
// out, a bounded number in a step. docs/decisions/0018 has the argument.
#include <algorithm>

#include "crdt/base/canary.h"
#include "crdt/replica_impl.h"

namespace atolldb::crdt {

namespace {

constexpr size_t kLiveNamesMax = 4096;  // of all sweeps of a replica together

}  // namespace

bool Sweep::strip(const RowName& name, Row& row) const {
  if (!is_item(name.tag)) return false;
  const auto gone = [this](const Live& l) { return !l.is_total() && cleared.contains(l.dot); };
  if (std::erase_if(row.live, gone) == 0) return false;
  if (row.live.empty()) row.subject.clear();
  return true;
}

Bytes item_end(BytesView prefix, RowTag tag) {
  return tag == RowTag::element ? tag_begin(prefix, RowTag::journal) : key_end(prefix);
}

const Sweep* Replica::sweep_of(BytesView prefix) const {
  if (sweeps_.empty()) return nullptr;
  const auto at = sweeps_.find(prefix);
  return at == sweeps_.end() ? nullptr : &at->second;
}

// A row as it counts. True: a clear has taken something out of it.
bool Replica::strip_cleared(BytesView prefix, const RowName& name, Row& row) const {
  if (sweeps_.empty() || canary(Canary::cleared_row_shown)) return false;
  const Sweep* sweep = sweep_of(prefix);
  return sweep != nullptr && sweep->strip(name, row);
}

// The elements or fields behind `from` (empty: all) as they count. `live`: only rows that hold a live dot are
// asked for. The visitor must not change rows.
void Replica::walk_items(BytesView prefix, RowTag tag, BytesView from, bool live,
                         const std::function<bool(BytesView, BytesView)>& visit) const {
  const Bytes begin = from.empty() ? tag_begin(prefix, tag) : Bytes(from);
  const Bytes end = item_end(prefix, tag);
  const Sweep* sweep = sweep_of(prefix);
  if (sweep == nullptr) return rows_.walk(begin, end, visit);
  const auto visit_counting = [&](BytesView key, BytesView bytes) {
    const RowName name = parse_row_key(key)->name;
    Row row = decode_stored(name, bytes);
    if (!strip_cleared(prefix, name, row)) return visit(key, bytes);
    return row.empty() || visit(key, encode(row, name));
  };
  if (!live || !sweep->live) return rows_.walk(begin, end, std::cref(visit_counting));
  Bytes bytes;
  for (auto at = sweep->live->lower_bound({tag, {}}); at != sweep->live->end() && at->tag == tag; ++at) {
    const Bytes key = row_key(prefix, *at);
    if (key >= begin && rows_.get(key, bytes) && !visit_counting(key, bytes)) return;
  }
}

// Whether a row may hold a dot that the clock does not cover: then a clear must look at all of them.
bool Replica::any_ahead() const { return ahead_unknown_ || !clock_.covers(ahead_); }

// Of a merge that joins no clock.
void Replica::note_ahead(const std::vector<Part>& parts) {
  ahead_.subtract(clock_);
  for (const Part& part : parts)
    for (const Live& l : part.live)
      if (!l.standing && !clock_.contains(l.dot)) ahead_.insert(l.dot);
}

// `whole`: what the clear says of totals comes along. A header that arrives in an exchange speaks of siblings
// and elements alone.
void Replica::begin_sweep(const At& at, const Part& header, const std::vector<DotSet>& contexts, bool whole) {
  DotSet seen = header.extra;
  if (header.context != Part::kNoContext) seen.join(contexts[header.context]);
  const auto [it, fresh] = sweeps_.try_emplace(at.prefix);
  Sweep& sweep = it->second;
  sweep.again = !fresh && !sweep.cursor.empty();
  // Nothing that this replica holds is unseen: all rows go, but those that something is added to from now on.
  if (whole && !any_ahead() && seen.covers(clock_)) {
    forget_live(sweep);
    sweep.live.emplace();
  }
  sweep.cleared.join(seen);
}

void Replica::forget_live(Sweep& sweep) {
  if (sweep.live) live_names_ -= sweep.live->size();
  sweep.live.reset();
}

// A row was stored that holds a live dot.
void Replica::note_live(const At& at, const RowName& name) {
  const auto it = sweeps_.find(at.prefix);
  if (it == sweeps_.end() || !it->second.live) return;
  live_names_ += it->second.live->insert(name).second ? 1 : 0;
  if (live_names_ > kLiveNamesMax) forget_live(it->second);
}

bool Replica::sweeping() const { return !sweeps_.empty(); }

// One row after the other, as if each had been merged with the clear now.
void Replica::sweep(size_t rows_max) {
  if (sweeps_.empty()) return;
  remembered_.reset();
  const auto it = sweeps_.begin();
  const Bytes& prefix = it->first;
  Sweep& sweep = it->second;
  At at{{}, prefix, 0};
  std::vector<Held> cleared;
  size_t looked_at = 0;
  Bytes last;
  const auto visit = [&](BytesView key, BytesView bytes) {
    if (looked_at == rows_max) return false;
    ++looked_at;
    last = key;
    const std::optional<RowKeyParts> parts = parse_row_key(key);
    ensure(parts.has_value(), "the store holds row keys");
    at.leaf = placement_.leaf_of(parts->place.hash);
    Held held = held_row(*parts, key, bytes, true);
    held.changed = sweep.strip(held.name, held.row);
    if (held.changed) cleared.push_back(std::move(held));
    return true;
  };
  for (const RowTag tag : {RowTag::element, RowTag::field}) {
    const Bytes begin = tag_begin(prefix, tag), end = item_end(prefix, tag);
    const Bytes from = sweep.cursor < begin ? begin : sweep.cursor + '\0';
    if (from < end && looked_at < rows_max) rows_.walk(from, end, std::cref(visit));
  }
  for (Held& held : cleared) store(at, held);
  sweep.cursor = std::move(last);
  if (looked_at == rows_max && !canary(Canary::sweep_ends_early)) return;
  sweep.cursor.clear();
  if (std::exchange(sweep.again, false)) return;
  forget_live(sweep);
  sweeps_.erase(it);
}

}  // namespace atolldb::crdt
