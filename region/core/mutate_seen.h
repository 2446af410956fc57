#pragma once
// Writes that look before they leap: they depend on what is there, or tell it.

#include "crdt/replica.h"
#include "region/core/request.h"

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

class Partition;

// Requires: is_conditional(request). Without a delta: the condition does not hold, or there is nothing to do.
Result<crdt::Mutation> mutate_seen(Partition& partition, const Request& request, const Dot& dot,
                                   crdt::Hlc stamp);

}  // namespace atolldb::region
