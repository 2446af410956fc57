#pragma once
// The options that every TCP socket of a node has, listening or connecting.

#include "wan/io/zmq_socket.h"

namespace atolldb::wan {

// Bytes on the wire around a frame: CURVE's MESSAGE command and the envelope.
inline constexpr int64_t kWireOverheadBytes = 128;

// Handshakes that do not finish are closed (HAZARDS 33), connections without a living host are noticed in
// seconds, received messages are bounded in size.
void set_tcp_options(ZmqSocket& socket, int64_t message_bytes_max);

// Of a socket that connects: both ends notice within seconds that the other one is gone. Sockets that listen
// only answer: ZeroMQ 4.3 aborts the process when a heartbeat is due on a connection that broke while its
// input was stopped for a full queue, and only theirs fill.
void set_heartbeats(ZmqSocket& socket);

}  // namespace atolldb::wan
