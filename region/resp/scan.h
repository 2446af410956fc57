#pragma once
// What SCAN, SSCAN and HSCAN share: their options, patterns, and cursors.
//
// A cursor is a place in the order in which rows lie: the upper bits of a hash. It needs no memory anywhere,
// and what was there throughout is visited whatever happens to the rest. 0 is the beginning, and the end.

#include <optional>
#include <string>

#include "region/resp/conversation.h"

namespace atolldb::resp {

// Glob patterns as Redis has them: * ? [a-z] [^a] and \ before what is meant literally.
bool matches(BytesView pattern, BytesView text);

struct ScanOptions {
  uint64_t cursor = 0;
  std::optional<Bytes> pattern, type;
  uint64_t count = 10;

  bool takes(BytesView name) const { return !pattern || matches(*pattern, name); }
};

// Reads `cursor [MATCH p] [COUNT n] [TYPE t]` from the word `first` on. Nothing: it is wrong, and the reply
// says so.
std::optional<ScanOptions> scan_options(Conversation& c, size_t first, bool with_type);

// Among all keys: the upper 48 bits of a key's hash.
Bytes key_place(uint64_t cursor);
uint64_t key_cursor(BytesView place);
// Among the members of a set or the fields of a map: one more than the upper 64 bits of the row id that was
// last. A place is what `smembers` and `hgetall` go on behind.
Bytes item_place(uint64_t cursor);
uint64_t item_cursor(BytesView place);

}  // namespace atolldb::resp
