#include "region/resp/info.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "region/resp/command.h"

namespace atolldb::resp {
namespace {

using nlohmann::json;

class Text {
 public:
  explicit Text(BytesView wanted)
      : wanted_(wanted), all_(wanted == "default" || wanted == "all" || wanted == "everything") {}

  bool section(const char* name, const char* title) {
    if (!all_ && wanted_ != name) return false;
    if (!text_.empty()) text_ += "\r\n";
    text_ += std::string("# ") + title + "\r\n";
    return true;
  }
  void line(const std::string& key, const std::string& value) { text_ += key + ":" + value + "\r\n"; }
  void line(const std::string& key, uint64_t value) { line(key, std::to_string(value)); }
  std::string take() { return std::move(text_); }

 private:
  BytesView wanted_;
  bool all_;
  std::string text_;
};

std::string human(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "K", "M", "G", "T"};
  auto size = static_cast<double>(bytes);
  size_t unit = 0;
  for (; size >= 1024 && unit + 1 < std::size(kUnits); ++unit) size /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f%s" : "%.2f%s", size, kUnits[unit]);
  return text;
}

std::string seconds(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6f", value);
  return text;
}

uint64_t number(const json& status, const char* name) {
  const auto at = status.find(name);
  return at != status.end() && at->is_number() ? at->get<uint64_t>() : 0;
}

std::string word(const json& status, const char* name) {
  const auto at = status.find(name);
  return at != status.end() && at->is_string() ? at->get<std::string>() : "";
}

void write_atoll(Text& out, const Node& node, const json& status) {
  out.line("atoll_version", node.version);
  out.line("cluster", node.cluster);
  out.line("region", node.region);
  out.line("node", node.name);
  out.line("standing", word(status, "standing"));
  out.line("ready", status.value("ready", false) ? 1 : 0);
  out.line("n", node.n);
  out.line("r", node.r);
  out.line("w", node.w);
  out.line("partitions", number(status, "partitions"));
  out.line("epochs_held", number(status, "epochs_held"));
  out.line("unsettled", number(status, "unsettled"));
  out.line("outbox_entries", number(status, "outbox_entries"));
  out.line("outbox_bytes", number(status, "outbox_bytes"));
  out.line("has_room", status.value("has_room", true) ? 1 : 0);
  const auto peers = status.find("peers");
  if (peers != status.end())
    for (const auto& [name, peer] : peers->items())
      out.line("peer_" + name, std::string("up=") + (peer.value("up", false) ? "1" : "0") +
                                   ",vote=" + (peer.value("vote", false) ? "1" : "0"));
  const auto regions = status.find("regions");
  if (regions != status.end())
    for (const auto& [name, region] : regions->items())
      out.line("region_" + name, std::string("connected=") + (region.value("connected", false) ? "1" : "0") +
                                     ",lag_entries=" + std::to_string(number(region, "lag_entries")) +
                                     ",behind_ms=" + std::to_string(number(region, "behind_ms")));
}

}  // namespace

std::string info_text(const Node& node, BytesView status_json, BytesView section) {
  json status = json::parse(status_json, nullptr, false);
  if (!status.is_object()) status = json::object();
  const NodeFigures figures = node.figures();
  Text out(section);
  if (out.section("server", "Server")) {
    out.line("redis_version", kRedisVersion);
    out.line("redis_mode", "standalone");
    out.line("arch_bits", uint64_t{8 * sizeof(void*)});
    out.line("process_id", node.pid);
    out.line("tcp_port", node.port);
    out.line("uptime_in_seconds", figures.uptime_seconds);
    out.line("uptime_in_days", figures.uptime_seconds / 86'400);
    out.line("config_file", node.topology_file);
  }
  if (out.section("clients", "Clients")) {
    out.line("connected_clients", figures.clients);
    out.line("maxclients", figures.clients_max);
    out.line("blocked_clients", uint64_t{0});
  }
  if (out.section("memory", "Memory")) {
    out.line("used_memory", figures.resident_bytes);
    out.line("used_memory_human", human(figures.resident_bytes));
    out.line("used_memory_rss", figures.resident_bytes);
    out.line("maxmemory", uint64_t{0});
    out.line("maxmemory_policy", "noeviction");
  }
  if (out.section("persistence", "Persistence")) {
    out.line("loading", uint64_t{0});
    out.line("aof_enabled", uint64_t{1});
    out.line("log_bytes", number(status, "log_bytes"));
    out.line("log_syncs", number(status, "syncs"));
    out.line("checkpoints", number(status, "checkpoints"));
    out.line("table_bytes", number(status, "map_bytes"));
  }
  if (out.section("stats", "Stats")) {
    out.line("total_connections_received", figures.connections);
    out.line("rejected_connections", figures.refused_connections);
    out.line("total_commands_processed", figures.commands);
    out.line("total_net_input_bytes", figures.input_bytes);
    out.line("total_net_output_bytes", figures.output_bytes);
  }
  if (out.section("replication", "Replication")) {
    out.line("role", "master");
    out.line("connected_slaves", uint64_t{0});
  }
  if (out.section("cpu", "CPU")) {
    out.line("used_cpu_sys", seconds(figures.cpu_system_seconds));
    out.line("used_cpu_user", seconds(figures.cpu_user_seconds));
  }
  if (out.section("cluster", "Cluster")) out.line("cluster_enabled", uint64_t{0});
  out.section("keyspace", "Keyspace");  // how many keys there are, DBSIZE counts
  if (out.section("atoll", "Atoll")) write_atoll(out, node, status);
  return out.take();
}

}  // namespace atolldb::resp
