// What the engines of one or more regions do for a request, without processes, sockets and disks: real
// engines in one thread of the simulator, whose own work is not counted. The reference is a store that keeps
// the last value: each replica's ordered map takes the same keys and values. Threads, system calls and LMDB
// come on top (docs/performance.md).
//
//   request_bench [--mix set|get|incr] [--requests N] [--in-flight N] [--nodes 3] [--regions 1]

#include <cstdio>
#include <ctime>
#include <map>
#include <string>
#include <vector>

#include "crdt/base/prng.h"
#include "tests/command_line.h"
#include "tests/sim/world.h"

using namespace atolldb;

namespace {

constexpr size_t kValueBytes = 100;

struct Options {
  std::string mix = "set";
  uint64_t requests = 100'000, in_flight = 800, keys = 100'000;
  uint32_t nodes = 3, regions = 1, partitions = 64;
};

int64_t cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

Bytes key_of(uint64_t number) {
  char text[32];
  const int size = std::snprintf(text, sizeof text, "key:%012llu", static_cast<unsigned long long>(number));
  return {text, static_cast<size_t>(size)};
}

sim::WorldOptions region_of(const Options& options) {
  sim::WorldOptions out;
  out.regions = options.regions;
  out.network.distance_us.assign(options.regions, std::vector<int64_t>(options.regions, 1'000));
  out.nodes = out.n = options.nodes;
  out.r = out.w = options.nodes / 2 + 1;
  out.partitions = options.partitions;
  out.disk.memtable_bytes = 64u << 20;
  out.keep_facts = false;
  out.measure = true;
  return out;
}

// A closed loop of clients at one node.
class Load {
 public:
  Load(const Options& options, sim::World& world) : options_(options), world_(world) {}

  void run() {
    for (uint64_t i = 0; i < options_.in_flight; ++i) next();
    ensure(world_.run_until([this] { return answered_ == options_.requests; }, Duration::seconds(600),
                            Duration::millis(1)),
           "every request is answered");
    ensure(failed_ == 0, "every request is done");
  }

 private:
  void next() {
    if (sent_ == options_.requests) return;
    ++sent_;
    region::Request request;
    request.key = key_of(prng_.below(options_.keys));
    request.op = options_.mix == "get"    ? region::Op::get
                 : options_.mix == "incr" ? region::Op::add
                                          : region::Op::set;
    if (request.op == region::Op::set) request.value = Bytes(kValueBytes, 'v');
    request.amount = request.op == region::Op::add ? 1 : 0;
    world_.request(0, std::move(request), [this](const region::Response* response) {
      ++answered_;
      if (response == nullptr || response->outcome != region::Outcome::done) ++failed_;
      next();
    });
  }

  const Options options_;
  sim::World& world_;
  Prng prng_{7};
  uint64_t sent_ = 0, answered_ = 0, failed_ = 0;
};

double reference_us(const Options& options) {
  std::vector<std::map<std::string, std::string>> replicas(options.nodes * options.regions);
  Prng prng(7);
  const int64_t began = cpu_ns();
  for (uint64_t i = 0; i < options.requests; ++i) {
    const Bytes key = key_of(prng.below(options.keys));
    for (auto& replica : replicas) replica[key] = std::string(kValueBytes, 'v');
  }
  return static_cast<double>(cpu_ns() - began) / 1e3 / static_cast<double>(options.requests);
}

void measure(const Options& options) {
  sim::World world(region_of(options));
  world.start_all();
  ensure(world.run_until([&] { return world.serving(); }, Duration::seconds(30)), "the region serves");
  std::vector<sim::Effort> before;
  for (uint32_t i = 0; i < world.machines(); ++i) before.push_back(world.effort(i));
  Load(options, world).run();
  if (options.regions > 1) world.run_for(Duration::millis(200));  // the others hear of it
  double sum = 0;
  for (uint32_t i = 0; i < world.machines(); ++i) {
    const sim::Effort& after = world.effort(i);
    const auto per = [&](uint64_t more) {
      return static_cast<double>(more) / static_cast<double>(options.requests);
    };
    const double us = per(static_cast<uint64_t>(after.cpu_ns - before[i].cpu_ns)) / 1e3;
    sum += us;
    std::printf("%-6s %6.2f us a request, %.3f turns\n", world.name(i).c_str(), us,
                per(after.calls - before[i].calls));
  }
  const double reference = reference_us(options);
  std::printf("%s, %llu in flight: %.2f us a request in %u engines; %u ordered maps: %.2f us; ratio %.1f\n",
              options.mix.c_str(), static_cast<unsigned long long>(options.in_flight), sum, world.machines(),
              world.machines(), reference, sum / reference);
}

}  // namespace

int main(int argc, char** argv) {
  CommandLine app("What the engines of a region do for a request");
  Options options;
  app.add("--mix", options.mix).one_of({"set", "get", "incr"});
  app.add("--requests", options.requests);
  app.add("--in-flight", options.in_flight);
  app.add("--keys", options.keys);
  app.add("--partitions", options.partitions);
  app.add("--nodes", options.nodes, "in each region").within(1, 7);
  app.add("--regions", options.regions).within(1, 7);
  if (const auto status = app.parse(argc, argv)) return *status;
  measure(options);
}
