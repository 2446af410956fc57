#include "client/distance.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

namespace atolldb::client {
namespace {

using std::chrono::steady_clock;

constexpr uint32_t kMeasureMs = 2'000;
constexpr std::chrono::milliseconds kStragglers{500};

using RoundTrip = std::optional<steady_clock::duration>;

// Shared with callbacks that may come after the measurement is over.
struct Measurement {
  explicit Measurement(size_t regions) : best(regions) {}
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<RoundTrip> best;
  size_t open = 0;  // pings without an answer

  bool all_regions() const {
    return std::all_of(best.begin(), best.end(), [](const RoundTrip& one) { return one.has_value(); });
  }
  bool any_region() const {
    return std::any_of(best.begin(), best.end(), [](const RoundTrip& one) { return one.has_value(); });
  }
  bool over() const { return open == 0 || all_regions(); }
};

region::Request ping() {
  region::Request request;
  request.op = region::Op::ping;
  request.deadline_ms = kMeasureMs;
  return request;
}

// The first ping opens the connection, the second one is measured.
void measure(Loop& loop, const std::shared_ptr<Measurement>& shared, const topology::Node& node) {
  const Target target{node.number, std::nullopt};
  const RegionId region = node.region;
  const auto end = [shared, region](const region::Response& response, steady_clock::time_point start) {
    const std::lock_guard lock(shared->mutex);
    RoundTrip& best = shared->best[raw(region)];
    const auto took = steady_clock::now() - start;
    if (response.outcome == region::Outcome::done) best = std::min(best.value_or(took), took);
    --shared->open;
    shared->changed.notify_all();
  };
  const auto second = [&loop, target, end](region::Response&& response) {
    const auto start = steady_clock::now();
    if (response.outcome != region::Outcome::done ||
        !loop.send(ping(), target, [end, start](region::Response&& answer) { end(answer, start); })) {
      response.outcome = region::Outcome::rejected;
      end(response, start);
    }
  };
  {
    const std::lock_guard lock(shared->mutex);
    ++shared->open;
  }
  if (!loop.send(ping(), target, second)) {
    region::Response none;
    none.outcome = region::Outcome::rejected;
    end(none, steady_clock::now());
  }
}

bool share_host(const topology::Topology& topology, RegionId a, RegionId b) {
  return std::any_of(topology.nodes.begin(), topology.nodes.end(), [&](const topology::Node& one) {
    return one.region == a &&
           std::any_of(topology.nodes.begin(), topology.nodes.end(), [&](const auto& other) {
             return other.region == b && other.client.host == one.client.host;
           });
  });
}

// Whether what was measured of `other` does not make it farther than the nearest one, `first`.
bool as_near(const topology::Topology& topology, const std::vector<RoundTrip>& trips, RegionId first,
             RegionId other) {
  const RoundTrip near = trips[raw(first)], far = trips[raw(other)];
  if (!near || !far) return !near;
  return *far <= *near * 5 / 4 + std::chrono::milliseconds(1) || share_host(topology, first, other);
}

std::vector<RegionId> in_order_of(const topology::Topology& topology) {
  std::vector<RegionId> regions;
  for (const topology::Region& region : topology.regions) regions.push_back(region.id);
  return regions;
}

}  // namespace

std::vector<RegionId> by_declared_distance(const topology::Topology& topology, RegionId home) {
  std::vector<RegionId> regions = in_order_of(topology);
  const auto delay = [&](RegionId other) -> uint64_t {
    if (other == home) return 0;
    const topology::Link* link = topology.link(home, other);
    return link == nullptr ? UINT32_MAX : uint64_t{link->delay_ms} + 1;
  };
  std::stable_sort(regions.begin(), regions.end(),
                   [&](RegionId a, RegionId b) { return delay(a) < delay(b); });
  return regions;
}

std::vector<RegionId> by_round_trips(const topology::Topology& topology,
                                     const std::vector<RoundTrip>& round_trips) {
  const auto nearer = [&](RegionId a, RegionId b) {
    const RoundTrip one = round_trips[raw(a)], other = round_trips[raw(b)];
    return one && (!other || *one < *other);
  };
  std::vector<RegionId> regions = in_order_of(topology);
  for (auto rest = regions.begin(); rest != regions.end();) {
    const RegionId first = *std::min_element(rest, regions.end(), nearer);
    rest = std::stable_partition(
        rest, regions.end(), [&](RegionId other) { return as_near(topology, round_trips, first, other); });
  }
  return regions;
}

std::vector<RegionId> by_measured_distance(Loop& loop) {
  const topology::Topology& topology = loop.topology();
  const auto shared = std::make_shared<Measurement>(topology.regions.size());
  for (const topology::Node& node : topology.nodes) measure(loop, shared, node);

  std::unique_lock lock(shared->mutex);
  const auto end = steady_clock::now() + std::chrono::milliseconds(kMeasureMs);
  shared->changed.wait_until(lock, end, [&] { return shared->any_region() || shared->over(); });
  shared->changed.wait_until(lock, std::min(end, steady_clock::now() + kStragglers),
                             [&] { return shared->over(); });
  const std::vector<RoundTrip> best = shared->best;
  lock.unlock();
  return by_round_trips(topology, best);
}

}  // namespace atolldb::client
