#include "client/links.h"

#include <zmq.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "crdt/base/ensure.h"
#include "region/core/request_codec.h"

namespace atolldb::client {
namespace {

constexpr int kMonitoredEvents = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
                                 ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
constexpr int kSendFramesMax = 64;  // waiting inside ZeroMQ; the rest waits in the core
constexpr int kFramesAtOnce = 64;   // of one link, before the others are looked at
constexpr int kConnectMs = 2'000;
constexpr int kHandshakeMs = 2'000;
// They find a peer that is gone without a word; ZMTP's heartbeats could end the process
// (docs/formats/transport.md).
constexpr int kKeepaliveSeconds = 2;
constexpr int kKeepaliveProbes = 3;
constexpr int kUnacknowledgedMs = 6'000;

void set(void* socket, int option, int value) {
  ensure(zmq_setsockopt(socket, option, &value, sizeof value) == 0, "a socket option was refused");
}

void* open_dealer(void* context) {
  void* socket = zmq_socket(context, ZMQ_DEALER);
  if (socket == nullptr) return nullptr;
  set(socket, ZMQ_LINGER, 0);
  set(socket, ZMQ_IMMEDIATE, 1);
  set(socket, ZMQ_SNDHWM, kSendFramesMax);
  set(socket, ZMQ_CONNECT_TIMEOUT, kConnectMs);
  set(socket, ZMQ_HANDSHAKE_IVL, kHandshakeMs);
  set(socket, ZMQ_TCP_KEEPALIVE, 1);
  set(socket, ZMQ_TCP_KEEPALIVE_IDLE, kKeepaliveSeconds);
  set(socket, ZMQ_TCP_KEEPALIVE_INTVL, kKeepaliveSeconds);
  set(socket, ZMQ_TCP_KEEPALIVE_CNT, kKeepaliveProbes);
  set(socket, ZMQ_TCP_MAXRT, kUnacknowledgedMs);
  const int64_t frame_bytes_max = region::kClientFrameBytesMax;
  ensure(zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_bytes_max, sizeof frame_bytes_max) == 0,
         "a socket option was refused");
  return socket;
}

// One part of a message; its bytes live as long as it does.
class Part {
 public:
  Part() { zmq_msg_init(&message_); }
  ~Part() { zmq_msg_close(&message_); }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;
  bool receive(void* socket) { return zmq_msg_recv(&message_, socket, ZMQ_DONTWAIT) >= 0; }
  bool more() const { return zmq_msg_more(&message_) != 0; }
  BytesView bytes() { return {static_cast<const char*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)}; }

 private:
  zmq_msg_t message_;
};

const char* meaning(int event) {
  switch (event) {
    case ZMQ_EVENT_DISCONNECTED:
      return "the connection was lost before the answer came";
    case ZMQ_EVENT_CONNECT_RETRIED:
      return "no connection; is the node running?";
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
      return "the node refused this client";
    default:
      return "no ZeroMQ handshake; is this the node's client address?";
  }
}

}  // namespace

struct Links::PollSet {
  std::vector<zmq_pollitem_t> items;
};

Links::Links(void* zmq_context, size_t count)
    : context_(zmq_context), links_(count), poll_set_(std::make_unique<PollSet>()) {}

Links::~Links() {
  while (!open_.empty()) close(LinkId{open_.back()});
}

void Links::open(LinkId id, const std::string& endpoint) {
  Link& link = links_[id.index];
  ensure(link.dealer == nullptr, "a link was opened twice");
  link.failed = connect(link, endpoint);
  open_.push_back(id.index);
  if (!link.failed.empty()) failed_.push_back(id.index);
}

// Returns why it did not work, or nothing.
std::string Links::connect(Link& link, const std::string& endpoint) {
  link.dealer = open_dealer(context_);
  link.monitor = zmq_socket(context_, ZMQ_PAIR);
  if (link.dealer == nullptr || link.monitor == nullptr) return zmq_strerror(errno);
  set(link.monitor, ZMQ_LINGER, 0);
  const std::string name = "inproc://atoll-client-" + std::to_string(reinterpret_cast<uintptr_t>(this)) +
                           "-" + std::to_string(++monitors_);
  if (zmq_socket_monitor(link.dealer, name.c_str(), kMonitoredEvents) != 0 ||
      zmq_connect(link.monitor, name.c_str()) != 0 || zmq_connect(link.dealer, endpoint.c_str()) != 0)
    return zmq_strerror(errno);
  return {};
}

