#pragma once
// What the client has to know of an operation to repeat it.

#include "region/core/request.h"

namespace atolldb::client {

// It changes nothing, so that repeating it is always safe.
constexpr bool is_read(region::Op op) {
  switch (op) {
    case region::Op::set:
    case region::Op::del:
    case region::Op::add:
    case region::Op::sadd:
    case region::Op::srem:
    case region::Op::hset:
    case region::Op::hdel:
    case region::Op::hadd:
    case region::Op::set_context:
    case region::Op::cut:
    case region::Op::heal:
      return false;
    default:
      return true;
  }
}

}  // namespace atolldb::client
