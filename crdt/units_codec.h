#pragma once
// The units of an exchange's chunk on the wire (docs/formats/delta.md, "Units"): the sender's clock, and for
// each key its header, string, total and journal rows, then its elements and fields. Rows travel as they are
// stored.

#include <utility>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/result.h"
#include "crdt/dot_set.h"
#include "crdt/row.h"

namespace atolldb::crdt {

struct EncodedRow {
  RowName name;
  Bytes bytes;
};

struct EncodedKey {
  Bytes key;
  std::vector<EncodedRow> rows;      // header, string, totals, journal; complete, in order
  std::vector<EncodedRow> elements;  // and fields: those in the chunk's range, in order
};

struct NamedRow {
  RowName name;
  Row row;
};

struct KeyUnits {
  Bytes key;
  std::vector<NamedRow> rows;
  std::vector<NamedRow> elements;
};

struct Units {
  DotSet clock;  // the sender's, when it encoded the chunk
  std::vector<KeyUnits> keys;
};

Bytes encode_units(const DotSet& clock, const std::vector<EncodedKey>& keys);
// Validates every row. Errc::corrupt, Errc::version, Errc::too_large.
Result<Units> decode_units(BytesView bytes);

}  // namespace atolldb::crdt
