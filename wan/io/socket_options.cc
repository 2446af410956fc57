#include "wan/io/socket_options.h"

#include <zmq.h>

namespace atolldb::wan {
namespace {

constexpr int kHandshakeMs = 3000;
constexpr int kKeepaliveIdleSeconds = 1;
constexpr int kKeepaliveIntervalSeconds = 1;
constexpr int kKeepaliveProbes = 3;
constexpr int kUnacknowledgedMs = 4000;  // what was sent, by the other kernel
constexpr int kBacklog = 1024;           // a region that comes back connects all at once

}  // namespace

void set_tcp_options(ZmqSocket& socket, int64_t message_bytes_max) {
  socket.set(ZMQ_HANDSHAKE_IVL, kHandshakeMs);
  socket.set(ZMQ_TCP_KEEPALIVE, 1);
  socket.set(ZMQ_TCP_KEEPALIVE_IDLE, kKeepaliveIdleSeconds);
  socket.set(ZMQ_TCP_KEEPALIVE_INTVL, kKeepaliveIntervalSeconds);
  socket.set(ZMQ_TCP_KEEPALIVE_CNT, kKeepaliveProbes);
  socket.set(ZMQ_TCP_MAXRT, kUnacknowledgedMs);
  socket.set(ZMQ_BACKLOG, kBacklog);
  socket.set(ZMQ_MAXMSGSIZE, message_bytes_max + kWireOverheadBytes);
}

}  // namespace atolldb::wan
