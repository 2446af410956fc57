// The client port with real sockets: what a client is told when it sends something wrong, too much, or
// nothing that makes sense; and that all of it costs nobody else anything (G9, G10).

#include "region/io/client_server.h"

#include <poll.h>
#include <zmq.h>

#include <catch2/catch.hpp>
#include <functional>

#include "region/io/http_server.h"
#include "region/io/resp_server.h"
#include "tests/region_io/test_client.h"
#include "tests/wan/transport_rig.h"

namespace atolldb::region {
namespace {

using wan::monotonic_now;

// A server that answers when the test says so.
class Server {
 public:
  explicit Server(const ClientLimits& limits = {}) : cluster_({1}), context_(zmq_ctx_new()) {
    auto opened = ClientServer::open(context_, node(), limits, log);
    if (!opened) FAIL(opened.error().message);
    server = std::move(*opened);
  }
  ~Server() {
    server.reset();
    zmq_ctx_term(context_);
  }
  const topology::Node& node() const { return cluster_.topology.nodes[0]; }

  void answer_all() {
    for (auto& accepted : requests) answer(accepted);
    requests.clear();
    server->flush(monotonic_now());
  }
  void answer(const ClientServer::Accepted& accepted, Bytes value = {}) {
    Response response;
    response.correlation = accepted.request.correlation;
    response.value = std::move(value);
    response.node = node().number;
    server->reply(accepted.client, std::move(response));
  }

  // Takes requests, and what clients have been sent, until the condition holds.
  bool eventually(const std::vector<TestClient*>& clients, const std::function<bool()>& condition) {
    const Instant end = monotonic_now() + Duration::seconds(20);
    while (true) {
      while (server->receive(monotonic_now(), 16, requests) || server->flush(monotonic_now())) continue;
      for (auto* client : clients) client->take();
      if (condition()) return true;
      if (monotonic_now() > end) return false;
      pollfd fd{server->fd(), POLLIN, 0};
      poll(&fd, 1, 2);
    }
  }

  wan::CapturingLog log;
  std::unique_ptr<ClientServer> server;
  std::vector<ClientServer::Accepted> requests;

