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

// What a read shows of siblings and totals, those of a string or of a field's row.
struct Register {
  const Live* winner = nullptr;      // the sibling with the highest (HLC, dot)
  std::optional<int64_t> number{0};  // the winner's, 0 without a winner; nothing: it is no number
  Int128 sum = 0;                    // of the adds that count
  uint32_t siblings = 0, totals = 0;

  bool empty() const { return siblings == 0 && totals == 0; }
  bool shows(const Live& l) const { return l.is_total() ? number.has_value() : &l == winner; }
  uint32_t hidden() const;      // siblings and totals behind what is shown
  Result<Bytes> value() const;  // Errc::overflow. Requires: not empty
  void count(const Live& l, const std::optional<Baseline>& baseline);
};
Register register_of(const Row& field);

// The header, string and total rows, and whether there are elements or fields.
struct Replica::View {
  Held header;
  Held string;
  std::vector<Held> totals;
  bool item_rows = false;  // elements or fields, with or without a live dot
  bool elements = false;   // with one
  bool fields = false;     // with one; not looked for where there are elements

  bool has_string() const;
  Register string_register() const;
  Type type() const;  // that a plain read shows: the first of string, set, map that is there
};

// What a mutator read of a key, for the merge of what it found.
struct Replica::Remembered {
  Bytes prefix;
  std::vector<Held> rows;  // header, string and totals that are there, in order
  bool item_rows = false;
};

// Redis' notion of an integer: canonical decimal, 64 bits.
std::optional<int64_t> parse_integer(BytesView text);
std::string to_decimal(Int128 value);
bool fits_64_bits(Int128 value);

// Where the rows of a collection end.
Bytes item_end(BytesView prefix, RowTag tag);

// Decodes a row that the store handed out; its checksum has been checked, so that it must be readable.
Row decode_stored(const RowName& name, BytesView bytes);

Error overflow();
Error no_number();
Status check_value(BytesView value);
// `what` begins the message: "an element".
Status check_items(const char* what, const std::vector<BytesView>& items);
Live sibling(const Dot& dot, Hlc hlc, BytesView value);
// A sibling's or total's; `field` where it is a map's.
JournalRecord record_of(const Live& l, const std::optional<Bytes>& field);
void journal_hidden(const Row& field, const Dot& dot, std::vector<Part>& parts);
Part journal_part(const Dot& dot, const JournalRecord& record);
void sort_parts(std::vector<Part>& parts);

constexpr bool is_other(Type shown, Type wanted) { return shown != Type::none && shown != wanted; }

Error wrong_type();
Status check_key(BytesView key);

// What an add to this total left counts: total less the baseline, unless that observed an earlier total.
Int128 counting(const Live& total, const std::optional<Baseline>& baseline);

}  // namespace atolldb::crdt
