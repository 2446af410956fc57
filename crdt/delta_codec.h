#pragma once
// Parts as they lie in deltas and in the units of an exchange (docs/formats/delta.md).

#include "crdt/part.h"
#include "crdt/wire.h"

namespace atolldb::crdt {

void write(Writer& writer, const Part& part);
// `contexts`: how many there are to refer to.
Part read_part(Reader& reader, size_t contexts);

// What a delta's after_add is: that of the first of its totals that has one.
uint64_t first_after_add(const std::vector<Part>& parts);

}  // namespace atolldb::crdt
