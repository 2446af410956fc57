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
  config.silence = Duration::millis(std::max<uint32_t>(10, options.silent_node_ms) / 2);
  config.hedge_reads = options.hedge_reads;
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

}  // namespace

Client::Client(std::unique_ptr<Loop> loop, RegionId region, const Options& options)
    : loop_(std::move(loop)), region_(region), local_(options.local), deadline_ms_(options.deadline_ms) {}

// A process that was forked off lets the loop lie: its sockets are the other one's.
Client::~Client() {
  if (loop_->forked()) (void)loop_.release();
}

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

Result<std::unique_ptr<Client>> Client::open(const std::string& topology_file, const Options& options) {
  const auto topology = topology::load(topology_file);
  if (!topology) return topology.error();
  return open(*topology, options);
}

bool Client::send(Request&& request, const Target& target, Callback callback) {
  return loop_->send(std::move(request), target, std::move(callback));
}

bool Client::send(Request&& request, Callback callback) {
  return loop_->send(std::move(request), target_, std::move(callback));
}

Response Client::call(Request&& request) { return call(std::move(request), target_); }

Response Client::call(Request&& request, const Target& target) {
  check_may_wait();
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

bool Client::submit(Request&& request, Callback callback) {
  return submit_of_session(std::move(request), false, std::move(callback));
}

bool Client::submit_of_session(Request&& request, bool elsewhere, Callback callback) {
  if (request.deadline_ms == 0) request.deadline_ms = deadline_ms_;
  request.local = request.local || (local_ && is_read(request.op));
  Target target = target_;
  target.elsewhere = elsewhere;
  return loop_->send(std::move(request), target, std::move(callback));
}

void Client::check_may_wait() const {
  ensure(!loop_->on_thread(), "a blocking call from a callback would wait for itself");
}

RegionId Client::region() const { return region_; }
uint64_t Client::retries() const { return loop_->retries(); }
uint64_t Client::hedges() const { return loop_->hedges(); }
uint32_t Client::deadline_ms() const { return deadline_ms_; }

}  // namespace atolldb::client
