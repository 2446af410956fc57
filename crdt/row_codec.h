#pragma once
// The pieces that rows and the parts of deltas have in common on the wire (docs/formats/row.md).

#include <optional>
#include <vector>

#include "crdt/codec.h"
#include "crdt/row.h"
#include "crdt/wire.h"

namespace atolldb::crdt {

// Siblings: dot, HLC and value of each, or the dot and two nils where it is named as left standing.
void write_siblings(Writer& writer, const std::vector<Live>& live);
std::vector<Live> read_siblings(Reader& reader, bool standing_allowed);

// A total: nothing, or counter, the counter it started at, and sum.
void write_total(Writer& writer, const std::vector<Live>& live);
std::vector<Live> read_total(Reader& reader, const Actor& actor);

// An element or a journal record: nothing, or the subject and its dots.
void write_subject(Writer& writer, BytesView subject, const std::vector<Live>& live);
std::vector<Live> read_subject(Reader& reader, const RowName& name, Bytes& subject);

void write(Writer& writer, const std::optional<Baseline>& baseline);
std::optional<Baseline> read_baseline(Reader& reader);

}  // namespace atolldb::crdt
