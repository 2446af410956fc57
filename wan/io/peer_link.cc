#include "wan/io/peer_link.h"

#include <zmq.h>

#include <atomic>
#include <cstring>
#include <optional>

#include "wan/io/curve_keys.h"
#include "wan/io/frame.h"
#include "wan/io/socket_options.h"
#include "wan/io/transport.h"
#include "wan/io/zmq_message.h"

namespace atolldb::wan {
namespace {

constexpr int64_t kHandshakeBytesMax = 4096;  // nothing else is received on this socket
constexpr int kConnectMs = 2000;  // the system itself asks again for two minutes, more and more rarely
constexpr int kReconnectMs = 50;
constexpr int kReconnectMaxMs = 1000;
constexpr int kMonitored = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
                           ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                           ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL;
constexpr char kHead[kFrameHeadBytes] = {kFrameVersion, static_cast<char>(FrameKind::node)};

std::string monitor_endpoint() {
  static std::atomic<uint64_t> next{0};  // inproc names are per context, and a context may outlive a link
  return "inproc://atoll-peer-monitor-" + std::to_string(next.fetch_add(1));
}

void set_client_options(ZmqSocket& socket, const topology::Node& peer, const PeerLink::Keys& keys) {
  set_tcp_options(socket, kHandshakeBytesMax);
  socket.set(ZMQ_CURVE_SERVERKEY, peer.public_key);
  socket.set(ZMQ_CURVE_PUBLICKEY, keys.own_public);
  socket.set(ZMQ_CURVE_SECRETKEY, keys.own_secret);
  socket.set(ZMQ_IMMEDIATE, 1);
  socket.set(ZMQ_SNDHWM, kQueueFramesMax);
  socket.set(ZMQ_RCVHWM, 1);
  socket.set(ZMQ_CONNECT_TIMEOUT, kConnectMs);
  socket.set(ZMQ_RECONNECT_IVL, kReconnectMs);
  socket.set(ZMQ_RECONNECT_IVL_MAX, kReconnectMaxMs);
  if (peer.peer.host.find(':') != std::string::npos) socket.set(ZMQ_IPV6, 1);
}

std::optional<PeerLink::Event> event_of(BytesView head) {
  uint16_t number = 0;
  std::memcpy(&number, head.data(), sizeof number);
  switch (number) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
      return PeerLink::Event::up;
    case ZMQ_EVENT_DISCONNECTED:
      return PeerLink::Event::down;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
      return PeerLink::Event::rejected;
    default:
      return std::nullopt;
  }
}

}  // namespace

PeerLink::PeerLink(ZmqSocket socket, ZmqSocket monitor)
    : socket_(std::move(socket)), monitor_(std::move(monitor)) {}

Result<std::unique_ptr<PeerLink>> PeerLink::open(void* context, const topology::Node& peer,
                                                 const Keys& keys) {
  if (!is_key(peer.public_key))
    return {Errc::invalid, "the topology's public key of node " + peer.name + " is not a CURVE key in Z85"};
  auto socket = ZmqSocket::open(context, ZMQ_DEALER);
  if (!socket) return socket.error();
  auto monitor = ZmqSocket::open(context, ZMQ_PAIR);
  if (!monitor) return monitor.error();
  set_client_options(*socket, peer, keys);
  const std::string events = monitor_endpoint();
  if (zmq_socket_monitor(socket->handle(), events.c_str(), kMonitored) != 0 ||
      zmq_connect(monitor->handle(), events.c_str()) != 0)
    return {Errc::io, std::string("a ZeroMQ socket monitor cannot start: ") + zmq_strerror(zmq_errno())};
  // The first event only signals the descriptor when somebody has looked before and found nothing.
  monitor->events();
  if (zmq_connect(socket->handle(), endpoint_of(peer.peer).c_str()) != 0)
    return {Errc::io, "node " + peer.name + ": " + endpoint_of(peer.peer) +
                          " cannot be connected to: " + zmq_strerror(zmq_errno())};
  return std::unique_ptr<PeerLink>(new PeerLink(std::move(*socket), std::move(*monitor)));
}

bool PeerLink::send(BytesView frame) {
  if (queued_->load() + frame.size() > kQueueBytesMax) return false;
  zmq_msg_t message;
  init_counted(&message, std::string_view(kHead, sizeof kHead), frame, queued_);
  int rc = zmq_msg_send(&message, socket_.handle(), ZMQ_DONTWAIT);
  // A non-blocking send may decide on old news: ZeroMQ looks at what its I/O thread has to say only every
  // millisecond or so. Asking for the events makes it look.
  if (rc < 0 && zmq_errno() == EAGAIN && (socket_.events() & ZMQ_POLLOUT) != 0)
    rc = zmq_msg_send(&message, socket_.handle(), ZMQ_DONTWAIT);
  if (rc < 0) zmq_msg_close(&message);
  return rc >= 0;
}

void PeerLink::take_events(std::vector<Event>& events) {
  bool any = false;
  for (Message part; part.receive(monitor_.handle()); any = true)
    // Two parts: number and value, then the endpoint.
    if (part.more() && part.bytes().size() >= sizeof(uint16_t))
      if (const auto event = event_of(part.bytes())) events.push_back(*event);
  // Ended connections are only let go when their socket is used; a link that is never written to would keep
  // them.
  if (any) socket_.events();
}

}  // namespace atolldb::wan
