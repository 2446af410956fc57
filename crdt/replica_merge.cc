// Merging a delta (rules 1, 2, 4 and 10 of docs/data-model.md): fill on the way in, strip on the way out.
#include <algorithm>

#include "crdt/base/canary.h"
#include "crdt/replica_impl.h"

namespace atolldb::crdt {

namespace {

bool adds_nothing(const Part& part) {
  return part.context == Part::kNoContext && part.extra.empty() && part.live.empty() && !part.baseline &&
         part.baselines.empty();
}

struct Seen {
  const DotSet* context = nullptr;
  const DotSet& extra;
  bool contains(const Dot& dot) const { return by_clock(dot) || extra.contains(dot); }
  // A total needs no context: baselines say what was seen of it. Only a whole clock speaks of one (rule 4).
  bool contains(const Live& l) const { return l.is_total() ? by_clock(l.dot) : contains(l.dot); }
  bool by_clock(const Dot& dot) const { return context != nullptr && context->contains(dot); }
};

Seen seen_of(const Part& part, const std::vector<DotSet>& contexts) {
  return {part.context == Part::kNoContext ? nullptr : &contexts[part.context], part.extra};
}

// Totals join by the larger counter, baselines void up to theirs. True: something went.
bool join_totals(Row& row) {
  const size_t before = row.live.size();
  if (row.live.size() > 1) row.live.erase(row.live.begin(), row.live.end() - 1);
  if (row.baseline && !row.live.empty() && row.live.front().dot.counter <= row.baseline->counter)
    row.live.clear();
  row.context.clear();
  return row.live.size() != before;
}

}  // namespace

// What contexts in rows are stripped of: while scans run, only what the clock from before the first of them
// covers (rule 10).
const DotSet& Replica::retained() const {
  return scans_.empty() || canary(Canary::scan_strips_all) ? clock_ : scans_.begin()->second;
}

// Whether a running exchange's clock counts for this row: its place is behind the cursor (rule 11). Header,
// string, total and journal rows have their key's prefix as their place, elements and fields their row key.
bool Replica::has_arrived(const At& at, const RowName& name) const {
  if (!pull_) return false;
  if (canary(Canary::clock_before_range)) return true;
  if (is_item(name.tag)) return row_key(at.prefix, name) <= pull_->cursor;
  return at.prefix <= pull_->cursor;
}

Replica::Held Replica::hold(const At& at, const RowName& name) const {
  Held held;
  held.name = name;
  held.row_key = row_key(at.prefix, name);
  Bytes bytes;
  if (!rows_.get(held.row_key, bytes)) return held;
  held.present = true;
  held.row = decode_stored(name, bytes);
  held.digest = digest_of_row(held.row_key, name.tag, bytes);
  held.context_before = held.row.context;
  held.changed = strip_cleared(at.prefix, name, held.row);
  return held;
}

Replica::Held Replica::held_row(const RowKeyParts& parts, BytesView row_key, BytesView bytes, bool to_write) {
  Held held;
  held.name = parts.name;
  held.present = true;
  held.row = decode_stored(parts.name, bytes);
  if (!to_write) return held;
  held.row_key = row_key;
  held.digest = digest_of_row(row_key, parts.name.tag, bytes);
  held.context_before = held.row.context;
  return held;
}

// The rows that a clear changes, if they are not too many: then the clear goes on in steps, and these are the
// rows before the items. True: all.
bool Replica::walk_to_clear(const At& at, std::vector<Held>& out) {
  size_t items = 0, before = 0;
  bool at_journal = false;  // its rows are stepped over
  const auto visit = [&](BytesView key, BytesView bytes) {
    const std::optional<RowKeyParts> row = parse_row_key(key);
    ensure(row.has_value(), "the store holds row keys");
    at_journal = row->name.tag == RowTag::journal;
    if (at_journal) return false;
    if (!is_item(row->name.tag))
      ++before;
    else if (++items > cleared_at_once_max_)
      return false;
    out.push_back(held_row(*row, key, bytes, true));
    return true;
  };
  if (sweep_of(at.prefix) != nullptr) {
    rows_.walk(at.prefix, tag_begin(at.prefix, RowTag::element), std::cref(visit));
    return false;
  }
  const Bytes end = key_end(at.prefix);
  rows_.walk(at.prefix, end, std::cref(visit));
  if (at_journal) rows_.walk(tag_begin(at.prefix, RowTag::field), end, std::cref(visit));
  if (items <= cleared_at_once_max_) return true;
  out.resize(before);
  return false;
}

// The rows that these parts may change, in order. A clear may change every element and field, and then they
// and the rows before them are walked; of a write of this replica its mutator has just read the rows before
// the items.
std::vector<Replica::Held> Replica::hold_rows(const At& at, const std::vector<Part>& parts,
                                              const std::vector<DotSet>& contexts, bool whole) {
  std::vector<Held> out;
  bool clears = !parts.empty() && parts.front().name.tag == RowTag::header && !adds_nothing(parts.front());
  bool knows_strings = false, knows_items = false;
  if (remembered_ && remembered_->prefix == at.prefix && !(clears && remembered_->item_rows)) {
    out = std::move(remembered_->rows);
    knows_strings = true;
    knows_items = !remembered_->item_rows;
  } else if (clears) {
    knows_strings = true;
    knows_items = walk_to_clear(at, out);
    if (!knows_items) {
      begin_sweep(at, parts.front(), contexts, whole);
      clears = false;
    }
  }
  remembered_.reset();
  out.reserve(out.size() + parts.size() + 1);
  const auto by_name = [](const Held& h, const RowName& name) { return h.name < name; };
  const auto add = [&](const RowName& name) {
    const auto it = std::lower_bound(out.begin(), out.end(), name, by_name);
    if (it != out.end() && it->name == name) return;
    const bool known = is_item(name.tag) ? knows_items : name.tag != RowTag::journal && knows_strings;
    Held absent;
    absent.name = name;
    absent.row_key = row_key(at.prefix, name);
    out.insert(it, known ? std::move(absent) : hold(at, name));
  };
  for (const Part& part : parts) {
    if (is_item(part.name.tag) && !clears) add(header_row());
    add(part.name);
  }
  return out;
}

void Replica::merge(const At& at, Held& held, const Part& part, const std::vector<DotSet>& contexts,
                    const std::vector<DotSet>& rests, const DotSet* excluded) const {
  Row& row = held.row;
  const Seen seen = seen_of(part, contexts);
  if (!row.live.empty()) {
    const auto voided = [&](const Live& l) {
      if (canary(Canary::wall_clock_first) && !part.live.empty() && part.live.front().hlc < l.hlc)
        return false;
      if (canary(Canary::element_kept) && !part.live.empty()) return false;
      return seen.contains(l) && find(part.live, l.dot) == nullptr;
    };
    if (std::erase_if(row.live, voided) > 0) held.changed = true;
  }
  // A dot that the clock has and no row holds was removed.
  const auto gone = [&](const Live& l) {
    return (clock_.contains(l.dot) && !canary(Canary::removed_returns)) ||
           (!l.is_total() &&
            ((canary(Canary::remove_by_name) ? !row.context.empty() : row.context.contains(l.dot)) ||
             (excluded != nullptr && excluded->contains(l.dot)))) ||
           (pull_ && pull_->clock.contains(l.dot) && has_arrived(at, part.name));
  };
  for (const Live& l : part.live) {
    if (l.standing || row.find(l.dot) != nullptr || gone(l)) continue;
    if (canary(Canary::sibling_dropped) && part.name.tag == RowTag::string) row.live.clear();
    insert_sorted(row.live, l);
    row.subject = part.subject;
    held.changed = true;
  }
  if (join_baselines(row.baselines, part.baselines)) held.changed = true;
  if (part.name.tag == RowTag::field && join_totals(row.live, row.baselines)) held.changed = true;
  if (row.live.empty()) row.subject.clear();
  const std::optional<Baseline> baseline = later(row.baseline, part.baseline);
  if (baseline != row.baseline) {
    row.baseline = baseline;
    held.changed = true;
  }
  if (part.name.tag == RowTag::total) {
    if (join_totals(row)) held.changed = true;
    return;
  }
  const DotSet* rest = part.context == Part::kNoContext ? nullptr : &rests[part.context];
  if ((rest == nullptr || rest->empty()) && part.extra.empty()) return;
  DotSet context = rest == nullptr ? part.extra : join(*rest, part.extra);
  for (const Live& l : part.live) context.erase(l.dot);
  if (canary(Canary::context_not_kept)) return;
  row.context.join(context);
}

// One key's parts, header first. `joins`: the dots that the clock takes up with them; none in a repair.
void Replica::merge_key(BytesView key, const std::vector<DotSet>& contexts, const std::vector<Part>& parts,
                        const DotSet* joins) {
  const At at = locate(key);
  std::vector<Held> rows = hold_rows(at, parts, contexts, joins != nullptr);
  std::vector<DotSet> rests(contexts.size());
  for (size_t i = 0; i < contexts.size(); ++i)
    if (!retained().covers(contexts[i])) rests[i] = minus(contexts[i], retained());

  auto held = rows.begin();
  const Held* header = !rows.empty() && rows.front().name.tag == RowTag::header ? &rows.front() : nullptr;
  for (const Part& part : parts) {
    while (held->name < part.name) ++held;
    const bool excludes = is_item(part.name.tag) && header != nullptr && !canary(Canary::clear_by_element);
    merge(at, *held, part, contexts, rests, excludes ? &header->row.context : nullptr);
    if (part.name.tag != RowTag::header || adds_nothing(part)) continue;
    const Seen seen = seen_of(part, contexts);
    for (Held& row : rows) {  // the items of a cleared collection go; a field's totals by its own part
      if (!is_item(row.name.tag)) continue;
      std::erase_if(row.row.live, [&](const Live& l) {
        if (l.is_total() || !seen.contains(l.dot)) return false;
        row.row.context.insert(l.dot);
        return row.changed = true;
      });
      if (row.row.live.empty()) row.row.subject.clear();
    }
  }
  const auto adds = [](const Part& part) { return !part.live.empty(); };
  if (canary(Canary::remove_without_dot) && std::none_of(parts.begin(), parts.end(), adds)) joins = nullptr;
  if (joins != nullptr)
    clock_.join(*joins);
  else
    note_ahead(parts);
  for (Held& row : rows) store(at, row);
}

void Replica::store(const At& at, Held& held) {
  Row& row = held.row;
  if (!row.context.empty()) row.context.subtract(retained());
  if (!held.changed && row.context == held.context_before) return;
  if (!row.context.empty())
    waiting_.wait(held.row_key, {row.context.entries().back().actor, row.context.entries().back().last()});
  else if (!waiting_.empty())
    waiting_.remove(held.row_key);
  if (row.empty()) {
    if (held.changed && !canary(Canary::digest_left)) account(at.leaf, held.digest, std::nullopt);
    if (held.present) rows_.erase(held.row_key);
    return;
  }
  Bytes bytes = encode(row, held.name);
  if (held.changed) account(at.leaf, held.digest, digest_of_row(held.row_key, held.name.tag, bytes));
  if (!sweeps_.empty() && !row.live.empty() && is_item(held.name.tag)) note_live(at, held.name);
  rows_.put(held.row_key, std::move(bytes));
}

// Strips the rows that waited for one of these dots.
void Replica::settle(const DotSet& covered) {
  for (const Bytes& key : waiting_.take(covered)) {
    remembered_.reset();
    const std::optional<RowKeyParts> parts = parse_row_key(key);
    ensure(parts.has_value(), "rows wait under their row key");
    At at{parts->key, Bytes(parts->prefix), placement_.leaf_of(parts->place.hash)};
    Held held = hold(at, parts->name);
    if (!held.present) continue;
    store(at, held);
    if (held.row.context == held.context_before && !held.row.context.empty())
      waiting_.wait(key, {held.row.context.entries().back().actor, held.row.context.entries().back().last()});
  }
}

bool Replica::apply(const Delta& delta) {
  if (clock_.covers(delta.dots)) return false;
  merge_key(delta.key, delta.contexts, delta.parts, &delta.dots);
  if (scans_.empty()) settle(delta.dots);
  return true;
}

bool Replica::ready(const Delta& delta) const {
  if (canary(Canary::adds_in_any_order)) return true;
  for (const Part& part : delta.parts) {
    if (part.after_add > 0 && !clock_.contains({actor_of(part.name), part.after_add})) return false;
    for (const Dot& dot : part.after)
      if (!clock_.contains(dot)) return false;
  }
  return true;
}

}  // namespace atolldb::crdt
