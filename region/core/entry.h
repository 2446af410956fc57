#pragma once
// A delta on its way, in messages between nodes and in what is logged of them.

#include "crdt/base/bytes.h"
#include "crdt/fields.h"
#include "crdt/hlc.h"

namespace atolldb::region {

// The stamp with which it entered its region, its request id where it has one, and its bytes. The views
// borrow.
struct Entry {
  crdt::Hlc stamp;
  BytesView request_id;
  BytesView delta;
};

template <typename Io>
void fields(Io& io, Entry& e) {
  io(e.stamp, e.request_id, e.delta);
}

}  // namespace atolldb::region
