#include "crdt/delta.h"
#include "crdt/replica_impl.h"

namespace atolldb::crdt {

Delta superseded(const Delta& delta) {
  Delta out;
  out.key = delta.key;
  out.dots = delta.dots;
  for (const Part& part : delta.parts) {
    if (part.name.tag != RowTag::string && part.name.tag != RowTag::field) continue;
    const std::optional<Bytes> field =
        part.name.tag == RowTag::field ? std::optional<Bytes>(part.subject) : std::nullopt;
    for (const Live& l : part.live)
      if (!l.standing) out.parts.push_back(journal_part(l.dot, record_of(l, field)));
  }
  sort_parts(out.parts);
  return out;
}

}  // namespace atolldb::crdt
