// Complete exchange of a partition (rules 9 to 11), and repair of single units.
//
// The exchange walks the partition in *places*: a key's header, string, total and journal rows are one unit,
// whose place is the key's prefix; an element or a field is a unit, whose place is its row key. A prefix
// sorts before all that it begins, so that a key's unit comes before its elements. A chunk covers the places
// in (cursor, next], on both sides: a row that only the receiver has in there is spoken for by what the
// sender has seen. Both bring their key's unit along, so a chunk that begins inside a key repeats the unit.
#include <algorithm>

#include "crdt/base/canary.h"
#include "crdt/replica_impl.h"
#include "crdt/units_codec.h"

namespace atolldb::crdt {

namespace {

constexpr size_t kRowOverhead = 24;  // of a row in a chunk besides its bytes: tag, id, lengths

// The prefix that a place lies in; empty when it is none.
BytesView prefix_of(BytesView place) {
  constexpr size_t kBeforeKey = 12;
  if (place.size() < kBeforeKey) return {};
  const size_t key_size =
      static_cast<size_t>(static_cast<uint8_t>(place[10])) << 8 | static_cast<uint8_t>(place[11]);
  if (key_size > kKeyBytesMax || place.size() < kBeforeKey + key_size) return {};
  return place.substr(0, kBeforeKey + key_size);
}

// Whether a chunk that begins behind this place begins inside a key: behind an item, not at the key's end.
bool inside_key(BytesView place) { return parse_row_key(place).has_value(); }

Bytes behind(BytesView place) { return Bytes(place) + '\0'; }

// Collects what a chunk carries while rows are walked in order.
class ChunkBuilder {
 public:
  ChunkBuilder(size_t bytes_max) : bytes_max_(bytes_max) {}

  // False: the chunk is full, and this row is the first of the next one.
  bool add(const RowKeyParts& row, BytesView bytes) {
    if (!enter(row)) return false;
    append(row.name, bytes);
    return true;
  }
  // The same of a row in which nothing is left since a clear.
  bool skip(const RowKeyParts& row) {
    if (!enter(row)) return false;
    last_item_ = row.name;
    size_ += kRowOverhead;
    return true;
  }
  void begin_key(BytesView prefix, BytesView key) {
    prefix_ = prefix;
    last_item_.reset();
    keys_.push_back({Bytes(key), {}, {}});
    size_ += key.size() + 8;
  }
  void append(const RowName& name, BytesView bytes) {
    auto& rows = is_item(name.tag) ? keys_.back().elements : keys_.back().rows;
    rows.push_back({name, Bytes(bytes)});
    if (is_item(name.tag)) last_item_ = name;
    size_ += bytes.size() + kRowOverhead;
  }
  // Of what kind the item is that the next chunk begins with, where this one ends inside a key.
  std::optional<RowTag> stopped_at() const { return stopped_at_; }
  const Bytes& prefix() const { return prefix_; }
  // Where the chunk ends, when it is not the last.
  Bytes next() const { return stopped_at_ ? row_key(prefix_, *last_item_) : key_end(prefix_); }
  const std::vector<EncodedKey>& keys() const { return keys_; }

 private:
  bool enter(const RowKeyParts& row) {
    if (keys_.empty() || prefix_ != row.prefix) {
      if (full()) return false;
      begin_key(row.prefix, row.key);
    } else if (is_item(row.name.tag) && full() && last_item_) {
      stopped_at_ = row.name.tag;
      return false;
    }
    return true;
  }
  bool full() const { return size_ >= bytes_max_; }

