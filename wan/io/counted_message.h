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

// Bytes that wait in the queues of one peer, and in `total` those of all peers together where somebody wants
// to know. Shared with every message on its way: the I/O thread gives them back, possibly after the peer's
// socket is gone.
struct ByteGauge {
  std::atomic<size_t> bytes{0};
  std::shared_ptr<ByteGauge> total;

  size_t load() const { return bytes.load(std::memory_order_relaxed); }
  void add(size_t count) {
    bytes.fetch_add(count, std::memory_order_relaxed);
    if (total) total->add(count);
  }
  void subtract(size_t count) {
    bytes.fetch_sub(count, std::memory_order_relaxed);
    if (total) total->subtract(count);
  }
};

// Fills an uninitialized message with `head` and `body`, and counts them until ZeroMQ has encoded or dropped
// it.
void init_counted(zmq_msg_t* message, std::string_view head, BytesView body,
                  const std::shared_ptr<ByteGauge>& queue);

}  // namespace atolldb::wan
