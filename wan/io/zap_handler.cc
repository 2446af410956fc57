#include "wan/io/zap_handler.h"

#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#include <array>

#include "wan/io/curve_keys.h"
#include "wan/io/zmq_message.h"

namespace atolldb::wan {
namespace {

constexpr size_t kRefusalsKeptMax = 16;

// RFC 27: version, request id, domain, address, identity, mechanism, credentials.
constexpr size_t kRequestParts = 7;

std::vector<std::string> receive_parts(void* socket) {
  std::vector<std::string> parts;
  for (Message part; part.receive(socket);) {
    parts.emplace_back(part.bytes());
    if (!part.more()) break;
  }
  return parts;
}

void send_parts(void* socket, const std::array<std::string, 6>& parts) {
  for (size_t i = 0; i < parts.size(); ++i)
    zmq_send(socket, parts[i].data(), parts[i].size(), i + 1 < parts.size() ? ZMQ_SNDMORE : 0);
}

void signal_fd(int fd) {
  const uint64_t one = 1;
  // An eventfd refuses only when its counter is full, and then it is readable already.
  [[maybe_unused]] const auto written = write(fd, &one, sizeof one);
}

}  // namespace

ZapHandler::ZapHandler(ZmqSocket socket, int stop_fd, int event_fd)
    : socket_(std::move(socket)), stop_fd_(stop_fd), event_fd_(event_fd) {}

Result<std::unique_ptr<ZapHandler>> ZapHandler::start(void* context, const topology::Topology& topology,
                                                      NodeNumber self) {
  auto socket = ZmqSocket::open(context, ZMQ_REP);
  if (!socket) return socket.error();
  if (zmq_bind(socket->handle(), "inproc://zeromq.zap.01") != 0)
    return {Errc::io, std::string("the ZAP handler cannot start: ") + zmq_strerror(zmq_errno())};
  const int stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  ensure(stop >= 0 && event >= 0, "no file descriptor for an eventfd");
  std::unique_ptr<ZapHandler> handler(new ZapHandler(std::move(*socket), stop, event));
  for (const auto& node : topology.nodes) {
    if (node.number == self)
      handler->own_key_ = node.public_key;
    else
      handler->node_of_.emplace(node.public_key, node.number);
  }
  handler->thread_ = std::thread([raw = handler.get()] { raw->run(); });
  return handler;
}

ZapHandler::~ZapHandler() {
  signal_fd(stop_fd_);
  if (thread_.joinable()) thread_.join();
  close(stop_fd_);
  close(event_fd_);
}

void ZapHandler::run() {
  std::array<zmq_pollitem_t, 2> items{zmq_pollitem_t{socket_.handle(), 0, ZMQ_POLLIN, 0},
                                      zmq_pollitem_t{nullptr, stop_fd_, ZMQ_POLLIN, 0}};
  while (true) {
    if (zmq_poll(items.data(), items.size(), -1) < 0) {
      if (zmq_errno() == EINTR) continue;
      return;  // the context goes away
    }
    if (items[1].revents != 0) return;
    if (items[0].revents != 0) answer_one();
  }
}

void ZapHandler::answer_one() {
  const auto request = receive_parts(socket_.handle());
  if (request.empty()) return;
  Refusal refusal;
  std::string user;
  if (request.size() != kRequestParts || request[0] != "1.0" || request[5] != "CURVE") {
    refusal.reason = "no CURVE handshake";
  } else {
    refusal.public_key = key_text(request[6]);
    const auto found = node_of_.find(refusal.public_key);
    if (found != node_of_.end())
      user = std::to_string(raw(found->second));
    else if (refusal.public_key == own_key_)
      refusal.reason = "it is this node's own key, held by another process";
    else
      refusal.reason = "the key does not stand in the topology";
  }
  const std::string id = request.size() > 1 ? request[1] : std::string();
  const bool accepted = refusal.reason.empty();
  // 300 and not 400: after a 400 the other side never tries again, and a node whose key is added later would
  // stay out.
  send_parts(socket_.handle(), {"1.0", id, accepted ? "200" : "300", accepted ? "OK" : "refused", user, ""});
  if (accepted) return;
  if (request.size() > 3) refusal.address = request[3];
  note(std::move(refusal));
}

void ZapHandler::note(Refusal refusal) {
  refused_.fetch_add(1, std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    if (refusals_.size() < kRefusalsKeptMax) refusals_.push_back(std::move(refusal));
  }
  signal_fd(event_fd_);
}

std::vector<ZapHandler::Refusal> ZapHandler::take_refusals() {
  uint64_t count = 0;
  if (read(event_fd_, &count, sizeof count) < 0) return {};
  const std::lock_guard lock(mutex_);
  return std::exchange(refusals_, {});
}

}  // namespace atolldb::wan
