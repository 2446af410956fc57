#pragma once
// A node as far as clients can tell: a ROUTER that decodes requests and answers what a handler says, on a
// thread of its own.

#include <zmq.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "crdt/base/ensure.h"
#include "region/core/request_codec.h"

namespace atolldb::client {

class FakeNode {
 public:
  // Nothing: no answer. Called on the node's thread.
  using Handler = std::function<std::optional<region::Response>(const region::Request&)>;

  // Port 0: any free one.
  explicit FakeNode(Handler handler, uint16_t port = 0) : handler_(std::move(handler)) {
    context_ = zmq_ctx_new();
    router_ = zmq_socket(context_, ZMQ_ROUTER);
    const int zero = 0, period_ms = 5;
    zmq_setsockopt(router_, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(router_, ZMQ_RCVTIMEO, &period_ms, sizeof period_ms);
    const std::string at = "tcp://127.0.0.1:" + (port == 0 ? std::string("*") : std::to_string(port));
    ensure(zmq_bind(router_, at.c_str()) == 0, "the fake node's port is taken");
    char endpoint[64];
    size_t size = sizeof endpoint;
    zmq_getsockopt(router_, ZMQ_LAST_ENDPOINT, endpoint, &size);
    const std::string bound(endpoint);
    port_ = static_cast<uint16_t>(std::stoi(bound.substr(bound.rfind(':') + 1)));
    thread_ = std::thread([this] { run(); });
  }
  ~FakeNode() {
    stopping_ = true;
    thread_.join();
    zmq_close(router_);
    zmq_ctx_term(context_);
  }
  FakeNode(const FakeNode&) = delete;
  FakeNode& operator=(const FakeNode&) = delete;

  uint16_t port() const { return port_; }
  uint64_t requests() const { return requests_; }
  uint64_t frames() const { return frames_; }

 private:
  std::optional<Bytes> receive_part() {
    zmq_msg_t part;
    zmq_msg_init(&part);
    std::optional<Bytes> bytes;
    if (zmq_msg_recv(&part, router_, 0) >= 0)
      bytes.emplace(static_cast<const char*>(zmq_msg_data(&part)), zmq_msg_size(&part));
    zmq_msg_close(&part);
    return bytes;
  }

  void run() {
    while (!stopping_) {
      const auto route = receive_part();
      if (!route) continue;
      const auto frame = receive_part();
      ++frames_;
      answer(*route, *frame);
    }
  }

  void answer(const Bytes& route, const Bytes& frame) {
    std::vector<region::Response> responses;
    const auto requests = region::decode_requests(frame);
    ensure(requests.has_value(), "the client sent a frame that does not decode");
    for (const region::Request& request : *requests) {
      ++requests_;
      if (auto response = handler_(request)) {
        response->correlation = request.correlation;
        responses.push_back(std::move(*response));
      }
    }
    if (responses.empty()) return;
    const Bytes bytes = region::encode_responses(responses);
    zmq_send(router_, route.data(), route.size(), ZMQ_SNDMORE);
    zmq_send(router_, bytes.data(), bytes.size(), 0);
  }

  Handler handler_;
  void* context_ = nullptr;
  void* router_ = nullptr;
  uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> requests_{0}, frames_{0};
  std::thread thread_;
};

}  // namespace atolldb::client
