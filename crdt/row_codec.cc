#include "crdt/row_codec.h"

#include <algorithm>

#include "crdt/sizes.h"

namespace atolldb::crdt {

namespace {

// Appends, and keeps the order that makes bytes canonical.
void append(Reader& reader, std::vector<Live>& live, Live item) {
  if (!live.empty() && item.dot <= live.back().dot) reader.fail("dots out of order");
  live.push_back(std::move(item));
}

bool is_subject_of(const RowName& name, BytesView subject) {
  if (name.tag == RowTag::field) return subject.size() <= kElementBytesMax && field_row(subject) == name;
  if (name.tag == RowTag::element) return subject.size() <= kElementBytesMax && element_row(subject) == name;
  const Result<JournalRecord> record = decode_journal_record(subject);
  return record && name_of(*record) == name;
}

}  // namespace

void write_siblings(Writer& writer, const std::vector<Live>& live) {
  const auto totals = std::count_if(live.begin(), live.end(), [](const Live& l) { return l.is_total(); });
  writer.array(3 * (live.size() - static_cast<size_t>(totals)));
  for (const Live& l : live) {
    if (l.is_total()) continue;
    write(writer, l.dot);
    if (l.standing) {
      writer.nil();
      writer.nil();
    } else {
      writer.uint(l.hlc.value);
      writer.bin(l.value);
    }
  }
}

std::vector<Live> read_siblings(Reader& reader, bool standing_allowed) {
  std::vector<Live> live;
  const size_t fields = reader.array();
  if (fields % 3 != 0) reader.fail("a sibling has three fields");
  for (size_t i = 0; i < fields && reader.ok(); i += 3) {
    Live item;
    item.dot = read_dot(reader);
    if (standing_allowed && reader.try_nil()) {
      reader.nil();
      item.standing = true;
    } else {
      item.hlc.value = reader.uint();
      item.value = reader.bin(kValueBytesMax);
    }
    append(reader, live, std::move(item));
  }
  return live;
}

void write_total(Writer& writer, const std::vector<Live>& live) {
  if (live.empty()) return writer.array(0);
  ensure(live.size() == 1, "an actor has one total a key");
  writer.array(3);
  writer.uint(live.front().dot.counter);
  writer.uint(live.front().started);
  writer.int128(live.front().sum);
}

std::vector<Live> read_total(Reader& reader, const Actor& actor) {
  const size_t fields = reader.array();
  if (fields == 0) return {};
  if (fields != 3) reader.fail("a total has three fields");
  Live item;
  item.dot = {actor, reader.uint(kDotCounterMax)};
  item.started = reader.uint(item.dot.counter);
  if (item.started == 0) reader.fail("a total starts at one of its actor's counters");
  item.sum = reader.int128();
  return {item};
}

void write_subject(Writer& writer, BytesView subject, const std::vector<Live>& live) {
  if (live.empty()) return writer.array(0);
  writer.array(1 + live.size());
  writer.bin(subject);
  for (const Live& l : live) write(writer, l.dot);
}

std::vector<Live> read_subject(Reader& reader, const RowName& name, Bytes& subject) {
  std::vector<Live> live;
  const size_t fields = reader.array();
  if (fields == 0) return live;
  if (fields == 1) reader.fail("a subject without dots");
  subject = reader.bin();
  if (reader.ok() && !is_subject_of(name, subject)) reader.fail("a subject that is not its row's");
  for (size_t i = 1; i < fields && reader.ok(); ++i) append(reader, live, {.dot = read_dot(reader)});
  return live;
}

void write(Writer& writer, const std::optional<Baseline>& baseline) {
  if (!baseline) return writer.nil();
  writer.array(2);
  writer.uint(baseline->counter);
  writer.int128(baseline->sum);
}

std::optional<Baseline> read_baseline(Reader& reader) {
  if (reader.try_nil()) return std::nullopt;
  reader.array_of(2);
  Baseline out;
  out.counter = reader.uint(kDotCounterMax);
  out.sum = reader.int128();
  if (out.counter == 0) reader.fail("a baseline observed at least one add");
  return out;
}

namespace {

// Whether it lowers what counts of that total.
bool bears(const Live& total, const std::optional<Baseline>& baseline) {
  return baseline && total.started <= baseline->counter;
}

const Live* total_of(const std::vector<Live>& live, const Actor& actor) {
  for (const Live& l : live)
    if (l.is_total() && l.dot.actor == actor) return &l;
  return nullptr;
}

void write_totals(Writer& writer, const std::vector<Live>& live, const Baselines* baselines) {
  const auto totals = std::count_if(live.begin(), live.end(), [](const Live& l) { return l.is_total(); });
  writer.array((baselines == nullptr ? 4 : 5) * static_cast<size_t>(totals));
  for (const Live& l : live) {
    if (!l.is_total()) continue;
    write(writer, l.dot.actor);
    writer.uint(l.dot.counter);
    writer.uint(l.started);
    writer.int128(l.sum);
    if (baselines == nullptr) continue;
    const std::optional<Baseline> baseline = baseline_of(*baselines, l.dot.actor);
    write(writer, bears(l, baseline) ? baseline : std::nullopt);
  }
}

// Merges the totals into the siblings, which are in order; at most one an actor.
void read_totals(Reader& reader, std::vector<Live>& live, Baselines* baselines) {
  const size_t width = baselines == nullptr ? 4 : 5;
  const size_t fields = reader.array();
  if (fields % width != 0) reader.fail("a field's total of another size");
  Actor previous;
  for (size_t i = 0; i < fields && reader.ok(); i += width) {
    Live item;
    item.dot.actor = read_actor(reader);
    item.dot.counter = reader.uint(kDotCounterMax);
    item.started = reader.uint(item.dot.counter);
    item.sum = reader.int128();
    if (item.started == 0) reader.fail("a total starts at one of its actor's counters");
    if (i > 0 && item.dot.actor <= previous) reader.fail("totals out of order");
    previous = item.dot.actor;
    if (baselines != nullptr) {
      const std::optional<Baseline> baseline = read_baseline(reader);
      if (baseline && (!bears(item, baseline) || item.dot.counter <= baseline->counter))
        reader.fail("a baseline that does not bear on its total");
      if (baseline && reader.ok()) baselines->push_back({item.dot.actor, *baseline});
    }
    if (reader.ok() && find(live, item.dot) != nullptr) reader.fail("one dot for a value and a total");
    if (reader.ok()) insert_sorted(live, std::move(item));
  }
}

std::vector<Live> read_field_of(Reader& reader, const RowName& row, Bytes& name, bool standing_allowed,
                                Baselines* baselines) {
  const size_t fields = reader.array();
  if (fields == 0) return {};
  if (fields != 3) reader.fail("a field has a name, siblings and totals");
  name = reader.bin(kElementBytesMax);
  if (reader.ok() && !is_subject_of(row, name)) reader.fail("a subject that is not its row's");
  std::vector<Live> live = read_siblings(reader, standing_allowed);
  read_totals(reader, live, baselines);
  if (live.empty()) reader.fail("a field without dots");
  return live;
}

}  // namespace

void write_field(Writer& writer, BytesView name, const std::vector<Live>& live, const Baselines& baselines) {
  if (live.empty()) return writer.array(0);
  writer.array(3);
  writer.bin(name);
  write_siblings(writer, live);
  write_totals(writer, live, &baselines);
}

std::vector<Live> read_field(Reader& reader, const RowName& row, Bytes& name, Baselines& baselines) {
  return read_field_of(reader, row, name, false, &baselines);
}

void write_field_part(Writer& writer, BytesView name, const std::vector<Live>& live) {
  if (live.empty()) return writer.array(0);
  writer.array(3);
  writer.bin(name);
  write_siblings(writer, live);
  write_totals(writer, live, nullptr);
}

std::vector<Live> read_field_part(Reader& reader, const RowName& row, Bytes& name) {
  return read_field_of(reader, row, name, true, nullptr);
}

void write(Writer& writer, const Baselines& baselines) {
  writer.array(3 * baselines.size());
  for (const ActorBaseline& b : baselines) {
    write(writer, b.actor);
    writer.uint(b.baseline.counter);
    writer.int128(b.baseline.sum);
  }
}

Baselines read_baselines(Reader& reader) {
  Baselines out;
  const size_t fields = reader.array();
  if (fields % 3 != 0) reader.fail("a baseline has three fields");
  for (size_t i = 0; i < fields && reader.ok(); i += 3) {
    ActorBaseline item;
    item.actor = read_actor(reader);
    item.baseline.counter = reader.uint(kDotCounterMax);
    item.baseline.sum = reader.int128();
    if (item.baseline.counter == 0) reader.fail("a baseline observed at least one add");
    if (!out.empty() && item.actor <= out.back().actor) reader.fail("baselines out of order");
    out.push_back(item);
  }
  return out;
}

void write_idle_baselines(Writer& writer, const std::vector<Live>& live, const Baselines& baselines) {
  Baselines idle;
  for (const ActorBaseline& b : baselines) {
    const Live* total = total_of(live, b.actor);
    if (total == nullptr || !bears(*total, b.baseline)) idle.push_back(b);
  }
  if (idle.empty()) return writer.nil();
  write(writer, idle);
}

void read_idle_baselines(Reader& reader, const std::vector<Live>& live, Baselines& baselines) {
  if (reader.try_nil()) return;
  const Baselines idle = read_baselines(reader);
  if (idle.empty()) reader.fail("no baselines are nil");
  for (const ActorBaseline& b : idle) {
    const Live* total = total_of(live, b.actor);
    if (total != nullptr && bears(*total, b.baseline)) reader.fail("an idle baseline that bears on a total");
    if (baseline_of(baselines, b.actor)) reader.fail("two baselines of one actor");
    if (reader.ok()) join_baseline(baselines, b.actor, b.baseline);
  }
}

RowName name_of(const JournalRecord& record) {
  if (record.field) return journal_row(record.loser, *record.field);
  return record.type == RowTag::element ? journal_row(record.loser, record.value) : journal_row(record.loser);
}

Bytes encode(const JournalRecord& record) {
  Bytes out;
  Writer writer(out);
  if (record.field) {
    writer.array(6);
    writer.uint(static_cast<uint64_t>(RowTag::field));
    write(writer, record.loser);
    writer.bin(*record.field);
    writer.uint(static_cast<uint64_t>(record.type));
  } else {
    writer.array(record.type == RowTag::element ? 3 : 4);
    writer.uint(static_cast<uint64_t>(record.type));
    write(writer, record.loser);
  }
  if (record.type == RowTag::total) {
    writer.uint(record.started);
    writer.int128(record.sum);
    return out;
  }
  if (record.type == RowTag::string) writer.uint(record.hlc.value);
  writer.bin(record.value);
  return out;
}

Result<JournalRecord> decode_journal_record(BytesView bytes) {
  Reader reader(bytes);
  JournalRecord out;
  size_t fields = reader.array();
  out.type = RowTag{static_cast<uint8_t>(reader.uint(UINT8_MAX))};
  out.loser = read_dot(reader);
  if (out.type == RowTag::field && fields == 6) {  // name and type stand before what a string's record has
    out.field = reader.bin(kElementBytesMax);
    out.type = RowTag{static_cast<uint8_t>(reader.uint(UINT8_MAX))};
    fields = 4;
  }
  if (out.type == RowTag::string && fields == 4) {
    out.hlc.value = reader.uint();
    out.value = reader.bin(kValueBytesMax);
  } else if (out.type == RowTag::total && fields == 4) {
    out.started = reader.uint(kDotCounterMax);
    out.sum = reader.int128();
  } else if (out.type == RowTag::element && fields == 3) {
    out.value = reader.bin(kElementBytesMax);
  } else {
    reader.fail("a journal record of no known type");
  }
  if (!reader.done()) return reader.error("journal record");
  return out;
}

}  // namespace atolldb::crdt
