#pragma once
// Writes that look before they leap: they depend on what is there, or tell it.

#include "crdt/replica.h"
#include "region/core/request.h"
#include "region/core/verdict.h"

namespace atolldb::region {

constexpr bool is_conditional(const Request& request) {
  if (request.condition != Condition::none || request.want_old) return true;
  switch (request.op) {
    case Op::append:
    case Op::setrange:
    case Op::getdel:
    case Op::spop:
      return true;
    default:
      return false;
  }
}

// What a write's effect depends on, so that it carries a verdict (docs/coordinator.md, rule 12). The others
// do the same whatever is there: at most their answer tells of it.
constexpr Verdict verdict_of(const Request& request) {
  switch (request.condition) {
    case Condition::absent:
      return Verdict::absent;
    case Condition::present:
      return Verdict::present;
    case Condition::none:
      break;
  }
  return request.op == Op::append || request.op == Op::setrange ? Verdict::unchanged : Verdict::none;
}

class Partition;

// Requires: is_conditional(request). Without a delta: the condition does not hold, or there is nothing to do.
Result<crdt::Mutation> mutate_seen(Partition& partition, const Request& request, const Dot& dot,
                                   crdt::Hlc stamp);

}  // namespace atolldb::region
