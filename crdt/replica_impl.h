#pragma once
// What the files of Replica share and nobody else includes.

#include "crdt/replica.h"

namespace atolldb::crdt {

struct Replica::At {
  BytesView key;
  Bytes prefix;
  uint32_t leaf = 0;
};

struct Replica::Held {
  RowName name;
  Bytes row_key;
  Row row;
  bool present = false;          // in the store
  bool changed = false;          // live dots or baseline
  std::optional<Digest> digest;  // as stored
  DotSet context_before;
};

// The header, string and total rows, and whether there are elements.
struct Replica::View {
  Held header;
  Held string;
  std::vector<Held> totals;
  bool element_rows = false;  // with or without a live dot
  bool elements = false;      // with one

  bool has_string() const;
  const Live* winner() const;             // the sibling with the highest (HLC, dot)
  std::optional<int64_t> number() const;  // the winner's, 0 without a winner; nothing: it is no number
  Int128 sum() const;                     // of the adds that count
};

// What a mutator read of a key, for the merge of what it found.
struct Replica::Remembered {
  Bytes prefix;
  std::vector<Held> rows;  // header, string and totals that are there, in order
  bool element_rows = false;
};

// Redis' notion of an integer: canonical decimal, 64 bits.
std::optional<int64_t> parse_integer(BytesView text);
std::string to_decimal(Int128 value);
bool fits_64_bits(Int128 value);

// Decodes a row that the store handed out; its checksum has been checked, so that it must be readable.
Row decode_stored(const RowName& name, BytesView bytes);

Error wrong_type();
Status check_key(BytesView key);

// What an add to this total left counts: total less the baseline, unless that observed an earlier total.
Int128 counting(const Live& total, const std::optional<Baseline>& baseline);

}  // namespace atolldb::crdt
