// What hedged reads are worth where nodes stall: the same reads of one replica at the same moments through
// two clients, of which one asks a second time what is slow, while one node of the region after the other is
// stopped for a moment (SIGSTOP), as a collection of garbage or a slow disk would. Latencies count from the
// moment at which a read was due.
//
//   atoll dev up --regions eu && build/tests/bench/hedge_bench -t .atoll-dev/topology.toml
//
// Stops processes of a dev cluster only: it finds them by their pid files beside the topology.

#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <latch>
#include <thread>

#include "client/calls.h"
#include "client/client.h"
#include "client/histogram.h"
#include "tests/command_line.h"

using namespace atolldb;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr int kKeys = 1'000;

struct Settings {
  std::string topology = ".atoll-dev/topology.toml", region;
  int seconds = 10, rate = 1'000, pause_ms = 20, every_ms = 200;
};

std::string key_of(int64_t number) { return "hedge " + std::to_string(number % kKeys); }

// Stops one process after the other until told to end; none is left stopped.
class Stalls {
 public:
  Stalls(const Settings& settings, std::vector<pid_t> processes)
      : thread_([settings, processes = std::move(processes)](const std::stop_token& end) {
          for (size_t i = 0; !end.stop_requested(); ++i) {
            const pid_t process = processes[i % processes.size()];
            ::kill(process, SIGSTOP);
            std::this_thread::sleep_for(milliseconds(settings.pause_ms));
            ::kill(process, SIGCONT);
            std::this_thread::sleep_for(milliseconds(settings.every_ms - settings.pause_ms));
          }
        }) {}

 private:
  std::jthread thread_;
};

std::vector<pid_t> processes_of(const topology::Topology& topology, RegionId region,
                                const std::string& file) {
  std::vector<pid_t> out;
  for (const NodeNumber number : topology.region(region).nodes) {
    const auto path = std::filesystem::path(file).parent_path() / topology.find(number)->name / "pid";
    pid_t pid = 0;
    if (std::ifstream(path) >> pid && pid > 1) out.push_back(pid);
  }
  return out;
}

struct Side {
  std::unique_ptr<client::Client> client;
  client::Histogram latencies;  // of the client's thread, until all reads are over
  uint64_t failed = 0;
};

// Reads at a rate through both, each at the same moment.
void read_for(const Settings& settings, std::vector<Side>& sides) {
  const int64_t reads = int64_t{settings.seconds} * settings.rate;
  std::latch open(static_cast<std::ptrdiff_t>(reads) * static_cast<std::ptrdiff_t>(sides.size()));
  const auto begin = steady_clock::now();
  for (int64_t i = 0; i < reads; ++i) {
    const auto due = begin + std::chrono::nanoseconds(1'000'000'000) * i / settings.rate;
    std::this_thread::sleep_until(due);
    for (Side& side : sides)
      side.client->start(client::calls::get(key_of(i)),
                         [&side, &open, due](client::Reply<client::Got>&& reply) {
                           side.latencies.record(Duration::nanos((steady_clock::now() - due).count()));
                           side.failed += reply.done() ? 0 : 1;
                           open.count_down();
                         });
  }
  open.wait();
}

double ms(const client::Histogram& latencies, double percentile) {
  return static_cast<double>(latencies.quantile(percentile / 100).ns) / 1e6;
}

void print(const std::vector<Side>& sides) {
  const client::Histogram &hedged = sides[0].latencies, &plain = sides[1].latencies;
  std::printf("%-12s %12s %12s %8s\n", "latency", "hedged, ms", "plain, ms", "ratio");
  for (const double percentile : {50.0, 95.0, 99.0, 99.9})
    std::printf("p%-11g %12.2f %12.2f %8.2f\n", percentile, ms(hedged, percentile), ms(plain, percentile),
                ms(hedged, percentile) / ms(plain, percentile));
  std::printf("%-12s %12lu %12lu\n%-12s %12lu %12lu\n%-12s %11.1f%%\n", "reads", hedged.count(),
              plain.count(), "failed", sides[0].failed, sides[1].failed, "asked twice",
              100.0 * static_cast<double>(sides[0].client->hedges()) / static_cast<double>(hedged.count()));
}

int run(const Settings& settings) {
  const auto topology = topology::load(settings.topology);
  if (!topology) return std::fprintf(stderr, "%s\n", topology.error().message.c_str()), 1;
  std::vector<Side> sides(2);
  for (Side& side : sides) {
    client::Options options;
    options.region = settings.region.empty() ? topology->regions.front().name : settings.region;
    options.local = true;
    options.hedge_reads = &side == &sides[0];
    auto client = client::Client::open(*topology, options);
    if (!client) return std::fprintf(stderr, "%s\n", client.error().message.c_str()), 1;
    side.client = std::move(*client);
  }
  const std::vector<pid_t> processes = processes_of(*topology, sides[0].client->region(), settings.topology);
  if (processes.empty())
    return std::fprintf(stderr, "no pid files beside %s: this needs a cluster of `atoll dev up`\n",
                        settings.topology.c_str()),
           1;
  for (int i = 0; i < kKeys; ++i)
    if (!sides[0].client->set(key_of(i), std::string(100, 'v')).done())
      return std::fprintf(stderr, "the keys cannot be written; does the cluster run?\n"), 1;
  {
    const Stalls stalls(settings, processes);
    read_for(settings, sides);
  }
  print(sides);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  CommandLine app("hedged reads of one replica against plain ones, while nodes stall in turn");
  app.add("-t,--topology", settings.topology, "a dev cluster's topology file").shows_default();
  app.add("--region", settings.region, "default: the first one");
  app.add("--seconds", settings.seconds).within(1, 600).shows_default();
  app.add("--rate", settings.rate, "reads a second, each through both clients")
      .within(1, 20'000)
      .shows_default();
  app.add("--pause-ms", settings.pause_ms, "how long a node stands still").within(1, 250).shows_default();
  app.add("--every-ms", settings.every_ms, "from one pause to the next").within(2, 10'000).shows_default();
  if (const auto status = app.parse(argc, argv)) return *status;
  if (settings.pause_ms >= settings.every_ms) {
    std::fprintf(stderr, "found --pause-ms %d, expected less than --every-ms, %d\n", settings.pause_ms,
                 settings.every_ms);
    return 1;
  }
  return run(settings);
}
