#include "client/client.h"

#include <algorithm>
#include <random>
#include <semaphore>
#include <utility>

#include "client/distance.h"
#include "client/loop.h"
#include "client/ops.h"
#include "crdt/base/ensure.h"

namespace atolldb::client {
namespace {

using region::Op;
using region::Request;
using region::Response;

uint64_t entropy() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

CoreConfig core_config(const Options& options) {
  CoreConfig config;
  config.any_region = options.any_region;
  config.wait_for_nodes = options.wait_for_nodes;
  config.retry_unknown_writes = options.retry_unknown_writes;
  config.attempt_timeout = Duration::millis(options.attempt_timeout_ms);
  config.in_flight_max = options.in_flight_max;
  config.connections_per_node = options.connections_per_node;
  config.seed = entropy();
  return config;
}

template <typename T>
std::string names_of(const std::vector<T>& named) {
  std::string names;
  for (const T& one : named) names += (names.empty() ? "" : ", ") + one.name;
  return names;
}

template <typename T, typename Value>
Reply<T> reply_of(Response&& response, Value value) {
  Reply<T> reply;
  reply.outcome = response.outcome;
  reply.code = response.code;
  reply.node = response.node;
  if (reply.done())
    reply.value = value(response);
  else
    reply.message = std::move(response.message);
  return reply;
}

std::optional<int64_t> sum_of(const Response& response) {
  if (response.value.empty()) return std::nullopt;
  return std::strtoll(response.value.c_str(), nullptr, 10);
}

}  // namespace

Client::Client(std::unique_ptr<Loop> loop, RegionId region, const Options& options)
    : loop_(std::move(loop)), region_(region), local_(options.local), deadline_ms_(options.deadline_ms) {}

Client::~Client() = default;

Result<std::unique_ptr<Client>> Client::open(const topology::Topology& topology, const Options& options) {
  CoreConfig config = core_config(options);
  std::optional<NodeNumber> node;
  std::optional<RegionId> home;
  if (!options.node.empty()) {
    const topology::Node* found = topology.find(options.node);
    if (found == nullptr)
      return {Errc::not_found,
              "no node '" + options.node + "' in the topology; it has " + names_of(topology.nodes)};
    node = found->number;
    home = found->region;
  } else if (!options.region.empty()) {
    const topology::Region* found = topology.find_region(options.region);
    if (found == nullptr)
      return {Errc::not_found,
              "no region '" + options.region + "' in the topology; it has " + names_of(topology.regions)};
    home = found->id;
  }
  config.regions = by_declared_distance(topology, home.value_or(RegionId{}));
  auto loop = Loop::start(config, topology);
  if (!loop) return loop.error();
  if (!home && topology.regions.size() > 1) {
    config.regions = by_measured_distance(**loop);
    (*loop)->set_regions(config.regions);
  }
  std::unique_ptr<Client> client(new Client(std::move(*loop), config.regions.front(), options));
  client->target_.node = node;
  return client;
}

bool Client::send(Request&& request, const Target& target, Callback callback) {
  return loop_->send(std::move(request), target, std::move(callback));
}

bool Client::send(Request&& request, Callback callback) {
  return loop_->send(std::move(request), target_, std::move(callback));
}

Response Client::call(Request&& request) { return call(std::move(request), target_); }

Response Client::call(Request&& request, const Target& target) {
  ensure(!loop_->on_thread(), "a blocking call from a callback would wait for itself");
  Response out;
  std::binary_semaphore answered{0};
  const bool taken = loop_->send(std::move(request), target, [&](Response&& response) {
    out = std::move(response);
    answered.release();
  });
  if (taken) {
    answered.acquire();
    return out;
  }
  out.outcome = region::Outcome::rejected;
  out.code = Errc::busy;
  out.message = "the client has as many requests under way as it may";
  return out;
}

Request Client::make(Op op, BytesView key) const {
  Request request;
  request.op = op;
  request.key = key;
  request.deadline_ms = deadline_ms_;
  request.local = local_ && is_read(op);
  return request;
}

Reply<Got> Client::get(BytesView key) {
  return reply_of<Got>(call(make(Op::get, key)), [](Response& response) {
    Got got;
    if (response.found) got.value = std::move(response.value);
    got.hidden = response.hidden;
    got.stale = response.stale;
    return got;
  });
}

Reply<Unit> Client::set(BytesView key, BytesView value) {
  Request request = make(Op::set, key);
  request.value = value;
  return reply_of<Unit>(call(std::move(request)), [](const Response&) { return Unit{}; });
}

Reply<std::optional<int64_t>> Client::add(BytesView key, int64_t amount) {
  Request request = make(Op::add, key);
  request.amount = amount;
  return reply_of<std::optional<int64_t>>(call(std::move(request)), sum_of);
}

Reply<int64_t> Client::count(Op op, BytesView key, std::vector<Bytes> args) {
  Request request = make(op, key);
  request.args = std::move(args);
  return reply_of<int64_t>(call(std::move(request)),
                           [](const Response& response) { return response.number; });
}

Reply<int64_t> Client::del(BytesView key) { return count(Op::del, key, {}); }
Reply<int64_t> Client::scard(BytesView key) { return count(Op::scard, key, {}); }
Reply<int64_t> Client::sadd(BytesView key, std::vector<Bytes> elements) {
  return count(Op::sadd, key, std::move(elements));
}
Reply<int64_t> Client::srem(BytesView key, std::vector<Bytes> elements) {
  return count(Op::srem, key, std::move(elements));
}

Reply<bool> Client::sismember(BytesView key, BytesView element) {
  Request request = make(Op::sismember, key);
  request.args.emplace_back(element);
  return reply_of<bool>(call(std::move(request)), [](const Response& response) { return response.found; });
}

Reply<std::vector<Bytes>> Client::smembers(BytesView key) {
  std::vector<Bytes> members;
  Bytes cursor;
  for (;;) {
    Request request = make(Op::smembers, key);
    request.args.push_back(cursor);
    Response page = call(std::move(request));
    std::move(page.values.begin(), page.values.end(), std::back_inserter(members));
    cursor = std::exchange(page.value, {});
    if (page.outcome != region::Outcome::done || cursor.empty())
      return reply_of<std::vector<Bytes>>(std::move(page), [&](Response&) { return std::move(members); });
  }
}

RegionId Client::region() const { return region_; }
uint64_t Client::retries() const { return loop_->retries(); }
uint32_t Client::deadline_ms() const { return deadline_ms_; }

}  // namespace atolldb::client
