#include "crdt/digest.h"

#include <xxhash.h>

namespace atolldb::crdt {

Digest& Digest::operator+=(const Digest& other) {
  const uint64_t sum = low + other.low;
  high += other.high + (sum < low ? 1 : 0);
  low = sum;
  return *this;
}

Digest& Digest::operator-=(const Digest& other) {
  high -= other.high + (low < other.low ? 1 : 0);
  low -= other.low;
  return *this;
}

// The key's hash is the seed of the row's: one pass over each, and no copy to put them side by side.
Digest hash_of(BytesView row_key, BytesView canonical_live_row) {
  const XXH64_hash_t seed = XXH3_64bits(row_key.data(), row_key.size());
  const XXH128_hash_t hash =
      XXH3_128bits_withSeed(canonical_live_row.data(), canonical_live_row.size(), seed);
  return {hash.high64, hash.low64};
}

std::string to_hex(const Digest& digest) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const uint64_t half : {digest.high, digest.low})
    for (int shift = 60; shift >= 0; shift -= 4) out.push_back(kDigits[half >> shift & 15]);
  return out;
}

}  // namespace atolldb::crdt
