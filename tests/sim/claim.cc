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
// Of an element that was added: what the update's coordinator had gives the answer that the operation got. So
// two that add the same element at the same time, one of them answered, are told apart.
bool fits(const Operation& operation, const Update& update, const Facts& facts) {
  if (operation.op != Op::sadd || operation.elements.size() != 1) return true;
  const crdt::RowName row = crdt::element_row(operation.elements.front());
  std::vector<const Update*> saw;
  for (const uint32_t index : facts.of_key(operation.key)) {
    const Update& other = facts.updates()[index];
    const bool whole = other.kind == UpdateKind::set || other.kind == UpdateKind::del;
    if ((whole || other.touches(row.id)) && update.saw(row, other.dot)) saw.push_back(&other);
  }
  const bool present = std::any_of(saw.begin(), saw.end(), [&](const Update* added) {
    return added->kind == UpdateKind::sadd && std::none_of(saw.begin(), saw.end(), [&](const Update* other) {
             return other->saw(row, added->dot);
           });
  });
  return present == (operation.number == 0);
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
      for (const bool fitting : {true, false})
        for (auto at = first; at != indices.end(); ++at) {
          const Update& update = facts.updates()[*at];
          if (!matches(operation, update)) continue;
          if (by_answerer && topology.nodes[update.machine % topology.nodes.size()].number != operation.by)
            continue;
          if (held && facts.holders(update) < w) continue;
          if (fitting && !fits(operation, update, facts)) continue;
          return *at;
        }
  return std::nullopt;
}

}  // namespace atolldb::sim
