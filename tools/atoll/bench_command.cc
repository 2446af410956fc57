// `atoll bench`: load on a cluster, and what it costs.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tools/atoll/bench/cpu_usage.h"
#include "tools/atoll/bench/load.h"
#include "tools/atoll/bench/report.h"
#include "tools/atoll/clock.h"
#include "tools/atoll/command.h"
#include "tools/atoll/connect.h"
#include "tools/atoll/progress.h"

namespace atolldb::tools {
namespace {

constexpr uint32_t kConnectionsMax = 1'000;
constexpr uint32_t kInFlightMax = 10'000;
constexpr std::chrono::milliseconds kProgressPeriod{100};

struct BenchArgs {
  Whom whom;
  std::vector<std::string> regions;
  BenchSetting setting;
  double seconds = 10, warm_up = 1;
  uint64_t requests = 0;
  uint64_t seed = 1;
  bool fill = false;
};

// ---- running

volatile std::sig_atomic_t interrupted = 0;
void on_interrupt(int) { interrupted = 1; }

Result<std::vector<LoadConfig>> configs_of(const BenchArgs& args, const topology::Topology& topology) {
  auto mix = parse_mix(args.setting.mix);
  if (!mix) return mix.error();
  std::vector<std::string> regions = args.regions;
  if (regions == std::vector<std::string>{"all"}) {
    regions.clear();
    for (const topology::Region& region : topology.regions) regions.push_back(region.name);
  }
  if (regions.empty()) regions.emplace_back();
  std::vector<LoadConfig> configs;
  for (const std::string& region : regions) {
    LoadConfig config;
    config.client = options_for(args.whom);
    config.client.region = region;
    config.client.wait_for_nodes = true;
    config.client.connections_per_node = args.setting.connections;
    config.workload = {
        *mix,     args.setting.keys,         args.setting.value_bytes, args.setting.distribution == "zipf",
        "bench:", args.seed + configs.size()};
    config.in_flight = args.setting.in_flight * args.setting.connections;
    config.rate = args.setting.rate;
    config.requests = args.requests;
    configs.push_back(std::move(config));
  }
  return configs;
}

uint64_t sum_of(const std::vector<std::unique_ptr<Load>>& loads, uint64_t (Load::*count)() const) {
  uint64_t sum = 0;
  for (const auto& load : loads) sum += (*load.*count)();
  return sum;
}

bool all_finished(const std::vector<std::unique_ptr<Load>>& loads) {
  return std::all_of(loads.begin(), loads.end(), [](const auto& load) { return load->finished(); });
}

void warm_up(double seconds) {
  const Instant end = monotonic_now() + Duration::nanos(static_cast<int64_t>(seconds * 1e9));
  while (!interrupted && monotonic_now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

// Until the time is over or all requests are answered.
void watch(const std::vector<std::unique_ptr<Load>>& loads, const BenchArgs& args, Instant begin) {
  Progress progress(stderr);
  const uint64_t all =
      args.requests > 0 ? args.requests * loads.size() : static_cast<uint64_t>(args.seconds * 1e3) + 1;
  while (!interrupted) {
    const Duration passed = monotonic_now() - begin;
    const uint64_t done = sum_of(loads, &Load::completed), failed = sum_of(loads, &Load::failed);
    if (args.requests > 0 ? all_finished(loads) : passed.as_seconds() >= args.seconds) break;
    char text[96];
    std::snprintf(text, sizeof text, "%.0f requests/s, %llu failed",
                  static_cast<double>(done) / std::max(1e-3, passed.as_seconds()),
                  static_cast<unsigned long long>(failed));
    progress.update(
        std::min(all, args.requests > 0 ? done + failed : static_cast<uint64_t>(passed.as_millis())), all,
        text);
    std::this_thread::sleep_for(kProgressPeriod);
  }
}

BenchReport run_loads(const std::vector<std::unique_ptr<Load>>& loads, const BenchArgs& args,
                      const topology::Topology& topology, const std::string& file) {
  std::signal(SIGINT, on_interrupt);
  const bool warm = args.warm_up > 0;
  if (warm) {
    for (const auto& load : loads) load->start();
    warm_up(args.warm_up);
  }
  const std::vector<ProcessUsage> before = cpu_usage(topology, file);
  const Instant begin = monotonic_now();
  for (const auto& load : loads) load->begin_measuring();
  if (!warm)
    for (const auto& load : loads) load->start();
  watch(loads, args, begin);
  for (const auto& load : loads) load->stop();
  BenchReport out;
  out.setting = args.setting;
  out.usage = usage_between(before, cpu_usage(topology, file));
  Instant end = begin;
  for (const auto& load : loads) {
    out.results.push_back(load->result());
    out.names.push_back(load->name());
    end = std::max(end, load->result().last_end);
  }
  out.seconds = std::max(1e-9, (end - begin).as_seconds());
  return out;
}

// ---- the command

Status fill(Load& load, uint64_t keys) {
  Progress progress(stderr);
  return load.fill([&](uint64_t done) { progress.update(done, keys, "filling the key space"); });
}

int run_bench(const Globals& globals, const BenchArgs& args) {
  const auto topology = load_topology(globals);
  if (!topology) return report("bench", topology.error());
  const auto configs = configs_of(args, *topology);
  if (!configs) return report("bench", configs.error());
  std::vector<std::unique_ptr<Load>> loads;
  for (const LoadConfig& config : *configs) {
    auto load = Load::open(*topology, config);
    if (!load) return report("bench", load.error());
    loads.push_back(std::move(*load));
  }
  if (args.fill)
    if (const Status filled = fill(*loads.front(), args.setting.keys); !filled)
      return report("bench", filled.error());
  const BenchReport measured = run_loads(loads, args, *topology, topology_path(globals));
  if (globals.json)
    std::cout << json_of(measured).dump() << "\n";
  else
    print(measured);
  const OperationResult total = total_of(measured);
  return total.latency.count() > 0 && total.rejected + total.unknown == 0 ? 0 : kFailedStatus;
}

void add_load_options(CLI::App& command, BenchArgs& args) {
  command
      .add_option("--mix", args.setting.mix,
                  "operations and their weights: get set del incr sadd srem sismember scard ping")
      ->capture_default_str();
  command.add_option("--connections", args.setting.connections, "connections to each node")
      ->check(CLI::Range(1u, kConnectionsMax))
      ->capture_default_str();
  CLI::Option* in_flight = command
                               .add_option("--in-flight", args.setting.in_flight,
                                           "closed loop: requests under way on each connection")
                               ->check(CLI::Range(1u, kInFlightMax))
                               ->capture_default_str();
  command
      .add_option("--rate", args.setting.rate, "open loop: so many requests a second, whatever is answered")
      ->check(CLI::Range(0.001, 1e7))
      ->excludes(in_flight);
  command.add_option("--seconds", args.seconds, "how long to measure")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  command.add_option("--requests", args.requests, "measure so many requests instead (in each region)")
      ->check(CLI::PositiveNumber);
  command.add_option("--warm-up", args.warm_up, "seconds of load before measuring")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
}

void add_key_options(CLI::App& command, BenchArgs& args) {
  command.add_option("--value-size", args.setting.value_bytes, "bytes of a value")
      ->check(CLI::Range(0u, 16u << 20))
      ->capture_default_str();
  command.add_option("--keys", args.setting.keys, "size of the key space")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1'000'000'000}))
      ->capture_default_str();
  command
      .add_option("--distribution", args.setting.distribution, "which keys: uniform or zipf (exponent 0.99)")
      ->check(CLI::IsMember({"uniform", "zipf"}))
      ->capture_default_str();
  command.add_flag("--fill", args.fill, "set every key once before the warm-up");
  command.add_option("--seed", args.seed, "of keys and values")->capture_default_str();
}

}  // namespace

void register_bench(CLI::App& app, Globals& globals) {
  CLI::App& command = *app.add_subcommand("bench", "put load on a cluster; prints rates, latencies and CPU");
  add_common_options(command, globals);
  auto args = std::make_shared<BenchArgs>();
  CLI::Option* regions = command.add_option("--region", args->regions,
                                            "load these regions at once, or all; default: the nearest");
  command.add_option("--node", args->whom.node, "load this node only")->excludes(regions);
  command.add_flag("--local", args->whom.local, "read what one replica holds, without a quorum");
  command.add_option("--deadline", args->whom.deadline_ms, "of a request, in milliseconds")
      ->check(CLI::Range(uint32_t{1}, region::kDeadlineMaxMs))
      ->capture_default_str();
  add_load_options(command, *args);
  add_key_options(command, *args);
  command.callback([&globals, args] { globals.exit_status = run_bench(globals, *args); });
}

}  // namespace atolldb::tools
