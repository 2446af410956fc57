// What a request costs against the least that ZeroMQ can do: a bare DEALER/ROUTER echo of the same bytes over
// loopback, in the same run. Printed are requests a second, the median round trip, processor time of both
// sides together, and the ratio to the echo.
//
//   echo_bench [--seconds 2] [-t topology.toml --node eu-1]
//
// The client library asks a played node (decoding and encoding, nothing else) and, where -t and --node are
// given, pings a running one; of that one only this side's processor time is counted.

#include <sys/resource.h>
#include <zmq.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "client/client.h"
#include "client/histogram.h"
#include "crdt/base/ensure.h"
#include "region/core/request_codec.h"
#include "tests/client/fake_node.h"
#include "tests/client/small_cluster.h"
#include "tests/command_line.h"

namespace atolldb::client {
namespace {

using region::Op;
using region::Request;
using region::Response;

Instant now() {
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(
              std::chrono::steady_clock::now().time_since_epoch())
              .count()};
}

Duration cpu_time() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& t) { return Duration::seconds(t.tv_sec) + Duration::micros(t.tv_usec); };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

struct Measured {
  Histogram latency;
  Duration elapsed, cpu;
  double per_second() const { return static_cast<double>(latency.count()) / elapsed.as_seconds(); }
  double cpu_us() const { return static_cast<double>(cpu.ns) / 1e3 / static_cast<double>(latency.count()); }
};

Request set_request() {
  Request request;
  request.op = Op::set;
  request.key = "bench:s:12345";
  request.value = Bytes(100, 'v');
  return request;
}

// ---- the reference