void Links::close(LinkId id) {
  Link& link = links_[id.index];
  if (link.dealer != nullptr) {
    zmq_socket_monitor(link.dealer, nullptr, 0);
    zmq_close(link.dealer);
  }
  if (link.monitor != nullptr) zmq_close(link.monitor);
  link = Link();
  std::erase(open_, id.index);
}

void Links::lose(LinkId id, const std::string& why, Handler& handler) {
  read_frames(id, handler);  // answers that came before the end count
  if (links_[id.index].dealer == nullptr) return;
  close(id);
  handler.on_down(id, why);
}

bool Links::stuck(LinkId link) const { return !links_[link.index].stuck.empty(); }

void Links::send(LinkId id, Bytes&& frame) {
  Link& link = links_[id.index];
  ensure(link.dealer != nullptr && link.stuck.empty(), "a frame for a link that cannot take it");
  if (zmq_send(link.dealer, frame.data(), frame.size(), ZMQ_DONTWAIT) < 0) link.stuck = std::move(frame);
}

void Links::collect(int wake_fd) {
  std::vector<zmq_pollitem_t>& items = poll_set_->items;
  items.clear();
  items.push_back({nullptr, wake_fd, ZMQ_POLLIN, 0});
  for (const uint32_t index : open_) {
    const Link& link = links_[index];
    const int events = ZMQ_POLLIN | (link.stuck.empty() ? 0 : ZMQ_POLLOUT);
    items.push_back({link.dealer, 0, static_cast<short>(events), 0});
    items.push_back({link.monitor, 0, ZMQ_POLLIN, 0});
  }
}

bool Links::poll(int wake_fd, Duration timeout, Handler& handler) {
  for (const uint32_t index : std::exchange(failed_, {}))
    lose(LinkId{index}, std::string(links_[index].failed), handler);
  collect(wake_fd);
  const std::vector<zmq_pollitem_t>& items = poll_set_->items;
  const int64_t wait_ms = std::clamp<int64_t>((timeout.ns + 999'999) / 1'000'000, 0, 60'000);
  if (zmq_poll(poll_set_->items.data(), static_cast<int>(items.size()), static_cast<long>(wait_ms)) <= 0)
    return false;
  const std::vector<uint32_t> polled = open_;
  for (size_t i = 0; i < polled.size(); ++i) {
    const LinkId id{polled[i]};
    const short dealer = items[1 + 2 * i].revents, monitor = items[2 + 2 * i].revents;
    if (dealer & ZMQ_POLLIN) read_frames(id, handler);
    Link& link = links_[id.index];
    if ((dealer & ZMQ_POLLOUT) && !link.stuck.empty()) {
      send(id, std::exchange(link.stuck, {}));
      if (link.stuck.empty()) handler.on_writable(id);
    }
    if (monitor & ZMQ_POLLIN) read_monitor(id, handler);
  }
  return (items[0].revents & ZMQ_POLLIN) != 0;
}

void Links::read_frames(LinkId id, Handler& handler) {
  void* dealer = links_[id.index].dealer;
  for (int i = 0; dealer != nullptr && i < kFramesAtOnce; ++i) {
    Part part;
    if (!part.receive(dealer)) return;
    handler.on_frame(id, part.bytes());  // several parts are several frames that do not decode
    dealer = links_[id.index].dealer;    // the handler may have closed it
  }
}

// An event is two parts: its number in 16 bits and a value in 32, and the endpoint.
void Links::read_monitor(LinkId id, Handler& handler) {
  while (links_[id.index].monitor != nullptr) {
    Part event, endpoint;
    if (!event.receive(links_[id.index].monitor)) return;
    if (event.more()) endpoint.receive(links_[id.index].monitor);
    uint16_t number = 0;
    if (event.bytes().size() < sizeof number) continue;
    std::memcpy(&number, event.bytes().data(), sizeof number);
    if (number == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
      handler.on_up(id);
    else if ((number & kMonitoredEvents) != 0)
      return lose(id, meaning(number), handler);
  }
}

}  // namespace atolldb::client
