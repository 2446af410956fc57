#pragma once
// A delta on its way, in messages between nodes and in what is logged of them.

#include "crdt/base/bytes.h"
#include "crdt/fields.h"
#include "crdt/hlc.h"
#include "region/core/verdict.h"

namespace atolldb::region {

// The stamp with which it entered its region, its request id where it has one, and its bytes. The views
// borrow.
struct Entry {
  crdt::Hlc stamp;
  BytesView request_id;
  BytesView delta;
  Epoch epoch = {};  // under which it entered; number 0: that of the message
  Verdict verdict = Verdict::none;
  Epoch judged = {};  // the epoch that gave the verdict

  bool pending() const { return is_pending(verdict, judged); }
};

template <typename Io>
void fields(Io& io, Entry& e) {
  io(e.stamp, e.request_id, e.delta);
  io.behind(e.epoch.number != 0, e.epoch);
  io.behind(e.verdict != Verdict::none, e.verdict, e.judged);
}

}  // namespace atolldb::region
