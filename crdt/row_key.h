#pragma once
// The names of rows, and their keys in the store (docs/formats/row.md):
//
//   partition 2 | SipHash of the key 8 | key length 2 | key 0..480 | tag 1 | id 16        (numbers
//   big-endian)
//   `------------------- prefix: all rows of a key ---------------'
//
// Row order is tree order: partitions, then hashes, then keys. Within a key the tags put what a point read
// needs first. The store appends a chunk number of its own.

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "crdt/base/placement.h"
#include "crdt/sizes.h"

namespace atolldb::crdt {

// On disk and on the wire: never renumber.
enum class RowTag : uint8_t {
  header = 1,   // what a clear has excluded; id zero
  string = 2,   // the siblings of a string; id zero
  total = 3,    // one actor's running total and its baseline; id: the actor packed, 6 zero bytes
  element = 4,  // one element of a set; id: XXH3-128 of the element, big-endian
  journal = 5,  // a value that was overwritten unseen; id: its dot packed, or see journal_row()
  field = 6,    // one field of a map: siblings and totals; id: XXH3-128 of the field's name, big-endian
};

using RowId = std::array<char, 16>;

// Whether such rows are a collection's items: as many as it has, each a unit of its own in exchanges.
constexpr bool is_item(RowTag tag) { return tag == RowTag::element || tag == RowTag::field; }

// A row within its key. Ordered as row keys are: as bytes.
struct RowName {
  RowTag tag{};
  RowId id{};
  friend bool operator==(const RowName&, const RowName&) = default;
  friend std::strong_ordering operator<=>(const RowName& a, const RowName& b) {
    if (a.tag != b.tag) return a.tag <=> b.tag;
    return std::memcmp(a.id.data(), b.id.data(), a.id.size()) <=> 0;
  }
};

RowName header_row();
RowName string_row();
RowName total_row(const Actor& actor);
RowName element_row(BytesView element);
RowName field_row(BytesView field);
// Of a string's sibling or total. One update may add many elements or set many fields, so that of theirs the
// id is XXH3-128 of the element or of the field's name, seeded with the dot's XXH3-64.
RowName journal_row(const Dot& loser);
RowName journal_row(const Dot& loser, BytesView item);
// Of a total's name.
Actor actor_of(const RowName& total);

// What all rows of a key begin with. All of them lie from the prefix up to key_end(prefix).
Bytes key_prefix(const KeyPlace& place, BytesView key);
Bytes key_end(BytesView prefix);
// Where the rows of one tag begin.
Bytes tag_begin(BytesView prefix, RowTag tag);
Bytes row_key(BytesView prefix, const RowName& name);

// All rows of a partition: partition_begin <= row key < partition_end.
Bytes partition_begin(PartitionId partition);
Bytes partition_end(PartitionId partition);

struct RowKeyParts {
  KeyPlace place;
  BytesView prefix;
  BytesView key;
  RowName name;
};
// The views borrow from `row_key`. Nothing: it is no row key.
std::optional<RowKeyParts> parse_row_key(BytesView row_key);

}  // namespace atolldb::crdt