 private:
  wan::Cluster cluster_;
  void* context_;
};

TEST_CASE("client port: requests of one frame, answered in one frame and matched by correlation",
          "[region]") {
  Server server;
  TestClient client(server.node().client);
  client.send({request(1, Op::get, "a"), request(2, Op::set, "b", "value"), request(3, Op::get, "c")});
  REQUIRE(server.eventually({}, [&] { return server.requests.size() == 3; }));
  CHECK(server.requests[1].request.value == "value");
  server.answer_all();
  REQUIRE(server.eventually({&client}, [&] { return client.responses.size() == 3; }));
  CHECK(client.frames == 1);
  for (uint64_t i = 0; i < 3; ++i) CHECK(client.responses[i].correlation == i + 1);
}

TEST_CASE("client port: two clients, each gets its own answers in whatever order they come", "[region]") {
  Server server;
  TestClient first(server.node().client), second(server.node().client);
  first.send({request(7, Op::get, "first")});
  second.send({request(7, Op::get, "second")});
  REQUIRE(server.eventually({}, [&] { return server.requests.size() == 2; }));
  for (auto accepted = server.requests.rbegin(); accepted != server.requests.rend(); ++accepted)
    server.answer(*accepted, accepted->request.key);
  REQUIRE(server.eventually({&first, &second},
                            [&] { return !first.responses.empty() && !second.responses.empty(); }));
  CHECK(first.responses[0].value == "first");
  CHECK(second.responses[0].value == "second");
}

TEST_CASE("client port: frame that is no frame, answered with correlation 0 and the connection lives on",
          "[region]") {
  Server server;
  TestClient client(server.node().client);
  const std::string good = encode_requests(std::vector<Request>{request(1)});
  std::string future = good;
  future[1] = 9;
  const std::vector<std::pair<std::vector<std::string>, Errc>> bad{
      {{""}, Errc::corrupt},
      {{"GET / HTTP/1.1"}, Errc::corrupt},
      {{good.substr(0, good.size() - 1)}, Errc::corrupt},
      {{good + "x"}, Errc::corrupt},
      {{future}, Errc::version},
      {{good, good}, Errc::corrupt},
      {{"", good}, Errc::corrupt},
  };
  for (size_t i = 0; i < bad.size(); ++i) {
    client.send(bad[i].first);
    REQUIRE(server.eventually({&client}, [&] { return client.responses.size() == i + 1; }));
    const Response& response = client.responses[i];
    CHECK(response.correlation == 0);
    CHECK(response.outcome == Outcome::rejected);
    CHECK(response.code == bad[i].second);
    CHECK(response.node == server.node().number);
    CHECK_FALSE(response.message.empty());
  }
  CHECK(server.requests.empty());
  CHECK(server.server->stats().refused_frames == bad.size());
  client.send({good});
  CHECK(server.eventually({}, [&] { return server.requests.size() == 1; }));
}

TEST_CASE(
    "client port: more in flight than one client may have, busy for it alone, until answers free places",
    "[region]") {
  ClientLimits limits;
  limits.requests_per_client_max = 4;
  Server server(limits);
  TestClient greedy(server.node().client), other(server.node().client);
  std::vector<Request> many;
  for (uint64_t i = 1; i <= 6; ++i) many.push_back(request(i));
  greedy.send(many);
  REQUIRE(server.eventually({&greedy}, [&] { return greedy.responses.size() == 2; }));
  CHECK(server.requests.size() == 4);
  for (const auto& response : greedy.responses) {
    CHECK(response.correlation > 4);
    CHECK(response.outcome == Outcome::rejected);
    CHECK(response.code == Errc::busy);
  }
  CHECK(server.server->stats().busy == 2);
  other.send({request(1)});
  REQUIRE(server.eventually({}, [&] { return server.requests.size() == 5; }));
  server.answer_all();
  greedy.send({request(9)});
  REQUIRE(server.eventually({&greedy}, [&] { return server.requests.size() == 1; }));
}

TEST_CASE("client port: many requests in flight, none has a name of another port's", "[region]") {
  Server server;
  TestClient client(server.node().client);
  std::vector<Request> many;
  for (uint64_t i = 1; i <= 300; ++i) many.push_back(request(i));
  client.send(many);
  REQUIRE(server.eventually({}, [&] { return server.requests.size() == 300; }));
  for (const auto& accepted : server.requests) {
    CHECK_FALSE(RespServer::is_own(accepted.client));
    CHECK_FALSE(HttpServer::is_own(accepted.client));
  }
}

TEST_CASE("client port: an answer, has the correlation of its request whatever the engine says", "[region]") {
  Server server;
  TestClient client(server.node().client);
  client.send({request(7)});
  REQUIRE(server.eventually({}, [&] { return server.requests.size() == 1; }));
  server.requests[0].request.correlation = 99;
  server.answer_all();
  REQUIRE(server.eventually({&client}, [&] { return client.responses.size() == 1; }));
  CHECK(client.responses[0].correlation == 7);
}

TEST_CASE("client port: more in flight than the node takes, in number or bytes, busy for all", "[region]") {
  ClientLimits limits;
  limits.in_flight = {.requests_max = 3, .bytes_max = 100'000};
  Server server(limits);
  TestClient first(server.node().client), second(server.node().client);
  first.send({request(1, Op::set, "k", Bytes(90'000, 'v')), request(2, Op::set, "k", Bytes(90'000, 'v'))});
  REQUIRE(server.eventually({&first}, [&] { return first.responses.size() == 1; }));
  CHECK(first.responses[0].correlation == 2);
  CHECK(first.responses[0].code == Errc::busy);
  second.send({request(1), request(2), request(3)});
  REQUIRE(server.eventually({&second}, [&] { return second.responses.size() == 1; }));
  CHECK(second.responses[0].correlation == 3);
  CHECK(server.requests.size() == 3);
}

TEST_CASE("client port: answered twice or under a name nobody has, dropped", "[region]") {
  Server server;
  TestClient client(server.node().client);
  client.send({request(1)});
  REQUIRE(server.eventually({}, [&] { return server.requests.size() == 1; }));
  const auto accepted = server.requests[0];
  server.answer(accepted);
  server.answer(accepted);
  server.server->reply({"elsewhere"}, Response{});
  server.server->reply({""}, Response{});
  REQUIRE(server.eventually({&client}, [&] { return !client.responses.empty(); }));
  CHECK(server.server->stats().dropped == 3);
  client.send({request(2)});
  REQUIRE(server.eventually({}, [&] { return server.requests.size() == 2; }));
  server.answer(accepted);  // its place is another request's by now
  server.answer(server.requests[1]);
  REQUIRE(server.eventually({&client}, [&] { return client.responses.size() == 2; }));
  CHECK(client.responses[1].correlation == 2);
}

TEST_CASE("client port: client goes before its answer comes, the answer is dropped and others go on",
          "[region]") {
  Server server;
  TestClient stays(server.node().client);
  {
    TestClient goes(server.node().client);
    goes.send({request(1)});
    REQUIRE(server.eventually({}, [&] { return server.requests.size() == 1; }));
  }
  // ZeroMQ learns of the end of a connection in its own time; once it has, answers are refused.
  const auto orphan = server.requests[0];
  server.requests.clear();
  server.answer(orphan);
  server.server->flush(monotonic_now());
  stays.send({request(2)});
  REQUIRE(server.eventually({}, [&] { return server.requests.size() == 1; }));
  server.answer_all();
  REQUIRE(server.eventually({&stays}, [&] { return stays.responses.size() == 1; }));
  CHECK(server.server->stats().responses + server.server->stats().dropped == 2);
}

TEST_CASE("client port: client sends and never reads, its answers are bounded and others go on", "[region]") {
  ClientLimits limits;
  limits.waiting_bytes_busy = 1 << 20;
  limits.waiting_bytes_max = 8 << 20;
  Server server(limits);
  TestClient deaf(server.node().client), other(server.node().client);
  uint64_t correlation = 0;
  // The kernel's buffers take some megabytes before anything waits in the server.
  for (int round = 0; round < 400 && server.server->stats().busy == 0; ++round) {
    deaf.send({request(++correlation, Op::get, "large")});
    REQUIRE(
        server.eventually({}, [&] { return !server.requests.empty() || server.server->stats().busy > 0; }));
    for (const auto& accepted : server.requests) server.answer(accepted, Bytes(512 << 10, 'v'));
    server.requests.clear();
    server.server->flush(monotonic_now());
  }
  CHECK(server.server->stats().busy > 0);
  other.send({request(1, Op::get, "k")});
  REQUIRE(server.eventually({}, [&] { return !server.requests.empty(); }));
  server.answer_all();
  CHECK(server.eventually({&other}, [&] { return other.responses.size() == 1; }));
}

TEST_CASE("client port: answers larger than a frame together, several frames; one larger alone, refused",
          "[region]") {
  Server server;
  TestClient client(server.node().client);
  client.send({request(1), request(2), request(3), request(4)});
  REQUIRE(server.eventually({}, [&] { return server.requests.size() == 4; }));
  for (size_t i = 0; i < 3; ++i) server.answer(server.requests[i], Bytes(12 << 20, 'v'));
  server.answer(server.requests[3], Bytes(kClientFrameBytesMax, 'v'));
  REQUIRE(server.eventually({&client}, [&] { return client.responses.size() == 4; }));
  CHECK(client.frames == 2);
  for (size_t i = 0; i < 3; ++i) CHECK(client.responses[i].value.size() == 12 << 20);
  CHECK(client.responses[3].code == Errc::too_large);
  CHECK(client.responses[3].outcome == Outcome::rejected);
}

TEST_CASE("client port: frame over the limit, that connection ends and others go on", "[region]") {
  Server server;
  TestClient bomber(server.node().client), other(server.node().client);
  bomber.send({std::string(kClientFrameBytesMax + 4096, '\xff')});
  other.send({request(1)});
  REQUIRE(server.eventually({}, [&] { return server.requests.size() == 1; }));
  server.answer_all();
  REQUIRE(server.eventually({&other}, [&] { return other.responses.size() == 1; }));
  bomber.send({request(2)});  // on its next connection
  CHECK(server.eventually({}, [&] { return server.requests.size() == 1; }));
}

TEST_CASE("client port: many connections that come and go, idle ones are forgotten", "[region]") {
  Server server;
  for (int i = 0; i < 300; ++i) {
    TestClient client(server.node().client);
    client.send({request(1)});
    REQUIRE(server.eventually({}, [&] { return server.requests.size() == 1; }));
    server.answer_all();
    REQUIRE(server.eventually({&client}, [&] { return client.responses.size() == 1; }));
  }
  CHECK(server.server->clients_known() <= 64);
}

TEST_CASE("client port: address in use, the message names it", "[region]") {
  Server server;
  void* context = zmq_ctx_new();
  wan::CapturingLog log;
  {
    const auto second = ClientServer::open(context, server.node(), {}, log);
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().message.find("client address 127.0.0.1:") == 0);
  }
  zmq_ctx_term(context);
}

}  // namespace
}  // namespace atolldb::region
