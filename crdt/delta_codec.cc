#include "crdt/delta_codec.h"

#include "crdt/delta.h"
#include "crdt/row_codec.h"
#include "crdt/sizes.h"

namespace atolldb::crdt {

namespace {

constexpr uint64_t kDeltaVersion = 1;
constexpr size_t kDeltaFields = 5;  // version, key, dots, contexts, parts

bool has_id(RowTag tag) { return tag != RowTag::header && tag != RowTag::string; }

size_t fields_of(RowTag tag) {
  switch (tag) {
    case RowTag::header:
      return 3;
    case RowTag::string:
      return 4;
    case RowTag::total:
      return 7;
    case RowTag::element:
    case RowTag::journal:
      return 5;
    case RowTag::field:
      return 7;
  }
  return 0;
}

// An element or field that is there names its row by itself; its id is left out.
void write_id(Writer& writer, const Part& part) {
  if (is_item(part.name.tag) && !part.live.empty()) return writer.nil();
  const size_t size = part.name.tag == RowTag::total ? kActorBytes : sizeof(RowId);
  writer.bin({part.name.id.data(), size});
}

void read_id(Reader& reader, RowName& name) {
  if (is_item(name.tag) && reader.try_nil()) return;
  const size_t size = name.tag == RowTag::total ? kActorBytes : sizeof(RowId);
  const BytesView id = reader.bin();
  if (id.size() != size) return reader.fail("a row's id of another size than its tag asks for");
  std::copy(id.begin(), id.end(), name.id.begin());
}

// An element part's live list comes after its id, so the id is taken from the element where it was left out.
void read_element(Reader& reader, Part& part, bool named) {
  if (named) {
    if (reader.array() != 0) reader.fail("an element that is there names its row by itself");
    return;
  }
  Reader ahead = reader;
  ahead.array();
  part.name = element_row(ahead.bin(kElementBytesMax));
  part.live = read_subject(reader, part.name, part.subject);
  if (part.live.empty()) reader.fail("an element without a name");
}

void read_field(Reader& reader, Part& part, bool named) {
  if (!named) {
    Reader ahead = reader;
    ahead.array();
    part.name = field_row(ahead.bin(kElementBytesMax));
  }
  part.live = read_field_part(reader, part.name, part.subject);
  if (named != part.live.empty()) reader.fail("a field that is there names its row by itself");
  const size_t after = reader.array();
  for (size_t i = 0; i < after && reader.ok(); ++i) {
    part.after.push_back(read_dot(reader));
    if (i > 0 && part.after[i].actor <= part.after[i - 1].actor) reader.fail("adds out of order");
  }
  part.baselines = read_baselines(reader);
}

void write_context(Writer& writer, const Part& part) {
  writer.uint(part.context == Part::kNoContext ? 0 : uint64_t{part.context} + 1);
  write(writer, part.extra);
}

void read_context(Reader& reader, size_t contexts, Part& part) {
  const uint64_t context = reader.uint(contexts);
  if (context > 0) part.context = static_cast<uint32_t>(context - 1);
  part.extra = read_dot_set(reader);
}

// What a delta adds is its own: its dots name every value that it brings.
bool own_dots(const Delta& delta) {
  for (const Part& part : delta.parts)
    for (const Live& l : part.live)
      if (!l.standing && !delta.dots.contains(l.dot)) return false;
  return true;
}

void read_parts(Reader& reader, Delta& delta) {
  const size_t parts = reader.array();
  for (size_t i = 0; i < parts && reader.ok(); ++i) {
    Part part = read_part(reader, delta.contexts.size());
    if (i > 0 && part.name <= delta.parts.back().name) reader.fail("parts out of order");
    delta.parts.push_back(std::move(part));
  }
}

}  // namespace

void write(Writer& writer, const Part& part) {
  writer.array(fields_of(part.name.tag));
  writer.uint(static_cast<uint64_t>(part.name.tag));
  if (has_id(part.name.tag)) write_id(writer, part);
  write_context(writer, part);
  switch (part.name.tag) {
    case RowTag::header:
      break;
    case RowTag::string:
      write_siblings(writer, part.live);
      break;
    case RowTag::total:
      writer.uint(part.after_add);
      write_total(writer, part.live);
      write(writer, part.baseline);
      break;
    case RowTag::element:
    case RowTag::journal:
      write_subject(writer, part.subject, part.live);
      break;
    case RowTag::field:
      write_field_part(writer, part.subject, part.live);
      writer.array(part.after.size());
      for (const Dot& dot : part.after) write(writer, dot);
      write(writer, part.baselines);
      break;
  }
}

Part read_part(Reader& reader, size_t contexts) {
  Part part;
  const size_t fields = reader.array();
  const uint64_t tag = reader.uint(static_cast<uint64_t>(RowTag::field));
  part.name.tag = RowTag{static_cast<uint8_t>(tag)};
  if (tag == 0 || fields != fields_of(part.name.tag)) {
    reader.fail("a part of no known kind");
    return part;
  }
  const bool named = !(is_item(part.name.tag) && reader.rest().starts_with('\xc0'));
  if (has_id(part.name.tag)) read_id(reader, part.name);
  read_context(reader, contexts, part);
  switch (part.name.tag) {
    case RowTag::header:
      break;
    case RowTag::string:
      part.live = read_siblings(reader, true);
      break;
    case RowTag::total:
      part.after_add = reader.uint(kDotCounterMax);
      part.live = read_total(reader, actor_of(part.name));
      part.baseline = read_baseline(reader);
      if (!part.live.empty() && part.after_add >= part.live.front().dot.counter)
        reader.fail("an add comes behind an earlier one");
      break;
    case RowTag::element:
      read_element(reader, part, named);
      break;
    case RowTag::journal:
      part.live = read_subject(reader, part.name, part.subject);
      break;
    case RowTag::field:
      read_field(reader, part, named);
      break;
  }
  return part;
}

Bytes encode(const Delta& delta) {
  Bytes out;
  size_t size = 64 + delta.key.size();
  for (const DotSet& c : delta.contexts) size += 8 + 20 * c.entries().size();
  for (const Part& part : delta.parts) {
    size += 40 + part.subject.size();
    for (const Live& l : part.live) size += 40 + l.value.size();
  }
  out.reserve(size);
  Writer writer(out);
  writer.array(kDeltaFields);
  writer.uint(kDeltaVersion);
  writer.bin(delta.key);
  write(writer, delta.dots);
  writer.array(delta.contexts.size());
  for (const DotSet& c : delta.contexts) write(writer, c);
  writer.array(delta.parts.size());
  for (const Part& part : delta.parts) write(writer, part);
  return out;
}

Result<Delta> decode_delta(BytesView bytes) {
  Reader reader(bytes);
  const size_t fields = reader.array();
  if (const uint64_t version = reader.uint(); reader.ok() && version != kDeltaVersion)
    return {Errc::version, "delta: version " + std::to_string(version) + ", expected 1"};
  if (fields != kDeltaFields) reader.fail("a delta has 5 fields");
  Delta delta;
  const BytesView key = reader.bin();
  if (key.size() > kKeyBytesMax)
    return {Errc::too_large, "delta: a key of " + std::to_string(key.size()) + " bytes, at most " +
                                 std::to_string(kKeyBytesMax) + " are allowed"};
  delta.key = key;
  delta.dots = read_dot_set(reader);
  if (delta.dots.empty()) reader.fail("a delta has a dot");
  const size_t contexts = reader.array();
  for (size_t i = 0; i < contexts && reader.ok(); ++i) delta.contexts.push_back(read_dot_set(reader));
  read_parts(reader, delta);
  if (reader.ok() && !own_dots(delta)) reader.fail("a value under a dot that is not the delta's");
  if (!reader.done()) return reader.error("delta");
  delta.after_add = first_after_add(delta.parts);
  return delta;
}

}  // namespace atolldb::crdt
