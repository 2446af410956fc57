#pragma once
// One connection of the HTTP port; of http_server.cc and http_connections.cc alone.

#include <unistd.h>

#include <cerrno>

#include "crdt/base/time.h"
#include "region/io/http_protocol.h"
#include "region/io/http_server.h"

namespace atolldb::region {

inline bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

struct HttpServer::Connection {
  enum class State : uint8_t {
    head,    // waits for one, or is in it
    work,    // a worker's, or on its way to one
    flush,   // has an answer to write
    linger,  // has written its last, and listens for the other end's
    gone,
  };

  explicit Connection(int f) : fd(f) {}
  ~Connection() { ::close(fd); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const int fd;
  State state = State::head;
  HttpWire wire;
  size_t written = 0;       // of wire.output
  size_t output_bytes = 0;  // of the answer, as counted in the sum of all
  Instant since;            // the state's last progress; of a head, its first byte
};

}  // namespace atolldb::region
