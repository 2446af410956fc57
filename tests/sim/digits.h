#pragma once
// Counters whose sums tell how many adds of each region they contain: every add of region i adds 2^(9 i), and
// no counter is given more than 511 adds in a region. Seven regions fit into 63 bits.

#include <charconv>
#include <cstdint>
#include <optional>
#include <vector>

#include "crdt/base/bytes.h"

namespace atolldb::sim {

inline constexpr uint32_t kDigitBits = 9;
inline constexpr uint32_t kDigitAddsMax = (1u << kDigitBits) - 1;
inline constexpr uint32_t kDigitRegionsMax = 7;

inline int64_t digit(uint32_t region) { return int64_t{1} << (kDigitBits * region); }

// Nothing: the text is no such sum.
inline std::optional<std::vector<uint32_t>> digits_of(const Bytes& text, uint32_t regions) {
  uint64_t sum = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), sum);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  std::vector<uint32_t> out;
  for (uint32_t r = 0; r < regions; ++r, sum >>= kDigitBits)
    out.push_back(static_cast<uint32_t>(sum & kDigitAddsMax));
  if (sum != 0) return std::nullopt;
  return out;
}

}  // namespace atolldb::sim