  const size_t bytes_max_;
  size_t size_ = 0;
  Bytes prefix_;
  std::vector<EncodedKey> keys_;
  std::optional<RowName> last_item_;  // of the last key
  std::optional<RowTag> stopped_at_;
};

Part part_of(NamedRow&& item) {
  Part part;
  part.name = item.name;
  // A header says what its own context excludes, and nothing of what its sender's clock covers.
  if (part.name.tag != RowTag::header) part.context = 0;
  part.extra = std::move(item.row.context);
  part.live = std::move(item.row.live);
  part.subject = std::move(item.row.subject);
  part.baseline = item.row.baseline;
  part.baselines = std::move(item.row.baselines);
  return part;
}

Part absent_part(const RowName& name) {
  Part part;
  part.name = name;
  part.context = 0;
  return part;
}

// What a unit does not bring is spoken for too: the rows that the receiver holds, and where there is anything
// of a key's unit on either side, its string row.
void add_absent(std::vector<RowName> held, std::vector<Part>& parts) {
  if (canary(Canary::absent_not_spoken_for)) return;
  const auto in_unit = [](const RowName& name) { return !is_item(name.tag); };
  if (std::any_of(held.begin(), held.end(), in_unit) ||
      std::any_of(parts.begin(), parts.end(), [&](const Part& part) { return in_unit(part.name); }))
    held.push_back(string_row());
  const auto at_name = [](const Part& p, const RowName& name) { return p.name < name; };
  const auto by_name = [](const Part& a, const Part& b) { return a.name < b.name; };
  std::sort(held.begin(), held.end());
  held.erase(std::unique(held.begin(), held.end()), held.end());
  std::vector<Part> absent;
  for (const RowName& name : held) {
    const auto it = std::lower_bound(parts.begin(), parts.end(), name, at_name);
    if (name.tag != RowTag::header && (it == parts.end() || it->name != name))
      absent.push_back(absent_part(name));
  }
  const auto sent = static_cast<ptrdiff_t>(parts.size());
  parts.insert(parts.end(), std::make_move_iterator(absent.begin()), std::make_move_iterator(absent.end()));
  std::inplace_merge(parts.begin(), parts.begin() + sent, parts.end(), by_name);
}

// In row order: journal records come between elements and fields.
std::vector<Part> parts_of(KeyUnits&& units) {
  std::vector<Part> parts;
  parts.reserve(units.rows.size() + units.elements.size());
  for (NamedRow& row : units.rows) parts.push_back(part_of(std::move(row)));
  for (NamedRow& row : units.elements) parts.push_back(part_of(std::move(row)));
  std::inplace_merge(parts.begin(), parts.begin() + static_cast<ptrdiff_t>(units.rows.size()), parts.end(),
                     [](const Part& a, const Part& b) { return a.name < b.name; });
  return parts;
}

}  // namespace

Replica::Scan Replica::begin_scan() {
  scans_.emplace(++last_scan_, clock_);
  return {last_scan_, clock_};
}

Replica::Chunk Replica::scan(uint64_t number, BytesView cursor, size_t bytes_max) {
  ensure(scans_.contains(number), "a scan is begun before it is read");
  ChunkBuilder chunk(bytes_max);
  const auto add = [&](BytesView key, BytesView bytes) {
    const std::optional<RowKeyParts> row = parse_row_key(key);
    ensure(row.has_value(), "the store holds row keys");
    if (sweeps_.empty() || sweep_of(row->prefix) == nullptr) return chunk.add(*row, bytes);
    Row counting = decode_stored(row->name, bytes);
    if (!strip_cleared(row->prefix, row->name, counting)) return chunk.add(*row, bytes);
    return counting.empty() ? chunk.skip(*row) : chunk.add(*row, encode(counting, row->name));
  };
  const auto append = [&](BytesView key, BytesView bytes) {
    chunk.append(parse_row_key(key)->name, bytes);
    return true;
  };
  if (inside_key(cursor)) {  // the key's unit comes along again
    const std::optional<RowKeyParts> at = parse_row_key(cursor);
    chunk.begin_key(at->prefix, at->key);
    rows_.walk(at->prefix, tag_begin(at->prefix, RowTag::element), std::cref(append));
    if (at->name.tag == RowTag::field)  // its journal rows are behind the cursor
      rows_.walk(tag_begin(at->prefix, RowTag::journal), tag_begin(at->prefix, RowTag::field),
                 std::cref(append));
  }
  bool all = true;
  const auto add_or_stop = [&](BytesView key, BytesView bytes) { return all = add(key, bytes); };
  rows_.walk(cursor.empty() ? partition_begin(partition_) : behind(cursor), partition_end(partition_),
             std::cref(add_or_stop));
  if (chunk.stopped_at() == RowTag::element)  // its journal rows lie behind its elements
    rows_.walk(tag_begin(chunk.prefix(), RowTag::journal), tag_begin(chunk.prefix(), RowTag::field),
               std::cref(append));
  return {encode_units(clock_, chunk.keys()), all ? Bytes() : chunk.next()};
}

void Replica::end_scan(uint64_t number) {
  scans_.erase(number);
  settle(retained());
}

void Replica::begin_pull(const DotSet& sender_clock) {
  pull_ = Pull{sender_clock, {}};
  if (canary(Canary::clock_before_rows)) clock_.join(sender_clock);
}
void Replica::abandon_pull() { pull_.reset(); }
bool Replica::pulling() const { return pull_.has_value(); }
BytesView Replica::pull_cursor() const { return pull_ ? BytesView(pull_->cursor) : BytesView(); }

// The row keys that this replica holds at places in (cursor, next]; of a key that the range begins or ends
// inside, all rows but the items outside.
std::vector<Bytes> Replica::own_rows(BytesView cursor, BytesView next) {
  std::vector<Bytes> out;
  const auto visit = [&](BytesView key, BytesView) {
    const bool item = is_item(parse_row_key(key)->name.tag);
    if (!item || (key > cursor && (next.empty() || key <= next))) out.emplace_back(key);
    return true;
  };
  const Bytes from = cursor.empty()       ? partition_begin(partition_)
                     : inside_key(cursor) ? Bytes(parse_row_key(cursor)->prefix)
                                          : behind(cursor);
  const Bytes to = next.empty()       ? partition_end(partition_)
                   : inside_key(next) ? key_end(parse_row_key(next)->prefix)
                                      : Bytes(next);
  rows_.walk(from, to, std::cref(visit));
  return out;
}

Result<bool> Replica::receive(BytesView cursor, const Chunk& chunk) {
  if (!pull_) return {Errc::invalid, "a chunk came while no exchange runs"};
  if (cursor != pull_->cursor) return {Errc::invalid, "a chunk came out of order"};
  if (!chunk.next.empty() && (chunk.next <= Bytes(cursor) || prefix_of(chunk.next).empty()))
    return {Errc::corrupt, "a chunk ends before it begins"};
  Result<Units> units = decode_units(chunk.units);
  if (!units) return units.error();
  if (Status checked = check_units(*units, cursor, chunk.next); !checked) return checked.error();

  merge_range(std::move(*units), own_rows(cursor, chunk.next));
  pull_->cursor = chunk.next;
  if (!chunk.next.empty() && !canary(Canary::exchange_ends_early)) return false;
  const DotSet sender = std::move(pull_->clock);
  pull_.reset();
  clock_.join(sender);
  if (scans_.empty()) settle(sender);
  return true;
}

// Places in order, in this partition, and in the range.
Status Replica::check_units(const Units& units, BytesView cursor, BytesView next) const {
  Bytes previous;
  for (const KeyUnits& key : units.keys) {
    const KeyPlace place = placement_.place(key.key);
    if (place.partition != partition_) return {Errc::corrupt, "units: a key of another partition"};
    const Bytes prefix = key_prefix(place, key.key);
    if (prefix <= previous) return {Errc::corrupt, "units: keys out of order"};
    if (!next.empty() && prefix > next) return {Errc::corrupt, "units: a key behind the chunk's end"};
    if (prefix < cursor && !(inside_key(cursor) && cursor.starts_with(prefix)))
      return {Errc::corrupt, "units: a key before the chunk's beginning"};
    for (const NamedRow& element : key.elements) {
      const Bytes at = row_key(prefix, element.name);
      if (at <= cursor || (!next.empty() && at > next))
        return {Errc::corrupt, "units: an element out of range"};
    }
    previous = prefix;
  }
  return ok();
}

// Merges units and own rows side by side, key by key.
void Replica::merge_range(Units&& units, const std::vector<Bytes>& own) {
  const std::vector<DotSet> contexts{units.clock};
  auto row = own.begin();
  const auto take_key = [&](BytesView prefix) {
    std::vector<RowName> names;
    for (; row != own.end() && BytesView(*row).starts_with(prefix); ++row)
      names.push_back(parse_row_key(*row)->name);
    return names;
  };
  const auto merge_absent = [&] {
    const RowKeyParts at = *parse_row_key(*row);
    const Bytes prefix(at.prefix), key(at.key);
    std::vector<Part> parts;
    add_absent(take_key(prefix), parts);
    merge_key(key, contexts, parts, nullptr);
  };
  for (KeyUnits& key : units.keys) {
    const At at = locate(key.key);
    while (row != own.end() && parse_row_key(*row)->prefix < at.prefix) merge_absent();
    const Bytes name = key.key;
    std::vector<Part> parts = parts_of(std::move(key));
    add_absent(take_key(at.prefix), parts);
    merge_key(name, contexts, parts, nullptr);
  }
  while (row != own.end()) merge_absent();
}

// A unit that is named speaks for all rows of it, whichever of them its sender had; items that are not in
// `units` are not spoken for, and no clock is joined.
Status Replica::repair(BytesView bytes) {
  Result<Units> units = decode_units(bytes);
  if (!units) return units.error();
  if (Status checked = check_units(*units, {}, {}); !checked) return checked;
  const std::vector<DotSet> contexts{units->clock};
  for (KeyUnits& key : units->keys) {
    const Bytes name = key.key;
    const At at = locate(name);
    std::vector<RowName> held;
    const auto visit = [&](BytesView row_key, BytesView) {
      held.push_back(parse_row_key(row_key)->name);
      return true;
    };
    rows_.walk(at.prefix, tag_begin(at.prefix, RowTag::element), std::cref(visit));
    rows_.walk(tag_begin(at.prefix, RowTag::journal), tag_begin(at.prefix, RowTag::field), std::cref(visit));
    std::vector<Part> parts = parts_of(std::move(key));
    add_absent(held, parts);
    merge_key(name, contexts, parts, nullptr);
  }
  return ok();
}

}  // namespace atolldb::crdt
