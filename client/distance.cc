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

// Shared with callbacks that may come after the measurement is over.
struct Measurement {
  explicit Measurement(size_t regions) : best(regions, steady_clock::duration::max()) {}
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<steady_clock::duration> best;
  size_t open = 0;  // pings without an answer

  bool all_regions() const {
    return std::none_of(best.begin(), best.end(), [](auto d) { return d == steady_clock::duration::max(); });
  }
  bool any_region() const {
    return std::any_of(best.begin(), best.end(), [](auto d) { return d != steady_clock::duration::max(); });
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
    auto& best = shared->best[raw(region)];
    if (response.outcome == region::Outcome::done) best = std::min(best, steady_clock::now() - start);
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

}  // namespace

std::vector<RegionId> by_declared_distance(const topology::Topology& topology, RegionId home) {
  std::vector<RegionId> regions;
  for (const topology::Region& region : topology.regions) regions.push_back(region.id);
  const auto delay = [&](RegionId other) -> uint64_t {
    if (other == home) return 0;
    const topology::Link* link = topology.link(home, other);
    return link == nullptr ? UINT32_MAX : uint64_t{link->delay_ms} + 1;
  };
  std::stable_sort(regions.begin(), regions.end(),
                   [&](RegionId a, RegionId b) { return delay(a) < delay(b); });
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
  const std::vector<steady_clock::duration> best = shared->best;
  lock.unlock();

  std::vector<RegionId> regions;
  for (const topology::Region& region : topology.regions) regions.push_back(region.id);
  std::stable_sort(regions.begin(), regions.end(),
                   [&](RegionId a, RegionId b) { return best[raw(a)] < best[raw(b)]; });
  return regions;
}

}  // namespace atolldb::client
