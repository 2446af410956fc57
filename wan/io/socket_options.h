#pragma once
// The options that every TCP socket of a node has, listening or connecting.

#include "wan/io/zmq_socket.h"

namespace atolldb::wan {

// Bytes on the wire around a frame: CURVE's MESSAGE command and the envelope.
inline constexpr int64_t kWireOverheadBytes = 128;

// Handshakes that do not finish are closed (HAZARDS 33), connections to a host that is gone are noticed
// within four seconds, received messages are bounded in size.
//
// TCP notices, and not ZMTP's heartbeats: ZeroMQ 4.3 aborts the process when one is due, or is to be
// answered, on a connection that broke while its input was stopped for a full queue.
void set_tcp_options(ZmqSocket& socket, int64_t message_bytes_max);

}  // namespace atolldb::wan
