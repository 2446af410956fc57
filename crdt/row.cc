#include "crdt/row.h"

#include <algorithm>

#include "crdt/codec.h"
#include "crdt/row_codec.h"
#include "crdt/sizes.h"

namespace atolldb::crdt {

namespace {

constexpr uint64_t kRowVersion = 1;
constexpr size_t kRowFields = 5;  // version, expiry, live, baseline, context
constexpr char kEmptyArray = '\x90';

void write_live(Writer& writer, const Row& row, RowTag tag) {
  switch (tag) {
    case RowTag::header:
      return writer.array(0);
    case RowTag::string:
      return write_siblings(writer, row.live);
    case RowTag::total:
      return write_total(writer, row.live);
    case RowTag::element:
    case RowTag::journal:
      return write_subject(writer, row.subject, row.live);
    case RowTag::field:
      return write_field(writer, row.subject, row.live, row.baselines);
  }
}

void read_live(Reader& reader, const RowName& name, Row& row) {
  switch (name.tag) {
    case RowTag::header:
      if (reader.array() != 0) reader.fail("a header has no live dots");
      break;
    case RowTag::string:
      row.live = read_siblings(reader, false);
      break;
    case RowTag::total:
      row.live = read_total(reader, actor_of(name));
      break;
    case RowTag::element:
    case RowTag::journal:
      row.live = read_subject(reader, name, row.subject);
      break;
    case RowTag::field:
      row.live = read_field(reader, name, row.subject, row.baselines);
      break;
  }
}

// Where the live part ends decides what is hashed, so the context comes last and the baseline before it.
struct Layout {
  size_t live = 0, baseline = 0, context = 0;  // offsets
};

Layout layout_of(BytesView bytes) {
  Reader reader(bytes);
  reader.array_of(kRowFields);
  reader.uint();
  reader.uint();
  Layout out;
  out.live = reader.offset();
  reader.skip();
  out.baseline = reader.offset();
  reader.skip();
  out.context = reader.offset();
  ensure(reader.ok(), "only rows that were written by encode() are digested");
  return out;
}

// Whether the baseline behind a live total lowers what counts of it.
bool bears(BytesView live_and_baseline) {
  Reader reader(live_and_baseline);
  reader.array_of(3);
  reader.uint();
  const uint64_t started = reader.uint();
  reader.int128();
  const std::optional<Baseline> baseline = read_baseline(reader);
  return baseline && started <= baseline->counter;
}

}  // namespace

std::optional<Baseline> later(const std::optional<Baseline>& a, const std::optional<Baseline>& b) {
  if (!a) return b;
  if (!b) return a;
  if (a->counter != b->counter) return a->counter > b->counter ? a : b;
  return a->sum >= b->sum ? a : b;
}

std::optional<Baseline> baseline_of(const Baselines& baselines, const Actor& actor) {
  for (const ActorBaseline& b : baselines)
    if (b.actor == actor) return b.baseline;
  return std::nullopt;
}

bool join_baseline(Baselines& into, const Actor& actor, const Baseline& baseline) {
  const auto at = std::lower_bound(into.begin(), into.end(), actor,
                                   [](const ActorBaseline& b, const Actor& a) { return b.actor < a; });
  if (at == into.end() || at->actor != actor) {
    into.insert(at, {actor, baseline});
    return true;
  }
  const Baseline joined = *later(at->baseline, baseline);
  if (joined == at->baseline) return false;
  at->baseline = joined;
  return true;
}

bool join_baselines(Baselines& into, const Baselines& from) {
  bool changed = false;
  for (const ActorBaseline& b : from) changed = join_baseline(into, b.actor, b.baseline) || changed;
  return changed;
}

bool join_totals(std::vector<Live>& live, const Baselines& baselines) {
  const auto void_total = [&](const Live& l) {
    if (!l.is_total()) return false;
    const std::optional<Baseline> baseline = baseline_of(baselines, l.dot.actor);
    if (baseline && l.dot.counter <= baseline->counter) return true;
    return std::any_of(live.begin(), live.end(), [&](const Live& other) {
      return other.is_total() && other.dot.actor == l.dot.actor && other.dot.counter > l.dot.counter;
    });
  };
  std::vector<Dot> gone;
  for (const Live& l : live)
    if (void_total(l)) gone.push_back(l.dot);
  return std::erase_if(live, [&](const Live& l) {
           return std::find(gone.begin(), gone.end(), l.dot) != gone.end();
         }) > 0;
}

const Live* find(const std::vector<Live>& live, const Dot& dot) {
  const auto it =
      std::lower_bound(live.begin(), live.end(), dot, [](const Live& l, const Dot& d) { return l.dot < d; });
  return it != live.end() && it->dot == dot ? &*it : nullptr;
}

const Live* Row::find(const Dot& dot) const { return crdt::find(live, dot); }

void insert_sorted(std::vector<Live>& live, Live item) {
  const auto it = std::lower_bound(live.begin(), live.end(), item.dot,
                                   [](const Live& l, const Dot& d) { return l.dot < d; });
  live.insert(it, std::move(item));
}

Bytes encode(const Row& row, const RowName& name) {
  Bytes out;
  size_t size = 64 + row.subject.size();
  for (const Live& l : row.live) size += 40 + l.value.size();
  out.reserve(size);
  Writer writer(out);
  writer.array(kRowFields);
  writer.uint(kRowVersion);
  writer.uint(row.expiry_ms);
  write_live(writer, row, name.tag);
  if (name.tag == RowTag::field)
    write_idle_baselines(writer, row.live, row.baselines);
  else
    write(writer, row.baseline);
  write(writer, row.context);
  return out;
}

Result<Row> decode_row(const RowName& name, BytesView bytes) {
  Reader reader(bytes);
  const size_t fields = reader.array();
  if (const uint64_t version = reader.uint(); reader.ok() && version != kRowVersion)
    return {Errc::version, "row: version " + std::to_string(version) + ", expected 1"};
  if (fields != kRowFields) reader.fail("a row has 5 fields");
  Row row;
  row.expiry_ms = reader.uint();
  read_live(reader, name, row);
  if (name.tag == RowTag::field)
    read_idle_baselines(reader, row.live, row.baselines);
  else
    row.baseline = read_baseline(reader);
  if (row.baseline && name.tag != RowTag::total) reader.fail("only totals have baselines");
  if (row.baseline && !row.live.empty() && row.live.front().dot.counter <= row.baseline->counter)
    reader.fail("a total that its baseline has voided");
  row.context = read_dot_set(reader);
  if (!reader.done()) return reader.error("row");
  return row;
}

bool holds_live(BytesView bytes) {
  Reader reader(bytes);
  reader.array_of(kRowFields);
  reader.uint();
  reader.uint();
  ensure(reader.ok(), "only rows that were written by encode() are looked into");
  return !reader.rest().starts_with(kEmptyArray);
}

bool is_plain_field(BytesView bytes) {
  Reader reader(bytes);
  reader.array_of(kRowFields);
  reader.uint();
  reader.uint();
  if (reader.array() != 3) return false;  // no live dot
  reader.skip();                          // the name
  const bool one = reader.array() == 3;   // of a sibling: dot, stamp, value
  for (int i = 0; one && i < 3; ++i) reader.skip();
  const bool plain = one && reader.array() == 0 && reader.try_nil();  // totals, idle baselines
  return plain && reader.rest() == BytesView(&kEmptyArray, 1);
}

std::optional<Digest> digest_of_row(BytesView row_key, RowTag tag, BytesView bytes) {
  const Layout at = layout_of(bytes);
  if (bytes[at.live] == kEmptyArray) return std::nullopt;
  if (tag == RowTag::total && bears(bytes.substr(at.live, at.context - at.live)))
    return hash_of(row_key, bytes.substr(0, at.context));
  return hash_of(row_key, bytes.substr(0, at.baseline));
}

}  // namespace atolldb::crdt
