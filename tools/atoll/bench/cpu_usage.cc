#include "tools/atoll/bench/cpu_usage.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>

namespace atolldb::tools {
namespace {

// Field numbers of /proc/PID/stat behind the command's closing parenthesis, as proc(5) counts them.
constexpr int kUserTicks = 14;
constexpr int kSystemTicks = 15;
constexpr int kResidentPages = 24;
constexpr int kFirstBehindCommand = 3;

std::optional<ProcessUsage> usage_of(const std::string& name, int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const size_t command_end = text.rfind(')');
  if (command_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(command_end + 1));
  std::string field;
  ProcessUsage usage{name, pid, {}, 0};
  int64_t ticks = 0;
  for (int number = kFirstBehindCommand; fields >> field; ++number) {
    if (number == kUserTicks || number == kSystemTicks) ticks += std::stoll(field);
    if (number == kResidentPages)
      usage.memory_bytes = std::stoull(field) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  }
  usage.cpu = Duration::nanos(ticks * (1'000'000'000 / sysconf(_SC_CLK_TCK)));
  return usage;
}

std::optional<int> pid_in(const std::filesystem::path& file) {
  std::ifstream in(file);
  int pid = 0;
  if (in >> pid && pid > 0) return pid;
  return std::nullopt;
}

}  // namespace

std::vector<ProcessUsage> cpu_usage(const topology::Topology& topology, const std::string& topology_file) {
  std::vector<ProcessUsage> out;
  const std::filesystem::path folder = std::filesystem::path(topology_file).parent_path();
  for (const topology::Node& node : topology.nodes) {
    const auto pid = pid_in(folder / node.name / "pid");
    if (!pid) continue;
    if (auto usage = usage_of(node.name, *pid)) out.push_back(std::move(*usage));
  }
  if (auto own = usage_of("atoll bench", getpid())) out.push_back(std::move(*own));
  return out;
}

std::vector<ProcessUsage> usage_between(const std::vector<ProcessUsage>& before,
                                        const std::vector<ProcessUsage>& after) {
  std::vector<ProcessUsage> out;
  for (const ProcessUsage& later : after) {
    const auto same = std::find_if(before.begin(), before.end(), [&](const ProcessUsage& earlier) {
      return earlier.pid == later.pid && earlier.name == later.name;
    });
    if (same == before.end()) continue;
    out.push_back(later);
    out.back().cpu = later.cpu - same->cpu;
  }
  return out;
}

}  // namespace atolldb::tools
