#pragma once
// Bytes as people compare them.

#include <cstdint>
#include <string_view>

#include "crdt/base/bytes.h"

namespace atolldb::crdt {

inline constexpr std::string_view kDigits = "0123456789abcdef";

inline Bytes hex(BytesView bytes) {
  Bytes out;
  for (const char c : bytes) {
    out.push_back(kDigits[static_cast<uint8_t>(c) >> 4]);
    out.push_back(kDigits[static_cast<uint8_t>(c) & 15]);
  }
  return out;
}

inline Bytes unhex(std::string_view text) {
  const auto digit = [](char c) { return kDigits.find(c); };
  Bytes out;
  for (size_t i = 0; i + 1 < text.size(); i += 2)
    out.push_back(static_cast<char>(digit(text[i]) << 4 | digit(text[i + 1])));
  return out;
}

}  // namespace atolldb::crdt
