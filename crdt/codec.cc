#include "crdt/codec.h"

namespace atolldb::crdt {

namespace {

template <int kWidth>
void put_big_endian(char* to, uint64_t value) {
  for (int i = 0; i < kWidth; ++i) to[i] = static_cast<char>(value >> (8 * (kWidth - 1 - i)));
}

template <int kWidth>
uint64_t get_big_endian(const char* from) {
  uint64_t value = 0;
  for (int i = 0; i < kWidth; ++i) value = value << 8 | static_cast<uint8_t>(from[i]);
  return value;
}

void pack_actor(const Actor& actor, char* to) {
  put_big_endian<2>(to, raw(actor.node));
  put_big_endian<4>(to + 2, actor.start);
  put_big_endian<4>(to + 6, actor.random);
}

Actor actor_at(const char* from) {
  return {NodeNumber{static_cast<uint16_t>(get_big_endian<2>(from))},
          static_cast<uint32_t>(get_big_endian<4>(from + 2)),
          static_cast<uint32_t>(get_big_endian<4>(from + 6))};
}

// The intervals of one entry, as its invariants want them.
void read_above(Reader& reader, DotSet& set, const Actor& actor, uint64_t base) {
  const size_t numbers = reader.array();
  if (numbers % 2 != 0) reader.fail("an interval is a pair of counters");
  if (base == 0 && numbers == 0) reader.fail("an actor without dots");
  uint64_t last = base;
  for (size_t i = 0; i < numbers && reader.ok(); i += 2) {
    const uint64_t from = reader.uint(kDotCounterMax), to = reader.uint(kDotCounterMax);
    if (from < last + 2 || to < from) reader.fail("intervals out of order, or not apart");
    if (reader.ok()) set.insert(actor, from, to);
    last = to;
  }
}

}  // namespace

std::array<char, kActorBytes> pack(const Actor& actor) {
  std::array<char, kActorBytes> out;
  pack_actor(actor, out.data());
  return out;
}

std::array<char, kDotBytes> pack(const Dot& dot) {
  std::array<char, kDotBytes> out;
  pack_actor(dot.actor, out.data());
  put_big_endian<6>(out.data() + kActorBytes, dot.counter);
  return out;
}

Actor unpack_actor(BytesView packed) {
  ensure(packed.size() == kActorBytes, "a packed actor has 10 bytes");
  return actor_at(packed.data());
}

Dot unpack_dot(BytesView packed) {
  ensure(packed.size() == kDotBytes, "a packed dot has 16 bytes");
  return {actor_at(packed.data()), get_big_endian<6>(packed.data() + kActorBytes)};
}

void write(Writer& writer, const Actor& actor) {
  const auto packed = pack(actor);
  writer.bin({packed.data(), packed.size()});
}

void write(Writer& writer, const Dot& dot) {
  const auto packed = pack(dot);
  writer.bin({packed.data(), packed.size()});
}

void write(Writer& writer, const DotSet& set) {
  writer.array(3 * set.entries().size());
  for (const DotSet::Entry& entry : set.entries()) {
    write(writer, entry.actor);
    writer.uint(entry.base);
    writer.array(2 * entry.above.size());
    for (const DotSet::Interval& i : entry.above) {
      writer.uint(i.first);
      writer.uint(i.last);
    }
  }
}

Actor read_actor(Reader& reader) {
  const BytesView packed = reader.bin();
  if (packed.size() == kActorBytes) return actor_at(packed.data());
  reader.fail("an actor has 10 bytes");
  return {};
}

Dot read_dot(Reader& reader) {
  const BytesView packed = reader.bin();
  if (packed.size() != kDotBytes) {
    reader.fail("a dot has 16 bytes");
    return {};
  }
  const Dot dot = unpack_dot(packed);
  if (dot.counter == 0) reader.fail("a dot's counter begins at 1");
  return dot;
}

DotSet read_dot_set(Reader& reader) {
  DotSet set;
  const size_t fields = reader.array();
  if (fields % 3 != 0) reader.fail("an entry of a dot set has three fields");
  Actor previous;
  for (size_t i = 0; i < fields && reader.ok(); i += 3) {
    const Actor actor = read_actor(reader);
    if (i > 0 && actor <= previous) reader.fail("actors out of order");
    const uint64_t base = reader.uint(kDotCounterMax);
    if (reader.ok() && base > 0) set.insert(actor, 1, base);
    read_above(reader, set, actor, base);
    previous = actor;
  }
  return set;
}

void encode(const DotSet& set, Bytes& out) {
  Writer writer(out);
  write(writer, set);
}

Result<DotSet> decode_dot_set(BytesView& bytes) {
  Reader reader(bytes);
  DotSet set = read_dot_set(reader);
  if (!reader.ok()) return reader.error("dot set");
  bytes.remove_prefix(reader.offset());
  return set;
}

}  // namespace atolldb::crdt
