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

Got got_of(Response& response) {
  Got got;
  if (response.found) got.value = std::move(response.value);
  got.hidden = response.hidden;
  got.stale = response.stale;
  return got;
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

Reply<Got> Client::get(BytesView key) { return reply_of<Got>(call(make(Op::get, key)), got_of); }

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

Reply<int64_t> Client::hset(BytesView key, const std::vector<std::pair<Bytes, Bytes>>& fields) {
  std::vector<Bytes> args;
  args.reserve(2 * fields.size());
  for (const auto& [field, value] : fields) {
    args.push_back(field);
    args.push_back(value);
  }
  return count(Op::hset, key, std::move(args));
}

Reply<int64_t> Client::hdel(BytesView key, std::vector<Bytes> fields) {
  return count(Op::hdel, key, std::move(fields));
}
Reply<int64_t> Client::hlen(BytesView key) { return count(Op::hlen, key, {}); }

Reply<Got> Client::hget(BytesView key, BytesView field) {
  Request request = make(Op::hget, key);
  request.args.emplace_back(field);
  return reply_of<Got>(call(std::move(request)), got_of);
}

Reply<std::vector<std::pair<Bytes, Bytes>>> Client::hgetall(BytesView key) {
  using Fields = std::vector<std::pair<Bytes, Bytes>>;
  Fields fields;
  Bytes cursor;
  for (;;) {
    Request request = make(Op::hgetall, key);
    request.args.push_back(cursor);
    Response page = call(std::move(request));
    for (size_t i = 0; i + 1 < page.values.size(); i += 2)
      fields.emplace_back(std::move(page.values[i]), std::move(page.values[i + 1]));
    cursor = std::exchange(page.value, {});
    if (page.outcome != region::Outcome::done || cursor.empty())
      return reply_of<Fields>(std::move(page), [&](Response&) { return std::move(fields); });
  }
}

Reply<std::optional<int64_t>> Client::hadd(BytesView key, BytesView field, int64_t amount) {
  Request request = make(Op::hadd, key);
  request.args.emplace_back(field);
  request.amount = amount;
  return reply_of<std::optional<int64_t>>(call(std::move(request)), sum_of);
}

Reply<Siblings> Client::siblings(BytesView key) {
  return reply_of<Siblings>(call(make(Op::siblings, key)), [](Response& response) {
    Siblings out;
    for (const Bytes& item : response.values) {
      if (item.empty()) continue;
      if (item[0] == region::kSibling) out.values.push_back(item.substr(1));
      if (item[0] == region::kAdded) out.added = item.substr(1);
      if (item[0] == region::kTypeBehind) out.behind.push_back(item.substr(1));
    }
    out.context = std::move(response.value);
    return out;
  });
}

Reply<Unit> Client::set(BytesView key, BytesView value, BytesView context) {
  Request request = make(Op::set_context, key);
  request.value = value;
  request.args.emplace_back(context);
  return reply_of<Unit>(call(std::move(request)), [](const Response&) { return Unit{}; });
}

RegionId Client::region() const { return region_; }
uint64_t Client::retries() const { return loop_->retries(); }
uint32_t Client::deadline_ms() const { return deadline_ms_; }

}  // namespace atolldb::client
