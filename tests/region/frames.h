#pragma once
// What is in the frames that nodes send each other.

#include <cstdint>

#include "crdt/wire.h"

namespace atolldb::testing {

// Whether a frame has a message of this type: region::MessageType or wan::MessageType.
template <typename Type>
bool has(BytesView frame, Type type) {
  crdt::Reader reader(frame);
  reader.uint();  // version
  reader.skip();  // header
  while (reader.ok() && !reader.at_end()) {
    crdt::Reader message(reader.value());
    message.array();
    if (message.uint() == static_cast<uint64_t>(type)) return true;
  }
  return false;
}

}  // namespace atolldb::testing
