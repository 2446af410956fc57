#pragma once
// One request of an HTTP connection: from the bytes of its head to the bytes of its answer. cpp-httplib
// stands behind it and understands heads; bodies are read here, and neither ranges nor encodings are applied.

#include <functional>
#include <memory>

#include "crdt/base/bytes.h"
#include "region/http/call.h"

namespace atolldb::region {

// A connection without its socket.
struct HttpWire {
  Bytes input;  // what has arrived; its first `taken` bytes are done with
  size_t taken = 0;
  Bytes output;
  bool close = false;  // once `output` is written
};

class HttpProtocol {
 public:
  struct Hooks {
    // Writes wire.output, and waits for more input. False: the client is gone or too slow.
    std::function<bool(HttpWire&)> more;
    // Room for a body of so many bytes in all. False: there is none now.
    std::function<bool(size_t)> reserve;
    std::function<http::Answer(const http::Call&)> handle;
  };

  explicit HttpProtocol(size_t body_bytes_max);
  ~HttpProtocol();

  // The head is in wire.input, whole. From any thread, many at once.
  void serve(HttpWire& wire, const Hooks& hooks) const;

  // A whole answer to a client that is not listened to any more.
  static Bytes refusal(int status, const char* code, const char* message);

 private:
  class Server;
  std::unique_ptr<Server> server_;
};

}  // namespace atolldb::region
