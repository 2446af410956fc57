// The client over real sockets, against nodes that are played by FakeNode.

#include "client/client.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <semaphore>
#include <set>

#include "client/handles.h"
#include "tests/client/fake_node.h"
#include "tests/client/small_cluster.h"

namespace atolldb::client {
namespace {

using region::Op;
using region::Outcome;
using region::Request;
using region::Response;

// A store of one region behind any number of fake nodes; it counts ids as a coordinator must.
class TinyStore {
 public:
  std::optional<Response> answer(NodeNumber node, const Request& request) {
    const std::lock_guard lock(mutex_);
    Response out;
    out.node = out.coordinator = node;
    out.epoch = {3, NodeNumber{1}, 1};
    out.stamp_ms = 1'000;
    if (request.op == Op::set) values_[request.key] = request.value;
    if (request.op == Op::del) out.number = static_cast<int64_t>(values_.erase(request.key));
    if (request.op == Op::get) {
      const auto found = values_.find(request.key);
      if ((out.found = found != values_.end())) out.value = found->second;
    }
    if (request.op == Op::add) add(request, out);
    if (request.op == Op::smembers) page(request, out);
    return out;
  }

 private:
  void add(const Request& request, Response& out) {
    if (request.id->epoch != out.epoch && request.attempt == 1) {
      out.outcome = Outcome::rejected;
      out.code = Errc::behind;
      out.message = "another epoch";
      return;
    }
    if (counted_.insert(*request.id).second) sums_[request.key] += request.amount;
    out.value = std::to_string(sums_[request.key]);
  }
  void page(const Request& request, Response& out) {
    const int from = request.args[0].empty() ? 0 : std::stoi(request.args[0]);
    for (int i = from; i < from + 10; ++i) out.values.push_back("member-" + std::to_string(i));
    if (from + 10 < 30) out.value = std::to_string(from + 10);
  }

