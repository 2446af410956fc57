#pragma once
// A ZeroMQ socket with an owner, and the calls on it that both io rooms need. One thread, the owner's, uses a
// socket. Every call is non-blocking.

#include <optional>
#include <string>
#include <string_view>

#include "crdt/base/bytes.h"
#include "crdt/base/result.h"
#include "topology/topology.h"

namespace atolldb::wan {

class ZmqSocket {
 public:
  // Errc::io: no more sockets or file descriptors. LINGER is 0 until set_linger().
  static Result<ZmqSocket> open(void* context, int type);
  ZmqSocket(ZmqSocket&& other) noexcept : handle_(other.handle_) { other.handle_ = nullptr; }
  ZmqSocket& operator=(ZmqSocket&& other) noexcept;
  ~ZmqSocket();

  void* handle() const { return handle_; }
  // An option that ZeroMQ refuses is broken logic here: values come from code or were validated before.
  void set(int option, int value);
  void set(int option, int64_t value);
  void set(int option, std::string_view value);
  // ZMQ_EVENTS. Also makes the socket process what its I/O thread has to say to it.
  int events();
  int fd() const;  // edge-triggered: after it was readable, receive until nothing comes

 private:
  explicit ZmqSocket(void* handle) : handle_(handle) {}
  void* handle_;
};

// Binds to the address; host names are resolved, "*" is every interface. Errc::io with what is wrong and how
// to find out who has the port; `what` names the address in that message ("peer").
Status bind_address(ZmqSocket& socket, const topology::Address& address, std::string_view what);

// "tcp://host:port" as ZeroMQ reads it, IPv6 literals in brackets.
std::string endpoint_of(const topology::Address& address);

}  // namespace atolldb::wan
