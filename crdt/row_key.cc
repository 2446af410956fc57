#include "crdt/row_key.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "crdt/codec.h"

namespace atolldb::crdt {

namespace {

constexpr size_t kBeforeKey = 2 + 8 + 2;
constexpr size_t kAfterKey = 1 + sizeof(RowId);

void append_big_endian(Bytes& out, uint64_t value, int width) {
  const uint64_t shifted = __builtin_bswap64(value << (64 - 8 * width));
  char bytes[sizeof shifted];
  std::memcpy(bytes, &shifted, sizeof shifted);
  out.append(bytes, static_cast<size_t>(width));
}

uint64_t big_endian(BytesView bytes) {
  uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

template <size_t kSize>
RowId padded(const std::array<char, kSize>& packed) {
  static_assert(kSize <= sizeof(RowId));
  RowId id{};
  std::copy(packed.begin(), packed.end(), id.begin());
  return id;
}

Bytes with_behind(BytesView prefix, char last) {
  Bytes out;
  out.reserve(prefix.size() + 1);
  out.append(prefix);
  out.push_back(last);
  return out;
}

RowId id_of(const XXH128_hash_t& hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  RowId id;
  static_assert(sizeof canonical.digest == sizeof(RowId));
  std::copy(std::begin(canonical.digest), std::end(canonical.digest), id.begin());
  return id;
}

}  // namespace

RowName header_row() { return {RowTag::header, {}}; }
RowName string_row() { return {RowTag::string, {}}; }
RowName total_row(const Actor& actor) { return {RowTag::total, padded(pack(actor))}; }
RowName journal_row(const Dot& loser) { return {RowTag::journal, padded(pack(loser))}; }

RowName element_row(BytesView element) {
  return {RowTag::element, id_of(XXH3_128bits(element.data(), element.size()))};
}

RowName field_row(BytesView field) {
  return {RowTag::field, id_of(XXH3_128bits(field.data(), field.size()))};
}

RowName journal_row(const Dot& loser, BytesView item) {
  const auto packed = pack(loser);
  const XXH64_hash_t seed = XXH3_64bits(packed.data(), packed.size());
  return {RowTag::journal, id_of(XXH3_128bits_withSeed(item.data(), item.size(), seed))};
}

Actor actor_of(const RowName& total) { return unpack_actor({total.id.data(), kActorBytes}); }

Bytes key_prefix(const KeyPlace& place, BytesView key) {
  ensure(key.size() <= kKeyBytesMax, "keys are checked before they are placed");
  Bytes out;
  out.reserve(kBeforeKey + key.size() + kAfterKey + 2);  // a row key and the store's chunk number fit as well
  append_big_endian(out, raw(place.partition), 2);
  append_big_endian(out, place.hash, 8);
  append_big_endian(out, key.size(), 2);
  out.append(key);
  return out;
}

Bytes key_end(BytesView prefix) { return with_behind(prefix, '\xff'); }

Bytes tag_begin(BytesView prefix, RowTag tag) { return with_behind(prefix, static_cast<char>(tag)); }

Bytes row_key(BytesView prefix, const RowName& name) {
  Bytes out;
  out.reserve(prefix.size() + kAfterKey + 2);
  out.append(prefix);
  out.push_back(static_cast<char>(name.tag));
  out.append(name.id.data(), name.id.size());
  return out;
}

Bytes partition_begin(PartitionId partition) {
  Bytes out;
  append_big_endian(out, raw(partition), 2);
  return out;
}

Bytes partition_end(PartitionId partition) {
  // Behind the last partition: no key is so long that its length begins with 0xff.
  if (raw(partition) == UINT16_MAX) return Bytes(kBeforeKey, '\xff');
  return partition_begin(PartitionId{static_cast<uint16_t>(raw(partition) + 1)});
}

std::optional<RowKeyParts> parse_row_key(BytesView row_key) {
  if (row_key.size() < kBeforeKey + kAfterKey) return std::nullopt;
  const size_t key_size = big_endian(row_key.substr(10, 2));
  if (key_size > kKeyBytesMax || row_key.size() != kBeforeKey + key_size + kAfterKey) return std::nullopt;
  RowKeyParts out;
  out.place.partition = PartitionId{static_cast<uint16_t>(big_endian(row_key.substr(0, 2)))};
  out.place.hash = big_endian(row_key.substr(2, 8));
  out.prefix = row_key.substr(0, kBeforeKey + key_size);
  out.key = row_key.substr(kBeforeKey, key_size);
  const auto tag = static_cast<uint8_t>(row_key[out.prefix.size()]);
  if (tag < static_cast<uint8_t>(RowTag::header) || tag > static_cast<uint8_t>(RowTag::field))
    return std::nullopt;
  out.name.tag = RowTag{tag};
  std::copy_n(row_key.end() - sizeof(RowId), sizeof(RowId), out.name.id.begin());
  return out;
}

}  // namespace atolldb::crdt
