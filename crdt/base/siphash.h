#pragma once
// SipHash-2-4 (Aumasson and Bernstein, INDOCRYPT 2012): the keyed hash that places keys. Keyed with the
// cluster's seed, so that nobody outside can aim many keys at one partition.

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "crdt/base/bytes.h"

namespace atolldb {

struct SipKey {
  uint64_t k0 = 0;
  uint64_t k1 = 0;
  friend constexpr bool operator==(const SipKey&, const SipKey&) = default;
};

inline uint64_t siphash24(const SipKey& key, BytesView data) {
  static_assert(std::endian::native == std::endian::little, "words are read as they lie in memory");
  uint64_t v0 = key.k0 ^ 0x736f6d6570736575ULL, v1 = key.k1 ^ 0x646f72616e646f6dULL;
  uint64_t v2 = key.k0 ^ 0x6c7967656e657261ULL, v3 = key.k1 ^ 0x7465646279746573ULL;
  const auto round = [&] {
    v0 += v1;
    v1 = std::rotl(v1, 13);
    v1 ^= v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16);
    v3 ^= v2;
    v0 += v3;
    v3 = std::rotl(v3, 21);
    v3 ^= v0;
    v2 += v1;
    v1 = std::rotl(v1, 17);
    v1 ^= v2;
    v2 = std::rotl(v2, 32);
  };
  const auto absorb = [&](uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  };
  size_t at = 0;
  for (; at + 8 <= data.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, data.data() + at, 8);
    absorb(word);
  }
  uint64_t last = static_cast<uint64_t>(data.size()) << 56;
  for (size_t i = 0; at + i < data.size(); ++i)
    last |= static_cast<uint64_t>(static_cast<unsigned char>(data[at + i])) << (8 * i);
  absorb(last);
  v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) round();
  return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace atolldb
