#include "wan/io/zmq_socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <zmq.h>

#include <memory>

namespace atolldb::wan {
namespace {

std::string endpoint(std::string_view host, uint16_t port) {
  const bool ipv6 = host.find(':') != std::string_view::npos && !host.starts_with('[');
  std::string text = "tcp://";
  text += ipv6 ? "[" + std::string(host) + "]" : std::string(host);
  return text + ":" + std::to_string(port);
}

// ZeroMQ binds to addresses and interface names, not to host names.
Result<std::string> resolve(const std::string& host) {
  if (host == "*" || host.find(':') != std::string::npos) return host;
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int rc = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (rc != 0) return {Errc::io, "host \"" + host + "\" cannot be resolved: " + gai_strerror(rc)};
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  char text[INET_ADDRSTRLEN];
  const auto* address = reinterpret_cast<const sockaddr_in*>(found->ai_addr);
  inet_ntop(AF_INET, &address->sin_addr, text, sizeof text);
  return std::string(text);
}

std::string bind_failure(const topology::Address& address, std::string_view what, int error) {
  const std::string port = std::to_string(address.port);
  std::string text = std::string(what) + " address " + address.host + ":" + port;
  if (error == EADDRINUSE)
    return text + " is in use: another process listens on port " + port + "; `ss -ltnp 'sport = :" + port +
           "'` shows which one";
  if (error == EADDRNOTAVAIL || error == ENODEV)
    return text + " does not belong to this machine; the topology must name one of its own addresses";
  if (error == EACCES) return text + " may not be bound by this user (ports below 1024 need a capability)";
  return text + " cannot be bound: " + zmq_strerror(error);
}

}  // namespace

Result<ZmqSocket> ZmqSocket::open(void* context, int type) {
  void* handle = zmq_socket(context, type);
  if (handle == nullptr)
    return {Errc::io, std::string("a ZeroMQ socket cannot be opened: ") + zmq_strerror(zmq_errno())};
  ZmqSocket socket(handle);
  socket.set(ZMQ_LINGER, 0);
  return socket;
}

ZmqSocket& ZmqSocket::operator=(ZmqSocket&& other) noexcept {
  std::swap(handle_, other.handle_);
  return *this;
}

ZmqSocket::~ZmqSocket() {
  if (handle_ != nullptr) zmq_close(handle_);
}

void ZmqSocket::set(int option, int value) {
  ensure(zmq_setsockopt(handle_, option, &value, sizeof value) == 0, "ZeroMQ refused a socket option");
}

void ZmqSocket::set(int option, int64_t value) {
  ensure(zmq_setsockopt(handle_, option, &value, sizeof value) == 0, "ZeroMQ refused a socket option");
}

void ZmqSocket::set(int option, std::string_view value) {
  ensure(zmq_setsockopt(handle_, option, value.data(), value.size()) == 0, "ZeroMQ refused a socket option");
}

int ZmqSocket::events() {
  int value = 0;
  size_t size = sizeof value;
  return zmq_getsockopt(handle_, ZMQ_EVENTS, &value, &size) == 0 ? value : 0;
}

int ZmqSocket::fd() const {
  int value = -1;
  size_t size = sizeof value;
  ensure(zmq_getsockopt(handle_, ZMQ_FD, &value, &size) == 0, "a ZeroMQ socket has a file descriptor");
  return value;
}

Status bind_address(ZmqSocket& socket, const topology::Address& address, std::string_view what) {
  const auto host = resolve(address.host);
  if (!host) return {Errc::io, std::string(what) + " address: " + host.error().message};
  if (host->find(':') != std::string::npos) socket.set(ZMQ_IPV6, 1);
  if (zmq_bind(socket.handle(), endpoint(*host, address.port).c_str()) == 0) return ok();
  return {Errc::io, bind_failure(address, what, zmq_errno())};
}

std::string endpoint_of(const topology::Address& address) { return endpoint(address.host, address.port); }

}  // namespace atolldb::wan
