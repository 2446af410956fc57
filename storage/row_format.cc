#include "storage/row_format.h"

#define XXH_INLINE_ALL  // with sizes that are known, most of it goes away
#include <xxhash.h>

namespace atolldb::storage {
namespace {

// Over everything: the key as seed, then kind and version mixed in, then what follows the head.
uint64_t row_checksum(BytesView stored_key, uint8_t version, RowKind kind, BytesView body) {
  const uint64_t seed = XXH3_64bits(stored_key.data(), stored_key.size());
  return XXH3_64bits_withSeed(body.data(), body.size(),
                              seed ^ (uint64_t{version} << 8 | static_cast<uint64_t>(kind)));
}

}  // namespace

void encode_row(char* into, BytesView stored_key, const StoredRow& row) {
  char* body = into + kRowHeadBytes;
  size_t body_bytes = 0;
  if (row.kind == RowKind::first) {
    std::memcpy(body, &row.length, sizeof row.length);
    body_bytes = sizeof row.length;
  }
  std::memcpy(body + body_bytes, row.payload.data(), row.payload.size());
  body_bytes += row.payload.size();
  into[0] = static_cast<char>(kRowFormatVersion);
  into[1] = static_cast<char>(row.kind);
  const uint64_t checksum = row_checksum(stored_key, kRowFormatVersion, row.kind, {body, body_bytes});
  std::memcpy(into + 2, &checksum, sizeof checksum);
}

std::optional<StoredRow> decode_row(BytesView stored_key, BytesView stored_value) {
  if (stored_value.size() < kRowHeadBytes) return std::nullopt;
  const auto version = static_cast<uint8_t>(stored_value[0]);
  const auto kind = static_cast<uint8_t>(stored_value[1]);
  if (version != kRowFormatVersion || kind > static_cast<uint8_t>(RowKind::more)) return std::nullopt;
  StoredRow row;
  row.kind = static_cast<RowKind>(kind);
  row.payload = stored_value.substr(kRowHeadBytes);
  uint64_t checksum;
  std::memcpy(&checksum, stored_value.data() + 2, sizeof checksum);
  if (checksum != row_checksum(stored_key, version, row.kind, row.payload)) return std::nullopt;
  row.length = static_cast<uint32_t>(row.payload.size());
  if (row.kind != RowKind::first) return row;
  if (row.payload.size() < sizeof row.length) return std::nullopt;
  std::memcpy(&row.length, row.payload.data(), sizeof row.length);
  row.payload.remove_prefix(sizeof row.length);
  return row;
}

}  // namespace atolldb::storage