class BareEcho {
 public:
  BareEcho() : context_(zmq_ctx_new()), router_(zmq_socket(context_, ZMQ_ROUTER)) {
    const int zero = 0, period_ms = 20;
    zmq_setsockopt(router_, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(router_, ZMQ_RCVTIMEO, &period_ms, sizeof period_ms);
    ensure(zmq_bind(router_, "tcp://127.0.0.1:*") == 0, "a free port on loopback");
    char endpoint[64];
    size_t size = sizeof endpoint;
    zmq_getsockopt(router_, ZMQ_LAST_ENDPOINT, endpoint, &size);
    endpoint_ = endpoint;
    thread_ = std::thread([this] { run(); });
  }
  ~BareEcho() {
    stopping_ = true;
    thread_.join();
    zmq_close(router_);
    zmq_ctx_term(context_);
  }

  Measured measure(const Bytes& message, uint32_t in_flight, Duration length) {
    void* dealer = zmq_socket(context_, ZMQ_DEALER);
    const int zero = 0;
    zmq_setsockopt(dealer, ZMQ_LINGER, &zero, sizeof zero);
    zmq_connect(dealer, endpoint_.c_str());
    std::vector<Instant> sent(in_flight);  // the echo keeps the order, so a ring of times is enough
    Measured out;
    const auto send = [&](uint64_t i) {
      sent[i % in_flight] = now();
      zmq_send(dealer, message.data(), message.size(), 0);
    };
    Bytes buffer(message.size(), '\0');
    uint64_t issued = 0, answered = 0;
    while (issued < in_flight) send(issued++);
    const Instant begin = now();
    const Duration cpu = cpu_time();
    while (now() - begin < length || answered < issued) {
      zmq_recv(dealer, buffer.data(), buffer.size(), 0);
      out.latency.record(now() - sent[answered++ % in_flight]);
      if (now() - begin < length) send(issued++);
    }
    out.elapsed = now() - begin;
    out.cpu = cpu_time() - cpu;
    zmq_close(dealer);
    return out;
  }

 private:
  void run() {
    while (!stopping_) {
      zmq_msg_t part;
      zmq_msg_init(&part);
      if (zmq_msg_recv(&part, router_, 0) >= 0)
        zmq_msg_send(&part, router_, zmq_msg_more(&part) ? ZMQ_SNDMORE : 0);
      zmq_msg_close(&part);
    }
  }

  void* context_;
  void* router_;
  std::string endpoint_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

// ---- the client library

class ClientLoad {
 public:
  ClientLoad(Client& client, Request request, uint32_t in_flight)
      : client_(client), request_(std::move(request)), in_flight_(in_flight), flying_(in_flight) {}

  Measured measure(Duration length) {
    ensure(client_.call(Request(request_)).outcome == region::Outcome::done, "the node answers");
    begin_ = now();
    end_ = begin_ + length;
    const Duration cpu = cpu_time();
    for (uint32_t i = 0; i < in_flight_; ++i) send();
    all_.acquire();
    out_.elapsed = now() - begin_;
    out_.cpu = cpu_time() - cpu;
    return out_;
  }

 private:
  void send() {
    const int64_t start = now().ns;
    ensure(client_.send(Request(request_), [this, start](Response&& r) { land(Instant{start}, r); }),
           "fewer requests than the client takes");
  }
  void land(Instant start, const Response& response) {
    ensure(response.outcome == region::Outcome::done, "the node answers");
    const Instant at = now();
    out_.latency.record(at - start);
    if (at < end_) return send();
    if (flying_.fetch_sub(1) == 1) all_.release();
  }

  Client& client_;
  const Request request_;
  const uint32_t in_flight_;
  std::atomic<uint32_t> flying_;
  std::binary_semaphore all_{0};
  Instant begin_, end_;
  Measured out_;  // the client's thread until all have landed
};

// ---- telling

void print(const char* what, uint32_t in_flight, const Measured& one, const Measured& reference) {
  std::printf("%-36s %9u %12.0f %9.0f us %9.1f us %12.2f %9.2f\n", what, in_flight, one.per_second(),
              static_cast<double>(one.latency.quantile(0.5).ns) / 1e3, one.cpu_us(),
              one.per_second() / reference.per_second(),
              static_cast<double>(one.latency.quantile(0.5).ns) /
                  static_cast<double>(reference.latency.quantile(0.5).ns));
}

int run(double seconds, const std::string& topology_file, const std::string& node) {
  const Duration length = Duration::nanos(static_cast<int64_t>(seconds * 1e9));
  std::unique_ptr<Client> node_client;
  if (!node.empty()) {
    const auto topology = topology::load(topology_file);
    auto opened = topology ? Client::open(*topology, {.node = node}) : topology.error();
    if (!opened) {
      std::fprintf(stderr, "%s\n", opened.error().message.c_str());
      return 1;
    }
    node_client = std::move(*opened);
  }
  FakeNode played([](const Request&) { return Response{}; });
  topology::Topology topology = small_cluster(1, 1);
  topology.nodes[0].client.port = played.port();
  auto client = Client::open(topology, {.region = "eu"});
  ensure(client.has_value(), "a client");
  BareEcho echo;
  const Bytes message = region::encode_requests({set_request()});

  std::printf("%-36s %9s %12s %12s %12s %12s %9s\n", "", "in flight", "per second", "p50", "CPU each",
              "rate/echo's", "p50/echo's");
  for (const uint32_t in_flight : {1u, 16u, 64u, 256u}) {
    const Measured reference = echo.measure(message, in_flight, length);
    print("bare echo of the same bytes", in_flight, reference, reference);
    print("client and played node, set 100 B", in_flight,
          ClientLoad(**client, set_request(), in_flight).measure(length), reference);
    if (node_client)
      print(("ping of " + node).c_str(), in_flight,
            ClientLoad(*node_client, Request{.op = Op::ping}, in_flight).measure(length), reference);
  }
  return 0;
}

}  // namespace
}  // namespace atolldb::client

int main(int argc, char** argv) {
  atolldb::CommandLine app("requests against a bare ZeroMQ echo");
  double seconds = 2;
  std::string topology = "topology.toml", node;
  app.add("--seconds", seconds, "of each measurement").within(0.05, 600.0);
  app.add("-t,--topology", topology, "of a running cluster");
  app.add("--node", node, "a running node to ping");
  if (const auto status = app.parse(argc, argv)) return *status;
  return atolldb::client::run(seconds, topology, node);
}
