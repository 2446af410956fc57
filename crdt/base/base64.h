#pragma once
// RFC 4648, 4: base64 with padding, as JSON and headers carry bytes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "crdt/base/bytes.h"

namespace atolldb {

inline constexpr BytesView kBase64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

inline std::string base64(BytesView bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t word = 0;
    for (size_t j = 0; j < 3; ++j)
      word = word << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0);
    for (size_t j = 0; j < 4; ++j)
      out.push_back(i + j <= bytes.size() ? kBase64Digits[word >> (18 - 6 * j) & 63] : '=');
  }
  return out;
}

// Nothing: not in that form, or bits are set that mean nothing. Each value has one spelling.
inline std::optional<Bytes> base64_decoded(BytesView text) {
  if (text.size() % 4 != 0) return std::nullopt;
  size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  Bytes out;
  out.reserve(text.size() / 4 * 3);
  uint32_t word = 0;
  int bits = 0;
  for (const char c : text.substr(0, text.size() - padding)) {
    const size_t digit = kBase64Digits.find(c);
    if (digit == BytesView::npos) return std::nullopt;
    word = (word << 6 | static_cast<uint32_t>(digit)) & 0xfff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out.push_back(static_cast<char>(word >> bits));
  }
  if ((word & ((1u << bits) - 1)) != 0) return std::nullopt;
  return out;
}

}  // namespace atolldb
