#include "tools/atoll/dev_layout.h"

#include <algorithm>
#include <charconv>
#include <set>

namespace atolldb::tools {
namespace {

constexpr uint32_t kPortMin = 1024;
constexpr uint32_t kRegionPorts = 100;  // from one region's first port to the next one's
constexpr uint32_t kDelayMaxMs = 60'000;
constexpr size_t kRegionNameBytesMax = 32;

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// "eu-1" names a node, so no region may be called that.
bool looks_like_node(std::string_view name) {
  const size_t dash = name.rfind('-');
  return dash != std::string_view::npos &&
         name.find_first_not_of("0123456789", dash + 1) == std::string::npos;
}

bool is_region_name(std::string_view name) {
  if (name.empty() || name.size() > kRegionNameBytesMax || name.front() == '-' || name.back() == '-') {
    return false;
  }
  return std::all_of(name.begin(), name.end(), [](char c) { return is_lower_or_digit(c) || c == '-'; }) &&
         !looks_like_node(name);
}

std::string zone_name(uint32_t node) {
  return node <= 26 ? std::string(1, static_cast<char>('a' + node - 1)) : "z" + std::to_string(node);
}

topology::Node make_node(const DevSpec& spec, size_t region, uint32_t j) {
  const auto resp = static_cast<uint16_t>(spec.base_port + kRegionPorts * region + j);
  const auto at = [&](uint16_t offset) {
    return topology::Address{"127.0.0.1", static_cast<uint16_t>(resp + offset)};
  };
  topology::Node node;
  node.name = node_name(spec.regions[region], j);
  node.number = NodeNumber{static_cast<uint16_t>(region * spec.nodes + j)};
  node.region = RegionId{static_cast<uint16_t>(region)};
  node.zone = zone_name(j);
  node.resp = at(0);
  node.http = at(kDevHttpOffset);
  node.peer = at(kDevPeerOffset);
  node.client = at(kDevClientOffset);
  return node;
}

}  // namespace

namespace {
size_t highest_offset(const DevSpec& spec) {
  return kRegionPorts * (spec.regions.size() - 1) + spec.nodes + kDevClientOffset;
}
}  // namespace

std::string port_warning(const DevSpec& spec, uint32_t ephemeral_from) {
  const size_t highest = spec.base_port + highest_offset(spec);
  if (highest < ephemeral_from) return {};
  return "ports up to " + std::to_string(highest) +
         " lie among those that the kernel gives to outgoing connections, from " +
         std::to_string(ephemeral_from) + ": one may be taken when a node starts; a base port up to " +
         std::to_string(ephemeral_from - 1 - highest_offset(spec)) + " keeps clear of them";
}

Status check(const DevSpec& spec) {
  if (spec.regions.empty() || spec.regions.size() > kDevRegionsMax) {
    return {Errc::invalid, "found " + std::to_string(spec.regions.size()) + " regions, expected 1 to " +
                               std::to_string(kDevRegionsMax)};
  }
  for (const std::string& name : spec.regions) {
    if (!is_region_name(name)) {
      return {Errc::invalid,
              "found the region name '" + name +
                  "', expected 1 to 32 of a-z, 0-9 and '-' inside, and not ending in a number after '-'"};
    }
  }
  const std::set<std::string> names(spec.regions.begin(), spec.regions.end());
  if (names.size() != spec.regions.size()) return {Errc::invalid, "found a region named twice"};
  if (spec.nodes < 1 || spec.nodes > kDevNodesMax) {
    return {Errc::invalid, "found " + std::to_string(spec.nodes) + " nodes, expected 1 to " +
                               std::to_string(kDevNodesMax) + " in each region"};
  }
  const size_t highest = highest_offset(spec);
  if (spec.base_port < kPortMin || spec.base_port + highest > UINT16_MAX) {
    return {Errc::invalid, "found base port " + std::to_string(spec.base_port) + ", expected " +
                               std::to_string(kPortMin) + " to " + std::to_string(UINT16_MAX - highest)};
  }
  return ok();
}

Result<uint32_t> parse_delay(std::string_view text) {
  uint32_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(rest, static_cast<size_t>(text.data() + text.size() - rest));
  const bool known_unit = unit == "ms" || unit == "s" || (unit.empty() && number == 0);
  const uint64_t ms = uint64_t{number} * (unit == "s" ? 1000 : 1);
  if (error != std::errc{} || !known_unit || ms > kDelayMaxMs) {
    return {Errc::invalid, "found the delay '" + std::string(text) + "', expected 0, 40ms or 1s, up to 60s"};
  }
  return static_cast<uint32_t>(ms);
}

std::vector<std::string> split_names(std::string_view text) {
  std::vector<std::string> names;
  for (;;) {
    const size_t comma = text.find(',');
    names.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return names;
    text.remove_prefix(comma + 1);
  }
}

std::string describe(const DevSpec& spec) {
  std::string text;
  for (const std::string& name : spec.regions) text += (text.empty() ? "" : ",") + name;
  return text + " with " + std::to_string(spec.nodes) + (spec.nodes == 1 ? " node" : " nodes") +
         " each from port " + std::to_string(spec.base_port) + ", " + std::to_string(spec.wan_delay_ms) +
         " ms apart";
}

std::string node_name(std::string_view region, uint32_t node) {
  return std::string(region) + "-" + std::to_string(node);
}

topology::Topology make_topology(const DevSpec& spec) {
  topology::Topology made;
  made.cluster = "dev";
  const uint32_t n = std::min<uint32_t>(3, spec.nodes);
  const uint32_t majority = n / 2 + 1;
  for (size_t i = 0; i < spec.regions.size(); ++i) {
    const RegionId id{static_cast<uint16_t>(i)};
    topology::Region region{spec.regions[i], id, n, majority, majority, {}};
    for (uint32_t j = 1; j <= spec.nodes; ++j) {
      made.nodes.push_back(make_node(spec, i, j));
      region.nodes.push_back(made.nodes.back().number);
    }
    made.regions.push_back(std::move(region));
    for (size_t other = 0; other < i; ++other) {
      if (spec.wan_delay_ms == 0) continue;
      made.links.push_back({RegionId{static_cast<uint16_t>(other)}, id, spec.wan_delay_ms, 0});
    }
  }
  return made;
}

}  // namespace atolldb::tools
