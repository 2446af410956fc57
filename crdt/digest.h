#pragma once
// Digests of rows: a range's digest is the sum modulo 2^128 of its rows' hashes, so a change costs one
// subtraction and one addition and ranges add up.

#include <cstdint>
#include <string>

#include "crdt/base/bytes.h"

namespace atolldb::crdt {

struct Digest {
  uint64_t high = 0, low = 0;
  Digest& operator+=(const Digest& other);
  Digest& operator-=(const Digest& other);
  friend bool operator==(const Digest&, const Digest&) = default;
};

Digest hash_of(BytesView row_key, BytesView canonical_live_row);  // XXH3-128
std::string to_hex(const Digest& digest);                         // 32 digits

}  // namespace atolldb::crdt
