#pragma once
// Messages whose bytes are counted as long as ZeroMQ holds them. Its high-water mark counts messages, and one
// message may be 32 MiB; this bounds what waits for a slow peer in bytes.

#include <zmq.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <string_view>

#include "crdt/base/bytes.h"

namespace atolldb::wan {

// Bytes that wait in the queues of one peer. Shared with every message on its way: the I/O thread gives them
// back, possibly after the peer's socket is gone.
using BytesInQueue = std::shared_ptr<std::atomic<size_t>>;

inline BytesInQueue make_bytes_in_queue() { return std::make_shared<std::atomic<size_t>>(0); }

// Fills an uninitialized message with `head` and `body`, and counts them until ZeroMQ has encoded or dropped
// it.
void init_counted(zmq_msg_t* message, std::string_view head, BytesView body, const BytesInQueue& queue);

}  // namespace atolldb::wan
