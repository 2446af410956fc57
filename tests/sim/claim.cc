#include "tests/sim/claim.h"

#include <algorithm>

#include "crdt/row_key.h"

namespace atolldb::sim {

using region::Op;

namespace {
bool matches(const Operation& operation, const Update& update) {
  if (update.region != operation.region || update.op >= 0) return false;
  switch (operation.op) {
    case Op::set:
      return update.kind == UpdateKind::set && update.value == operation.value;
    case Op::del:
      return update.kind == UpdateKind::del;
    case Op::add:
      return update.kind == UpdateKind::add && update.request_id == operation.request_id;
    case Op::sadd:
      return update.kind == UpdateKind::sadd &&
             std::is_permutation(update.elements.begin(), update.elements.end(), operation.elements.begin(),
                                 operation.elements.end());
    case Op::srem:
      return update.kind == UpdateKind::srem &&
             std::all_of(update.rows.begin(), update.rows.end(), [&](const crdt::RowId& row) {
               return std::any_of(operation.elements.begin(), operation.elements.end(),
                                  [&](const Bytes& e) { return crdt::element_row(e).id == row; });
             });
    default:
      return false;
  }
}
}  // namespace

std::optional<uint32_t> update_of(const Operation& operation, const Facts& facts,
                                  const topology::Topology& topology, uint32_t w) {
  const auto& indices = facts.of_key(operation.key);
  const auto first = std::partition_point(indices.begin(), indices.end(), [&](uint32_t index) {
    return facts.updates()[index].issued < operation.invoked;
  });
  for (const bool held : {true, false})
    for (const bool by_answerer : {true, false})
      for (auto at = first; at != indices.end(); ++at) {
        const Update& update = facts.updates()[*at];
        if (!matches(operation, update)) continue;
        if (by_answerer && topology.nodes[update.machine].number != operation.by) continue;
        if (held && facts.holders(update) < w) continue;
        return *at;
      }
  return std::nullopt;
}

}  // namespace atolldb::sim
