#pragma once
// A dev cluster on paper: which nodes it has, their ports, and which files stand where. Everything here is a
// function of a few options, so that every command of `atoll dev` finds the same cluster again.
//
//   DIR/dev.json          the options that it was made with; marks DIR as made by `atoll dev up`
//   DIR/topology.toml     for the daemons and for every other command's -t
//   DIR/token.key         what session tokens are authenticated with
//   DIR/cuts.json         links between regions that are cut now
//   DIR/eu-1/             the node's data directory, with node.key, pid and log.txt

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crdt/base/result.h"
#include "topology/topology.h"

namespace atolldb::tools {

inline constexpr size_t kDevRegionsMax =
    10;  // an eleventh region's ports would be the first one's HTTP ports
inline constexpr uint32_t kDevNodesMax = 99;
inline constexpr uint16_t kDevHttpOffset = 1000;
inline constexpr uint16_t kDevPeerOffset = 2000;
inline constexpr uint16_t kDevClientOffset = 3000;

struct DevSpec {
  std::vector<std::string> regions = {"eu", "us", "ap"};
  uint32_t nodes = 3;  // in each region
  uint32_t base_port = 7000;
  uint32_t wan_delay_ms = 40;  // in each direction
  friend bool operator==(const DevSpec&, const DevSpec&) = default;
};

// Errc::invalid says which option is wrong and what it may be.
Status check(const DevSpec& spec);
// What to say where the cluster's ports lie among those that the kernel gives to outgoing connections (they
// may be taken at any moment); empty: nothing. `ephemeral_from`: the first of those.
std::string port_warning(const DevSpec& spec, uint32_t ephemeral_from);
// "40ms", "0", "1s" as milliseconds, at most a minute.
Result<uint32_t> parse_delay(std::string_view text);
// "eu,us,ap"; check() judges the names.
std::vector<std::string> split_names(std::string_view text);
// As messages say it: "eu,us,ap with 3 nodes each from port 7000".
std::string describe(const DevSpec& spec);

std::string node_name(std::string_view region, uint32_t node);  // node from 1

// The whole topology but its keys: node j (from 1) of region i (from 0) listens on 127.0.0.1, RESP on base +
// 100 i + j, HTTP, peers and clients on +1000, +2000, +3000. Every node is a zone of its own; N is the number
// of nodes up to 3, R and W a majority of that. `check(spec)` holds.
topology::Topology make_topology(const DevSpec& spec);

// Where things stand inside DIR.
class DevPaths {
 public:
  explicit DevPaths(std::string dir) : dir_(std::move(dir)) {}
  const std::string& dir() const { return dir_; }
  std::string manifest() const { return dir_ + "/dev.json"; }
  std::string topology() const { return dir_ + "/topology.toml"; }
  std::string cuts() const { return dir_ + "/cuts.json"; }
  std::string lock() const { return dir_ + "/lock"; }
  std::string node_dir(const std::string& node) const { return dir_ + "/" + node; }
  std::string key(const std::string& node) const { return node_dir(node) + "/node.key"; }
  std::string token_secret() const { return dir_ + "/token.key"; }
  std::string pid(const std::string& node) const { return node_dir(node) + "/pid"; }
  std::string log(const std::string& node) const { return node_dir(node) + "/log.txt"; }

 private:
  std::string dir_;
};

}  // namespace atolldb::tools
