#pragma once
// Entries as LMDB holds them (docs/formats/lmdb.md): key + chunk number, and a value that knows its format
// and verifies against its key. Values larger than a chunk are split.

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>

#include "crdt/base/bytes.h"
#include "storage/store.h"

namespace atolldb::storage {

inline constexpr uint8_t kRowFormatVersion = 1;
inline constexpr size_t kChunkNumberBytes = 2;
inline constexpr size_t kRowHeadBytes = 10;  // version, kind, checksum
inline constexpr size_t kStoredKeyBytesMax = kRowKeyBytesMax + kChunkNumberBytes;
// Just under 64 KiB: with heads and LMDB's, a chunk fills 16 pages.
inline constexpr size_t kChunkBytes = (64u << 10) - 128;

enum class RowKind : uint8_t {
  whole = 0,
  first = 1,  // begins with the length of the value, four bytes; chunks 1, 2, ... follow
  more = 2,
};

// A stored key on the stack.
class StoredKey {
 public:
  explicit StoredKey(BytesView key) : size_(key.size() + kChunkNumberBytes) {
    std::memcpy(bytes_.data(), key.data(), key.size());
    set_chunk(0);
  }
  void set_chunk(uint16_t chunk) {
    bytes_[size_ - 2] = static_cast<char>(chunk >> 8);
    bytes_[size_ - 1] = static_cast<char>(chunk);
  }
  BytesView view() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, kStoredKeyBytesMax> bytes_;
  size_t size_;
};

inline uint16_t chunk_of(BytesView stored_key) {
  const auto byte = [&](size_t back) { return static_cast<uint8_t>(stored_key[stored_key.size() - back]); };
  return static_cast<uint16_t>(byte(2) << 8 | byte(1));
}

struct StoredRow {
  RowKind kind = RowKind::whole;
  BytesView payload;    // of this chunk
  uint32_t length = 0;  // of the whole value; not of `more`
};

// Bytes that the chunk takes in LMDB; `kind` decides on the length field.
constexpr size_t stored_size(RowKind kind, size_t payload_bytes) {
  return kRowHeadBytes + (kind == RowKind::first ? 4 : 0) + payload_bytes;
}
// Writes stored_size() bytes at `into`.
void encode_row(char* into, BytesView stored_key, const StoredRow& row);
// Nothing: the bytes do not verify, or are of an unknown version.
std::optional<StoredRow> decode_row(BytesView stored_key, BytesView stored_value);

}  // namespace atolldb::storage
