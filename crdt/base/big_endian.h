#pragma once
// Numbers in keys and tokens: big-endian, so that they are ordered as their bytes are.

#include <cstdint>

#include "crdt/base/bytes.h"

namespace atolldb {

// The lowest `bytes` bytes of it, 1 to 8.
inline void append_big_endian(Bytes& out, uint64_t value, int bytes = 8) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

// Of at most 8 bytes.
inline uint64_t read_big_endian(BytesView bytes) {
  uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

}  // namespace atolldb
