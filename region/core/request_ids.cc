#include "region/core/request_ids.h"

#include <algorithm>

#include "crdt/fields.h"

namespace atolldb::region {

namespace {
// Meta keys: 'r' partition id → entry. Numbers are big-endian, so that order is meaning; an id begins with
// the stamp that it was made at.
constexpr size_t kIdAt = 1 + 2;

void put_be(Bytes& out, uint64_t value, int width) {
  for (int i = width - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
}
Bytes end_of(Bytes prefix) {  // behind every key that begins with it
  for (size_t i = prefix.size(); i-- > 0;)
    if (++reinterpret_cast<unsigned char&>(prefix[i]) != 0) return prefix;
  return {};
}

struct IdEntry {
  Dot dot;
};
template <typename Io>
void fields(Io& io, IdEntry& e) {
  io(e.dot);
}

std::optional<IdEntry> decode_entry(BytesView bytes) {
  crdt::Reader reader(bytes);
  IdEntry entry;
  const size_t elements = reader.array();
  if (reader.uint(255) != 1 || !crdt::decode_typed(reader, elements, entry) || !reader.done())
    return std::nullopt;
  return entry;
}
}  // namespace

Bytes RequestIds::encode(const RequestId& id) {
  Bytes out;
  put_be(out, id.made_ms, 8);
  put_be(out, raw(id.region), 2);
  put_be(out, id.epoch.number, 8);
  put_be(out, raw(id.epoch.node), 2);
  put_be(out, id.epoch.start, 4);
  put_be(out, id.nonce, 8);
  return out;
}

uint64_t RequestIds::made_ms(BytesView id) {
  uint64_t value = 0;
  for (const char byte : id.substr(0, 8)) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

Bytes RequestIds::key(BytesView id) const {
  Bytes key = "r";
  put_be(key, raw(partition_), 2);
  key.append(id);
  return key;
}

void RequestIds::remember(BytesView id, const Dot& dot, storage::Batch& batch) const {
  Bytes value;
  crdt::encode_typed(1, IdEntry{dot}, value);
  batch.meta.push_back({key(id), std::move(value)});
}

std::optional<Dot> RequestIds::find(BytesView id) const {
  Bytes value;
  if (store_.get_meta(key(id), value) != storage::Found::yes) return std::nullopt;
  const auto entry = decode_entry(value);
  if (!entry) return std::nullopt;
  return entry->dot;
}

RequestIds::Forgotten RequestIds::forget(uint64_t from_ms, uint64_t up_to_ms, size_t count_max,
                                         storage::Batch& batch) const {
  Forgotten forgotten;
  Bytes from;
  put_be(from, from_ms, 8);
  store_.walk_meta(key(from), end_of(key({})), [&](BytesView key, BytesView) {
    const uint64_t made = made_ms(key.substr(kIdAt));
    if (made > up_to_ms || forgotten.count == count_max) return false;
    forgotten.up_to_ms = made;
    ++forgotten.count;
    batch.meta.push_back({Bytes(key), std::nullopt});
    return true;
  });
  return forgotten;
}

void RequestIds::walk(BytesView cursor, const Visitor& visit) const {
  const Bytes from = cursor.empty() ? key({}) : key(cursor) + '\0';
  store_.walk_meta(from, end_of(key({})),
                   [&](BytesView key, BytesView value) { return visit(key.substr(kIdAt), value); });
}

bool RequestIds::adopt(BytesView id, BytesView value, storage::Batch& batch) const {
  const auto entry = decode_entry(value);
  if (!entry || find(id)) return false;
  remember(id, entry->dot, batch);
  return true;
}

}  // namespace atolldb::region
