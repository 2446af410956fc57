#include "crdt/row_codec.h"

#include "crdt/sizes.h"

namespace atolldb::crdt {

namespace {

// Appends, and keeps the order that makes bytes canonical.
void append(Reader& reader, std::vector<Live>& live, Live item) {
  if (!live.empty() && item.dot <= live.back().dot) reader.fail("dots out of order");
  live.push_back(std::move(item));
}

bool is_subject_of(const RowName& name, BytesView subject) {
  if (name.tag == RowTag::element) return subject.size() <= kElementBytesMax && element_row(subject) == name;
  const Result<JournalRecord> record = decode_journal_record(subject);
  return record && name_of(*record) == name;
}

}  // namespace

void write_siblings(Writer& writer, const std::vector<Live>& live) {
  writer.array(3 * live.size());
  for (const Live& l : live) {
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

RowName name_of(const JournalRecord& record) {
  return record.type == RowTag::element ? journal_row(record.loser, record.value) : journal_row(record.loser);
}

Bytes encode(const JournalRecord& record) {
  Bytes out;
  Writer writer(out);
  writer.array(record.type == RowTag::element ? 3 : 4);
  writer.uint(static_cast<uint64_t>(record.type));
  write(writer, record.loser);
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
  const size_t fields = reader.array();
  out.type = RowTag{static_cast<uint8_t>(reader.uint(UINT8_MAX))};
  out.loser = read_dot(reader);
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
