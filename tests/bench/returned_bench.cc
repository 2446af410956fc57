// What it costs a node when requests that it has passed on come back, because their coordinator stops: they
// wait, partition by partition, until everything of theirs is back, and are passed on again. Real engines in
// one thread of the simulator; the reference is the same number of requests in the same run that do not come
// back. Costs of a request shall not depend on how many others wait, nor of how many partitions.
//
//   returned_bench [--requests N] [--partitions N]

#include <cstdio>
#include <string>
#include <vector>

#include "crdt/base/prng.h"
#include "tests/command_line.h"
#include "tests/sim/world.h"

using namespace atolldb;

namespace {

constexpr uint32_t kDoor = 0, kStops = 1;

sim::WorldOptions region_of(uint32_t partitions) {
  sim::WorldOptions out;
  out.regions = 1;
  out.network.distance_us.assign(1, std::vector<int64_t>(1, 1'000));
  out.partitions = partitions;
  out.disk.memtable_bytes = 64u << 20;
  out.keep_facts = false;
  out.measure = true;
  return out;
}

region::Request ask(region::Op op, const Bytes& key) {
  region::Request request;
  request.op = op;
  request.key = key;
  request.deadline_ms = 20'000;
  return request;
}

class Door {
 public:
  explicit Door(uint32_t partitions) : world_(region_of(partitions)) {
    world_.start_all();
    until([&] { return world_.serving(); });
    for (uint32_t i = 0; i < 4 * partitions; ++i) {
      const Bytes key = "key:" + std::to_string(i);
      send(region::Op::route, key, [this, key](const region::Response& response) {
        if (response.coordinator == world_.node(kStops)) keys_.push_back(key);
      });
    }
    until([&] { return waiting_ == 0; });
  }

  // Microseconds of the door for each of so many reads of keys that the other node coordinates.
  double read(uint64_t count, bool stops) {
    const int64_t before = world_.effort(kDoor).cpu_ns;
    for (uint64_t i = 0; i < count; ++i)
      send(region::Op::get, keys_[i % keys_.size()], [](const region::Response& response) {
        ensure(response.outcome == region::Outcome::done, "every read is answered");
      });
    if (stops) world_.drain(kStops);
    until([&] { return waiting_ == 0; });
    return static_cast<double>(world_.effort(kDoor).cpu_ns - before) / 1e3 / static_cast<double>(count);
  }

 private:
  void send(region::Op op, const Bytes& key, std::function<void(const region::Response&)> then) {
    ++waiting_;
    world_.request(kDoor, ask(op, key), [this, then](const region::Response* response) {
      --waiting_;
      then(*response);
    });
  }
  void until(const std::function<bool()>& condition) {
    ensure(world_.run_until(condition, Duration::seconds(60), Duration::millis(1)), "it comes to an end");
  }

  sim::World world_;
  std::vector<Bytes> keys_;
  uint64_t waiting_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  CommandLine app("What requests cost that come back");
  uint64_t requests = 16'000;
  uint32_t partitions = 1024;
  app.add("--requests", requests).within(1, 65'000);
  app.add("--partitions", partitions);
  if (const auto status = app.parse(argc, argv)) return *status;
  Door door(partitions);
  const double reference = door.read(requests, false);
  const double returned = door.read(requests, true);
  std::printf(
      "%llu requests, %u partitions: %.2f us a request that comes back, %.2f us one that does not; "
      "ratio %.1f\n",
      static_cast<unsigned long long>(requests), partitions, returned, reference, returned / reference);
}