  std::mutex mutex_;
  std::map<Bytes, Bytes> values_;
  std::map<Bytes, int64_t> sums_;
  std::set<region::RequestId> counted_;
};

struct Region {
  explicit Region(size_t regions = 1) : topology(small_cluster(regions)) {
    for (topology::Node& node : topology.nodes) {
      nodes.push_back(std::make_unique<FakeNode>(
          [this, number = node.number](const Request& request) { return store.answer(number, request); }));
      node.client.port = nodes.back()->port();
    }
  }
  std::unique_ptr<Client> client(Options options = {.region = "eu"}) {
    auto opened = Client::open(topology, options);
    REQUIRE(opened);
    return std::move(*opened);
  }
  TinyStore store;
  topology::Topology topology;
  std::vector<std::unique_ptr<FakeNode>> nodes;
};

}  // namespace

TEST_CASE("client: the process forks, the child is told and the parent goes on", "[client][G10]") {
  Region region;
  auto client = region.client();
  REQUIRE(client->set("k", "before").done());
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {  // 0: as it should be; the alarm ends it where it waits for ever
    alarm(20);
    const auto reply = client->get("k");
    const bool told = reply.rejected() && reply.message.find("forked") != std::string::npos;
    const auto later = client->start(calls::set("k", "child")).get();
    client.reset();
    _exit(told && later.rejected() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(client->get("k").value.value == "before");
}

TEST_CASE("client: each operation, its value comes back", "[client]") {
  Region region;
  const auto client = region.client();
  CHECK(client->set("a", "1").done());
  const auto got = client->get("a");
  REQUIRE(got.done());
  CHECK(got.value.value == "1");
  CHECK_FALSE(client->get("b").value.value.has_value());
  CHECK(client->del("a").value == 1);
  CHECK(client->del("a").value == 0);
  CHECK(client->add("n", 5).value == 5);
  CHECK(client->add("n", -7).value == -2);
  CHECK(client->smembers("s").value.size() == 30);
}

TEST_CASE("client: many requests under way, batched in frames and all answered", "[client]") {
  Region region;
  const auto client = region.client();
  constexpr int kRequests = 20'000;
  std::atomic<int> done{0};
  std::binary_semaphore all{0};
  for (int i = 0; i < kRequests; ++i) {
    Request request;
    request.op = Op::add;
    request.key = "k" + std::to_string(i % 100);
    request.amount = 1;
    REQUIRE(client->send(std::move(request), [&](Response&& response) {
      if (response.outcome != Outcome::done) FAIL_CHECK(response.message);
      if (++done == kRequests) all.release();
    }));
  }
  all.acquire();
  uint64_t frames = 0;
  for (const auto& node : region.nodes) frames += node->frames();
  CHECK(frames < kRequests / 4);
  for (int i = 0; i < 100; ++i) CHECK(client->add("k" + std::to_string(i), 0).value == kRequests / 100);
}

TEST_CASE("client: a batch of more than may be under way, each key answered", "[client]") {
  Region region;
  Options options{.region = "eu"};
  options.in_flight_max = 10;
  const auto client = region.client(options);
  calls::Fields values;
  std::vector<Bytes> keys;
  for (int i = 0; i < 2'000; ++i) {
    keys.push_back("k" + std::to_string(i));
    values.emplace_back(keys.back(), std::to_string(7 * i));
  }
  for (const auto& reply : client->mset(values)) CHECK(reply.done());
  keys.push_back("absent");
  const auto replies = client->mget(keys);
  REQUIRE(replies.size() == keys.size());
  for (size_t i = 0; i < values.size(); ++i) CHECK(replies[i].value.value == values[i].second);
  CHECK(replies.back().done());
  CHECK_FALSE(replies.back().value.value.has_value());
  for (const auto& node : region.nodes) CHECK(node->requests() > 0);
}

TEST_CASE("client: a batch without room for one, rejected as busy", "[client]") {
  Options options{.region = "eu"};
  options.in_flight_max = 1;
  auto client = Client::open(small_cluster(1), options);
  REQUIRE(client);
  auto first = (*client)->start(calls::get("k"));  // nobody answers it
  const auto replies = (*client)->mget({"a", "b"});
  CHECK(replies[0].code == Errc::busy);
  CHECK(replies[1].rejected());
  client->reset();
  CHECK(first.get().rejected());
}

TEST_CASE("client: futures and callbacks, the pages of a set joined", "[client]") {
  Region region;
  const auto client = region.client();
  auto members = client->start(calls::smembers("s"));
  std::promise<int64_t> told;
  client->start<std::optional<int64_t>>(calls::add("n", 4), [&](Reply<std::optional<int64_t>>&& reply) {
    // More may be started on this thread.
    client->start<std::optional<int64_t>>(calls::add("n", reply.value.value_or(0)),
                                          [&](auto&& second) { told.set_value(second.value.value_or(0)); });
  });
  CHECK(told.get_future().get() == 8);
  const auto reply = members.get();
  REQUIRE(reply.value.size() == 30);
  CHECK(reply.value.front() == "member-0");
  CHECK(reply.value.back() == "member-29");
}

TEST_CASE("client: a counter whose key holds a word, its value is rejected", "[client]") {
  Region region;
  const auto client = region.client();
  Counter counter(*client, "n");
  CHECK(counter.value().value == 0);
  CHECK(counter.add(12).done());
  CHECK(counter.add(-2).value == 10);
  CHECK(Register(*client, "w").set("-7").done());
  CHECK(Counter(*client, "w").value().value == -7);
  CHECK(Register(*client, "w").set("seven").done());
  const auto word = Counter(*client, "w").value();
  CHECK(word.rejected());
  CHECK(word.code == Errc::wrong_type);
}

TEST_CASE("client: a call's own deadline instead of the client's", "[client]") {
  std::promise<uint32_t> seen;
  topology::Topology topology = small_cluster(1, 1);
  FakeNode node([&](const Request& request) {
    seen.set_value(request.deadline_ms);
    return Response{};
  });
  topology.nodes[0].client.port = node.port();
  auto client = Client::open(topology, {.region = "eu"});
  REQUIRE(client);
  auto call = calls::get("k");
  call.request.deadline_ms = 60'000;
  CHECK((*client)->run(std::move(call)).done());
  CHECK(seen.get_future().get() > region::kDeadlineDefaultMs);
}

TEST_CASE("client: more requests than it may have under way, refused at once", "[client]") {
  const topology::Topology topology = small_cluster(1);
  Options options{.region = "eu"};
  options.in_flight_max = 10;
  auto client = Client::open(topology, options);
  REQUIRE(client);
  int taken = 0;
  std::atomic<int> completed{0};
  for (int i = 0; i < 20; ++i)
    taken += (*client)->send(Request{.op = Op::get, .key = "k"}, [&](Response&&) { ++completed; });
  CHECK(taken == 10);
  client->reset();
  CHECK(completed == 10);
}

TEST_CASE("client: nobody listens, rejected and told so", "[client]") {
  Options options{.region = "eu"};
  options.wait_for_nodes = false;
  auto client = Client::open(small_cluster(1), options);
  REQUIRE(client);
  const auto set = (*client)->set("k", "v");
  CHECK(set.rejected());
  CHECK(set.code == Errc::unavailable);
  CHECK(set.message.find("eu-") != std::string::npos);
}

TEST_CASE("client: a node dies under load, its reads and increments go on elsewhere", "[client]") {
  Region region;
  const auto client = region.client();
  constexpr int kRequests = 3'000, kInFlight = 32;
  std::atomic<int> answered{0}, failed{0};
  std::binary_semaphore all{0};
  int issued = kInFlight;  // the first ones by this thread, the others by callbacks
  std::function<void(Response &&)> next = [&](Response&& response) {
    if (response.outcome != Outcome::done) ++failed;
    if (++answered == kRequests) all.release();
    if (issued >= kRequests) return;
    const Op op = issued % 2 == 0 ? Op::add : Op::get;
    Request request{.op = op, .key = "k" + std::to_string(issued++ % 64), .amount = 1};
    REQUIRE(client->send(std::move(request), next));
  };
  for (int i = 0; i < kInFlight; ++i)
    REQUIRE(client->send(Request{.op = Op::add, .key = "k0", .amount = 1}, next));
  while (answered < kRequests / 3) std::this_thread::yield();
  region.nodes[1].reset();
  all.acquire();
  CHECK(failed == 0);
  int64_t sum = 0;
  for (int i = 0; i < 64; ++i) sum += client->add("k" + std::to_string(i), 0).value.value_or(-1);
  CHECK(sum == kInFlight + (kRequests - kInFlight) / 2);
}

TEST_CASE("client: no region named, the nearest one that answers", "[client]") {
  Region cluster(2);
  for (int i = 0; i < 3; ++i) cluster.nodes[static_cast<size_t>(i)].reset();  // all of eu
  const auto client = cluster.client(Options{});
  CHECK(client->region() == RegionId{1});
  CHECK(client->set("k", "v").done());
}

TEST_CASE("client: a region or node that does not exist, named with those that do", "[client]") {
  const auto region = Client::open(small_cluster(2), {.region = "xx"});
  REQUIRE_FALSE(region);
  CHECK(region.error().message.find("eu, us") != std::string::npos);
  CHECK_FALSE(Client::open(small_cluster(2), {.node = "eu-9"}));
}

}  // namespace atolldb::client
