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

// A field in a row: nothing, or its name, its siblings, and of each actor that has a total actor, counter,
// start, sum and the baseline that bears on it (digests cover it, so that it stands here).
void write_field(Writer& writer, BytesView name, const std::vector<Live>& live, const Baselines& baselines);
std::vector<Live> read_field(Reader& reader, const RowName& row, Bytes& name, Baselines& baselines);
// The baselines of a field's row that bear on no live total; read_idle_baselines adds to those that do.
void write_idle_baselines(Writer& writer, const std::vector<Live>& live, const Baselines& baselines);
void read_idle_baselines(Reader& reader, const std::vector<Live>& live, Baselines& baselines);

// A field in a delta's part: nothing, or its name, siblings, and totals without baselines.
void write_field_part(Writer& writer, BytesView name, const std::vector<Live>& live);
std::vector<Live> read_field_part(Reader& reader, const RowName& row, Bytes& name);
void write(Writer& writer, const Baselines& baselines);
Baselines read_baselines(Reader& reader);

void write(Writer& writer, const std::optional<Baseline>& baseline);
std::optional<Baseline> read_baseline(Reader& reader);

}  // namespace atolldb::crdt
