#pragma once
// The options that every TCP socket of a node has, listening or connecting.

#include "wan/io/zmq_socket.h"

namespace atolldb::wan {

// Bytes on the wire around a frame: CURVE's MESSAGE command and the envelope.
inline constexpr int64_t kWireOverheadBytes = 128;

// Handshakes that do not finish are closed (HAZARDS 33), half-open connections are noticed in seconds,
// received messages are bounded in size.
void set_tcp_options(ZmqSocket& socket, int64_t message_bytes_max);

}  // namespace atolldb::wan
