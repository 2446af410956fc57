#include "region/core/request_ids.h"

#include <algorithm>

#include "crdt/fields.h"

namespace atolldb::region {

namespace {
constexpr size_t kMadeMsAt = 2 + 8 + 2 + 4;  // in an encoded id: behind region and epoch

// Meta keys: 'r' partition id → entry; 'q' partition stamp id → nothing. Numbers are big-endian, so that
// order is meaning.
void put_be(Bytes& out, uint64_t value, int width) {
  for (int i = width - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
}
uint64_t get_be(BytesView bytes, size_t width) {
  uint64_t value = 0;
  for (size_t i = 0; i < width; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}
Bytes id_key(PartitionId partition, BytesView id) {
  Bytes key = "r";
  put_be(key, raw(partition), 2);
  key.append(id);
  return key;
}
Bytes time_prefix(PartitionId partition) {
  Bytes key = "q";
  put_be(key, raw(partition), 2);
  return key;
}
Bytes time_key(PartitionId partition, uint64_t stamp_ms, BytesView id) {
  Bytes key = time_prefix(partition);
  put_be(key, stamp_ms, 8);
  key.append(id);
  return key;
}
Bytes end_of(Bytes prefix) {  // behind every key that begins with it
  for (size_t i = prefix.size(); i-- > 0;)
    if (++reinterpret_cast<unsigned char&>(prefix[i]) != 0) return prefix;
  return {};
}

struct IdEntry {
  Dot dot;
  uint64_t stamp_ms = 0;
};
template <typename Io>
void fields(Io& io, IdEntry& e) {
  io(e.dot, e.stamp_ms);
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
  put_be(out, raw(id.region), 2);
  put_be(out, id.epoch.number, 8);
  put_be(out, raw(id.epoch.node), 2);
  put_be(out, id.epoch.start, 4);
  put_be(out, id.made_ms, 8);
  put_be(out, id.nonce, 8);
  return out;
}

// Forgotten in the order of stamps, and never before the stamp that the id itself names: so an id above what
// has been forgotten is known or was never counted.
void RequestIds::remember(PartitionId partition, BytesView id, const Dot& dot, uint64_t stamp_ms,
                          storage::Batch& batch) {
  const uint64_t made_ms = id.size() >= kMadeMsAt + 8 ? get_be(id.substr(kMadeMsAt), 8) : 0;
  const uint64_t keep_ms = std::max(stamp_ms, made_ms);
  Bytes value;
  crdt::encode_typed(1, IdEntry{dot, keep_ms}, value);
  batch.meta.push_back({id_key(partition, id), std::move(value)});
  batch.meta.push_back({time_key(partition, keep_ms, id), Bytes()});
}

std::optional<Dot> RequestIds::find(PartitionId partition, BytesView id) {
  Bytes value;
  if (store_.get_meta(id_key(partition, id), value) != storage::Found::yes) return std::nullopt;
  const auto entry = decode_entry(value);
  if (!entry) return std::nullopt;
  return entry->dot;
}

uint64_t RequestIds::forget(PartitionId partition, uint64_t up_to_ms, uint64_t surplus, size_t count_max,
                            storage::Batch& batch) {
  constexpr size_t kIdAt = 1 + 2 + 8;
  const Bytes from = time_prefix(partition);
  uint64_t newest = 0;
  size_t count = 0;
  store_.walk_meta(from, end_of(from), [&](BytesView key, BytesView) {
    const uint64_t stamp_ms = get_be(key.substr(3), 8);
    if (stamp_ms > up_to_ms && surplus == 0) return false;
    if (surplus > 0) --surplus;
    newest = stamp_ms;
    batch.meta.push_back({id_key(partition, key.substr(kIdAt)), std::nullopt});
    batch.meta.push_back({Bytes(key), std::nullopt});
    return ++count < count_max;
  });
  return newest;
}

void RequestIds::each(PartitionId partition, const std::function<void(BytesView, BytesView)>& visit) {
  const Bytes from = id_key(partition, {});
  store_.walk_meta(from, end_of(from), [&](BytesView key, BytesView value) {
    visit(key.substr(3), value);
    return true;
  });
}

void RequestIds::adopt(PartitionId partition, BytesView id, BytesView value, storage::Batch& batch) {
  const auto entry = decode_entry(value);
  if (entry) remember(partition, id, entry->dot, entry->stamp_ms, batch);
}

uint64_t RequestIds::count(PartitionId partition) {
  const Bytes from = time_prefix(partition);
  uint64_t count = 0;
  store_.walk_meta(from, end_of(from), [&](BytesView, BytesView) {
    ++count;
    return true;
  });
  return count;
}

}  // namespace atolldb::region
