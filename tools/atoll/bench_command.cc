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

#include "client/histogram.h"
#include "tools/atoll/bench/cpu_usage.h"
#include "tools/atoll/bench/load.h"
#include "tools/atoll/clock.h"
#include "tools/atoll/command.h"
#include "tools/atoll/connect.h"
#include "tools/atoll/progress.h"
#include "tools/atoll/table.h"

namespace atolldb::tools {
namespace {

using client::Histogram;
using Json = nlohmann::ordered_json;

constexpr uint32_t kConnectionsMax = 1'000;
constexpr uint32_t kInFlightMax = 10'000;
constexpr std::chrono::milliseconds kProgressPeriod{100};

struct BenchArgs {
  Whom whom;
  std::vector<std::string> regions;
  std::string mix = "get=50,set=50";
  std::string distribution = "uniform";
  uint32_t connections = 1;
  uint32_t in_flight = 64;
  uint32_t value_bytes = 100;
  uint64_t keys = 100'000;
  double seconds = 10, warm_up = 1, rate = 0;
  uint64_t requests = 0;
  uint64_t seed = 1;
  bool fill = false;
};

struct Measured {
  double seconds = 0;
  std::vector<ProcessUsage> usage;
  std::vector<LoadResult> results;  // one a load
  std::vector<std::string> names;   // of the loads' regions or nodes
};

// ---- running

volatile std::sig_atomic_t interrupted = 0;
void on_interrupt(int) { interrupted = 1; }

Result<std::vector<LoadConfig>> configs_of(const BenchArgs& args, const topology::Topology& topology) {
  auto mix = parse_mix(args.mix);
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
    config.client.connections_per_node = args.connections;
    config.workload = {
        *mix, args.keys, args.value_bytes, args.distribution == "zipf", "bench:", args.seed + configs.size()};
    config.in_flight = args.in_flight * args.connections;
    config.rate = args.rate;
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

Measured run_loads(const std::vector<std::unique_ptr<Load>>& loads, const BenchArgs& args,
                   const topology::Topology& topology, const std::string& file) {
  std::signal(SIGINT, on_interrupt);
  for (const auto& load : loads) load->start();
  warm_up(args.warm_up);
  const std::vector<ProcessUsage> before = cpu_usage(topology, file);
  const Instant begin = monotonic_now();
  for (const auto& load : loads) load->begin_measuring();
  watch(loads, args, begin);
  for (const auto& load : loads) load->stop();
  Measured out;
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

// ---- telling

double micros(Duration d) { return static_cast<double>(d.ns) / 1e3; }

std::string time_text(Duration d) {
  char text[32];
  if (d.ns < 1'000'000)
    std::snprintf(text, sizeof text, "%.0f us", static_cast<double>(d.ns) / 1e3);
  else
    std::snprintf(text, sizeof text, d.ns < 100'000'000 ? "%.2f ms" : "%.0f ms",
                  static_cast<double>(d.ns) / 1e6);
  return text;
}

std::string number_text(double value, const char* format) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// The same operation over all loads.
std::vector<OperationResult> joined(const std::vector<LoadResult>& results) {
  std::vector<OperationResult> out = results.front().operations;
  for (size_t i = 1; i < results.size(); ++i)
    for (size_t j = 0; j < out.size(); ++j) {
      const OperationResult& one = results[i].operations[j];
      out[j].latency.join(one.latency);
      out[j].hits += one.hits;
      out[j].rejected += one.rejected;
      out[j].unknown += one.unknown;
    }
  return out;
}

OperationResult total_of(const std::vector<OperationResult>& operations) {
  OperationResult total;
  total.name = "all";
  for (const OperationResult& one : operations) {
    total.latency.join(one.latency);
    total.hits += one.hits;
    total.rejected += one.rejected;
    total.unknown += one.unknown;
  }
  return total;
}

std::vector<std::string> cells_of(const OperationResult& one, double seconds) {
  const Histogram& h = one.latency;
  return {one.name,
          std::to_string(h.count()),
          number_text(static_cast<double>(h.count()) / seconds, "%.0f"),
          time_text(h.mean()),
          time_text(h.quantile(0.5)),
          time_text(h.quantile(0.9)),
          time_text(h.quantile(0.99)),
          time_text(h.quantile(0.999)),
          time_text(h.max()),
          std::to_string(one.rejected),
          std::to_string(one.unknown)};
}

void print_operations(const Measured& measured) {
  using Align = Table::Align;
  Table table({{"operation"},
               {"done", Align::right},
               {"per second", Align::right},
               {"mean", Align::right},
               {"p50", Align::right},
               {"p90", Align::right},
               {"p99", Align::right},
               {"p99.9", Align::right},
               {"max", Align::right},
               {"rejected", Align::right},
               {"unknown", Align::right}});
  const std::vector<OperationResult> operations = joined(measured.results);
  for (const OperationResult& one : operations) table.add(cells_of(one, measured.seconds));
  if (operations.size() > 1) table.add(cells_of(total_of(operations), measured.seconds));
  if (measured.results.size() > 1)
    for (size_t i = 0; i < measured.results.size(); ++i) {
      OperationResult one = total_of(measured.results[i].operations);
      one.name = "in " + measured.names[i];
      table.add(cells_of(one, measured.seconds));
    }
  table.print(std::cout);
}

void print_usage(const Measured& measured, uint64_t done) {
  if (measured.usage.empty()) return;
  using Align = Table::Align;
  Table table(
      {{"process"}, {"CPU", Align::right}, {"CPU an operation", Align::right}, {"memory", Align::right}});
  Duration sum;
  const auto add = [&](const std::string& name, Duration cpu, const std::string& memory) {
    table.add({name, number_text(cpu.as_seconds(), "%.2f s"),
               done == 0 ? "-" : number_text(micros(cpu) / static_cast<double>(done), "%.1f us"), memory});
  };
  for (const ProcessUsage& one : measured.usage) {
    add(one.name, one.cpu, human_bytes(static_cast<double>(one.memory_bytes)));
    sum = sum + one.cpu;
  }
  if (measured.usage.size() > 1) add("all", sum, "");
  std::cout << "\n";
  table.print(std::cout);
  if (measured.usage.size() == 1)
    std::cout << "(no node's pid file beside the topology: only this process is counted)\n";
}

void print_notes(const Measured& measured) {
  uint64_t retries = 0, overrun = 0;
  for (const LoadResult& result : measured.results) retries += result.retries, overrun += result.overrun;
  if (retries > 0) std::cout << "retries: " << retries << " attempts beyond the first, warm-up included\n";
  if (overrun > 0)
    std::cout << "overrun: " << overrun
              << " requests were due while too many were under way; they were not sent\n";
  for (const LoadResult& result : measured.results)
    for (const auto& [what, failures] : result.failures)
      std::cout << what << ": " << failures.count << ", for example: " << failures.example << "\n";
}

void print_report(const BenchArgs& args, const Measured& measured) {
  char head[256];
  const std::string loop = args.rate > 0 ? "open loop, " + number_text(args.rate, "%.0f") + " requests/s"
                                         : "closed loop, " + std::to_string(args.in_flight) + " in flight";
  std::snprintf(head, sizeof head, "%s, %u connection%s, %u-byte values, %llu keys, %s, %.1f s\n\n",
                loop.c_str(), args.connections, args.connections == 1 ? "" : "s", args.value_bytes,
                static_cast<unsigned long long>(args.keys), args.distribution.c_str(), measured.seconds);
  std::cout << head;
  print_operations(measured);
  print_usage(measured, total_of(joined(measured.results)).latency.count());
  print_notes(measured);
}

Json json_of(const OperationResult& one, double seconds) {
  const Histogram& h = one.latency;
  return {{"operation", one.name},
          {"done", h.count()},
          {"per_second", static_cast<double>(h.count()) / seconds},
          {"found", one.hits},
          {"rejected", one.rejected},
          {"unknown", one.unknown},
          {"latency_us",
           {{"mean", micros(h.mean())},
            {"min", micros(h.min())},
            {"p50", micros(h.quantile(0.5))},
            {"p90", micros(h.quantile(0.9))},
            {"p99", micros(h.quantile(0.99))},
            {"p99_9", micros(h.quantile(0.999))},
            {"max", micros(h.max())}}}};
}

Json json_of(const BenchArgs& args, const Measured& measured) {
  const std::vector<OperationResult> operations = joined(measured.results);
  const OperationResult total = total_of(operations);
  Json out = {{"loop", args.rate > 0 ? "open" : "closed"},
              {"connections", args.connections},
              {"in_flight", args.in_flight},
              {"rate", args.rate},
              {"mix", args.mix},
              {"value_bytes", args.value_bytes},
              {"keys", args.keys},
              {"distribution", args.distribution},
              {"seconds", measured.seconds},
              {"all", json_of(total, measured.seconds)},
              {"operations", Json::array()},
              {"regions", Json::object()},
              {"processes", Json::array()},
              {"failures", Json::object()}};
  for (const OperationResult& one : operations) out["operations"].push_back(json_of(one, measured.seconds));
  uint64_t retries = 0, overrun = 0;
  for (size_t i = 0; i < measured.results.size(); ++i) {
    const LoadResult& result = measured.results[i];
    out["regions"][measured.names[i]] = json_of(total_of(result.operations), measured.seconds);
    for (const auto& [what, failures] : result.failures)
      out["failures"][what] = {{"count", failures.count}, {"example", failures.example}};
    retries += result.retries, overrun += result.overrun;
  }
  out["retries"] = retries;
  out["overrun"] = overrun;
  Duration cpu;
  const double done = static_cast<double>(std::max<uint64_t>(1, total.latency.count()));
  for (const ProcessUsage& one : measured.usage) {
    out["processes"].push_back({{"name", one.name},
                                {"cpu_seconds", one.cpu.as_seconds()},
                                {"cpu_us_per_operation", micros(one.cpu) / done},
                                {"memory_bytes", one.memory_bytes}});
    cpu = cpu + one.cpu;
  }
  out["cpu_us_per_operation"] = micros(cpu) / done;
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
    if (const Status filled = fill(*loads.front(), args.keys); !filled)
      return report("bench", filled.error());
  const Measured measured = run_loads(loads, args, *topology, topology_path(globals));
  if (globals.json)
    std::cout << json_of(args, measured).dump() << "\n";
  else
    print_report(args, measured);
  const OperationResult total = total_of(joined(measured.results));
  return total.latency.count() > 0 && total.rejected + total.unknown == 0 ? 0 : kFailedStatus;
}

void add_load_options(CLI::App& command, BenchArgs& args) {
  command
      .add_option("--mix", args.mix,
                  "operations and their weights: get set del incr sadd srem sismember scard ping")
      ->capture_default_str();
  command.add_option("--connections", args.connections, "connections to each node")
      ->check(CLI::Range(1u, kConnectionsMax))
      ->capture_default_str();
  CLI::Option* in_flight =
      command.add_option("--in-flight", args.in_flight, "closed loop: requests under way on each connection")
          ->check(CLI::Range(1u, kInFlightMax))
          ->capture_default_str();
  command.add_option("--rate", args.rate, "open loop: so many requests a second, whatever is answered")
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
  command.add_option("--value-size", args.value_bytes, "bytes of a value")
      ->check(CLI::Range(0u, 16u << 20))
      ->capture_default_str();
  command.add_option("--keys", args.keys, "size of the key space")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1'000'000'000}))
      ->capture_default_str();
  command.add_option("--distribution", args.distribution, "which keys: uniform or zipf (exponent 0.99)")
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
