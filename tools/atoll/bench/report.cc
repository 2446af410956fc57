#include "tools/atoll/bench/report.h"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "tools/atoll/table.h"

namespace atolldb::tools {
namespace {

using client::Histogram;
using Json = nlohmann::ordered_json;

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

void print_operations(const BenchReport& report) {
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
  const std::vector<OperationResult> operations = joined(report.results);
  for (const OperationResult& one : operations) table.add(cells_of(one, report.seconds));
  if (operations.size() > 1) table.add(cells_of(total_of(operations), report.seconds));
  if (report.results.size() > 1)
    for (size_t i = 0; i < report.results.size(); ++i) {
      OperationResult one = total_of(report.results[i].operations);
      one.name = "in " + report.names[i];
      table.add(cells_of(one, report.seconds));
    }
  table.print(std::cout);
}

void print_usage(const BenchReport& report, uint64_t done) {
  if (report.usage.empty()) return;
  using Align = Table::Align;
  Table table(
      {{"process"}, {"CPU", Align::right}, {"CPU an operation", Align::right}, {"memory", Align::right}});
  Duration sum;
  const auto add = [&](const std::string& name, Duration cpu, const std::string& memory) {
    table.add({name, number_text(cpu.as_seconds(), "%.2f s"),
               done == 0 ? "-" : number_text(micros(cpu) / static_cast<double>(done), "%.1f us"), memory});
  };
  for (const ProcessUsage& one : report.usage) {
    add(one.name, one.cpu, human_bytes(static_cast<double>(one.memory_bytes)));
    sum = sum + one.cpu;
  }
  if (report.usage.size() > 1) add("all", sum, "");
  std::cout << "\n";
  table.print(std::cout);
  if (report.usage.size() == 1)
    std::cout << "(no node's pid file beside the topology: only this process is counted)\n";
}

void print_notes(const BenchReport& report) {
  uint64_t retries = 0, overrun = 0;
  for (const LoadResult& result : report.results) retries += result.retries, overrun += result.overrun;
  if (retries > 0) std::cout << "retries: " << retries << " attempts beyond the first, warm-up included\n";
  if (overrun > 0)
    std::cout << "overrun: " << overrun
              << " requests were due while too many were under way; they were not sent\n";
  for (const LoadResult& result : report.results)
    for (const auto& [what, failures] : result.failures)
      std::cout << what << ": " << failures.count << ", for example: " << failures.example << "\n";
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

}  // namespace

OperationResult total_of(const BenchReport& report) { return total_of(joined(report.results)); }

void print(const BenchReport& report) {
  const BenchSetting& setting = report.setting;
  char head[256];
  const std::string loop = setting.rate > 0
                               ? "open loop, " + number_text(setting.rate, "%.0f") + " requests/s"
                               : "closed loop, " + std::to_string(setting.in_flight) + " in flight";
  std::snprintf(head, sizeof head, "%s, %u connection%s, %u-byte values, %llu keys, %s, %.1f s\n\n",
                loop.c_str(), setting.connections, setting.connections == 1 ? "" : "s", setting.value_bytes,
                static_cast<unsigned long long>(setting.keys), setting.distribution.c_str(), report.seconds);
  std::cout << head;
  print_operations(report);
  print_usage(report, total_of(report).latency.count());
  print_notes(report);
}

Json json_of(const BenchReport& report) {
  const BenchSetting& setting = report.setting;
  const std::vector<OperationResult> operations = joined(report.results);
  const OperationResult total = total_of(operations);
  Json out = {{"loop", setting.rate > 0 ? "open" : "closed"},
              {"connections", setting.connections},
              {"in_flight", setting.in_flight},
              {"rate", setting.rate},
              {"mix", setting.mix},
              {"value_bytes", setting.value_bytes},
              {"keys", setting.keys},
              {"distribution", setting.distribution},
              {"seconds", report.seconds},
              {"all", json_of(total, report.seconds)},
              {"operations", Json::array()},
              {"regions", Json::object()},
              {"processes", Json::array()},
              {"failures", Json::object()}};
  for (const OperationResult& one : operations) out["operations"].push_back(json_of(one, report.seconds));
  uint64_t retries = 0, overrun = 0;
  for (size_t i = 0; i < report.results.size(); ++i) {
    const LoadResult& result = report.results[i];
    out["regions"][report.names[i]] = json_of(total_of(result.operations), report.seconds);
    for (const auto& [what, failures] : result.failures)
      out["failures"][what] = {{"count", failures.count}, {"example", failures.example}};
    retries += result.retries, overrun += result.overrun;
  }
  out["retries"] = retries;
  out["overrun"] = overrun;
  Duration cpu;
  const double done = static_cast<double>(std::max<uint64_t>(1, total.latency.count()));
  for (const ProcessUsage& one : report.usage) {
    out["processes"].push_back({{"name", one.name},
                                {"cpu_seconds", one.cpu.as_seconds()},
                                {"cpu_us_per_operation", micros(one.cpu) / done},
                                {"memory_bytes", one.memory_bytes}});
    cpu = cpu + one.cpu;
  }
  out["cpu_us_per_operation"] = micros(cpu) / done;
  return out;
}

}  // namespace atolldb::tools
