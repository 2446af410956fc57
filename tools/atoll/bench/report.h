#pragma once
// What `atoll bench` measured, as tables and as JSON.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "tools/atoll/bench/cpu_usage.h"
#include "tools/atoll/bench/load.h"

namespace atolldb::tools {

// How the load was asked for.
struct BenchSetting {
  std::string mix = "get=50,set=50";
  std::string distribution = "uniform";
  uint32_t connections = 1;
  uint32_t in_flight = 64;  // on each connection
  uint32_t value_bytes = 100;
  uint64_t keys = 100'000;
  double rate = 0;  // above 0: open loop
};

struct BenchReport {
  BenchSetting setting;
  double seconds = 0;
  std::vector<ProcessUsage> usage;
  std::vector<std::string> names;   // of the loads: their region or node
  std::vector<LoadResult> results;  // of each load
};

// All operations of all loads together.
OperationResult total_of(const BenchReport& report);

void print(const BenchReport& report);  // to stdout
nlohmann::ordered_json json_of(const BenchReport& report);

}  // namespace atolldb::tools
