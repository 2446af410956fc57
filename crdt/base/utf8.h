#pragma once
// Whether bytes are text: UTF-8 (RFC 3629), strictly: no overlong forms, no surrogates, nothing above
// U+10FFFF.

#include <array>
#include <cstddef>
#include <cstdint>

#include "crdt/base/bytes.h"

namespace atolldb {

// Length of the character at the beginning. 0: there is none. Requires: not empty.
inline size_t utf8_length(BytesView bytes) {
  constexpr std::array<uint32_t, 5> kLeastOfLength = {0, 0, 0x80, 0x800, 0x10000};
  const auto first = static_cast<uint8_t>(bytes[0]);
  const size_t length = first < 0x80             ? 1
                        : (first & 0xe0) == 0xc0 ? 2
                        : (first & 0xf0) == 0xe0 ? 3
                        : (first & 0xf8) == 0xf0 ? 4
                                                 : 0;
  if (length == 0 || length > bytes.size()) return 0;
  if (length == 1) return 1;
  uint32_t code = first & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    const auto next = static_cast<uint8_t>(bytes[i]);
    if ((next & 0xc0) != 0x80) return 0;
    code = (code << 6) | (next & 0x3f);
  }
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code < kLeastOfLength[length] || code > 0x10ffff || surrogate ? 0 : length;
}

inline bool is_utf8(BytesView bytes) {
  while (!bytes.empty()) {
    const size_t length = utf8_length(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

}  // namespace atolldb
