#pragma once
// Where a response goes.

#include <cstdint>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"

namespace atolldb::region {

// A client of this node, or through the node that forwarded the request.
struct ReplyTo {
  Bytes client;  // the client's route; empty when forwarded
  uint64_t correlation = 0;
  uint64_t turn = 0;  // requests that came to this node are placed in this order
  // Of an increment that this node has named: an earlier attempt may have been counted, and what is said of
  // this one says nothing of that.
  bool unsure = false;
  // With token != 0, it was forwarded:
  NodeNumber via{};
  uint64_t token = 0;
  uint32_t process = 0;  // the random part of via's process
  PartitionId partition{};
  bool in_order = false;  // if it is sent back, nothing may overtake it
  uint64_t heard = 0;     // the highest token of which via had heard that it was sent back
};

}  // namespace atolldb::region
