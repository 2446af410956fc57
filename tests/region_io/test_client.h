#pragma once
// A client that is not bound by our client library: a bare DEALER with any bytes.

#include <zmq.h>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "region/core/request_codec.h"
#include "topology/topology.h"
#include "wan/io/zmq_message.h"

namespace atolldb::region {

class TestClient {
 public:
  explicit TestClient(const topology::Address& server)
      : context_(zmq_ctx_new()), socket_(zmq_socket(context_, ZMQ_DEALER)) {
    const int zero = 0;
    zmq_setsockopt(socket_, ZMQ_LINGER, &zero, sizeof zero);
    // Everything a test sends reaches the server's side of the connection; nothing piles up on this one.
    zmq_setsockopt(socket_, ZMQ_RCVHWM, &receive_max_, sizeof receive_max_);
    zmq_setsockopt(socket_, ZMQ_SNDHWM, &zero, sizeof zero);
    REQUIRE(zmq_connect(socket_, server.endpoint().c_str()) == 0);
  }
  ~TestClient() {
    zmq_close(socket_);
    zmq_ctx_term(context_);
  }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  void send(const std::vector<std::string>& parts) {
    for (size_t i = 0; i < parts.size(); ++i)
      REQUIRE(zmq_send(socket_, parts[i].data(), parts[i].size(), i + 1 < parts.size() ? ZMQ_SNDMORE : 0) >=
              0);
  }
  void send(const std::vector<Request>& requests) { send({encode_requests(requests)}); }

  // For something to arrive, a few milliseconds at most.
  void wait() {
    zmq_pollitem_t item{socket_, 0, ZMQ_POLLIN, 0};
    zmq_poll(&item, 1, 5);
  }
  // Appends what has arrived to `responses` and counts the frames.
  void take() {
    for (wan::Message part; part.receive(socket_); ++frames) {
      auto decoded = decode_responses(part.bytes());
      REQUIRE(decoded.has_value());
      for (auto& response : *decoded) responses.push_back(std::move(response));
    }
  }

  std::vector<Response> responses;
  size_t frames = 0;

 private:
  const int receive_max_ = 4;
  void* context_;
  void* socket_;
};

inline Request request(uint64_t correlation, Op op = Op::ping, Bytes key = {}, Bytes value = {}) {
  Request made;
  made.correlation = correlation;
  made.op = op;
  made.key = std::move(key);
  made.value = std::move(value);
  return made;
}

}  // namespace atolldb::region
