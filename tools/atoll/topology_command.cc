// `atoll topology check FILE`: says what a topology file means, or what is wrong with it.
// `atoll topology keygen --out FILE`: makes a node's CURVE key pair.

#include <fcntl.h>
#include <unistd.h>
#include <zmq.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "tools/atoll/command.h"
#include "topology/ring.h"
#include "topology/topology.h"

namespace atolldb::tools {
namespace {

using topology::Node;
using topology::Region;
using topology::Topology;
using Json = nlohmann::ordered_json;

// On how many partitions a node is listed, and on how many of these it comes first.
struct Share {
  uint32_t replica = 0;
  uint32_t first = 0;
};

std::map<NodeNumber, Share> shares_of(const Topology& topology, const Region& region) {
  std::map<NodeNumber, Share> shares;
  const topology::Ring ring(topology, region.id);
  for (uint32_t p = 0; p < topology.placement.partitions; ++p) {
    const auto& replicas = ring.replicas(PartitionId{static_cast<uint16_t>(p)});
    ++shares[replicas.front()].first;
    for (const NodeNumber node : replicas) ++shares[node].replica;
  }
  return shares;
}

size_t zones_of(const Topology& topology, const Region& region) {
  std::set<std::string> zones;
  for (const NodeNumber number : region.nodes) {
    const Node* node = topology.find(number);
    zones.insert(node->zone.empty() ? "node " + node->name : "zone " + node->zone);
  }
  return zones.size();
}

// What is allowed, but may not be what its author wanted.
std::vector<std::string> remarks_on(const Topology& topology) {
  std::vector<std::string> remarks;
  const auto remark = [&](const Region& region, const std::string& text) {
    remarks.push_back("region " + region.name + ": " + text);
  };
  for (const Region& region : topology.regions) {
    if (region.r + region.w <= region.n)
      remark(region, "r + w is not above n, so a read may miss the latest write");
    if (region.w == region.n && region.n > 1) remark(region, "w = n, so one node that is down stops writes");
    if (region.n == 1)
      remark(region, "n = 1, so the loss of a disk loses what other regions do not have yet");
    const size_t zones = zones_of(topology, region);
    if (zones < region.n)
      remark(region, std::to_string(zones) + (zones == 1 ? " zone" : " zones") + " for " +
                         std::to_string(region.n) + " replicas, so some share a zone");
  }
  if (topology.durability == topology::Durability::periodic)
    remarks.push_back("durability = \"periodic\": a crash loses writes that were already answered");
  return remarks;
}

Json node_json(const Node& node, const Share& share) {
  return {{"name", node.name},
          {"number", raw(node.number)},
          {"zone", node.zone},
          {"resp", node.resp.endpoint()},
          {"http", node.http.endpoint()},
          {"peer", node.peer.endpoint()},
          {"client", node.client.endpoint()},
          {"replica_of_partitions", share.replica},
          {"first_of_partitions", share.first}};
}

Json topology_json(const Topology& topology) {
  Json out = {{"valid", true},
              {"cluster", topology.cluster},
              {"digest", topology.digest},
              {"partitions", topology.placement.partitions},
              {"durability", topology.durability == topology::Durability::strict ? "strict" : "periodic"},
              {"strict_disks", topology.strict_disks},
              {"outbox_bytes_max", topology.outbox_bytes_max},
              {"memtable_bytes", topology.memtable_bytes},
              {"regions", Json::array()},
              {"links", Json::array()},
              {"remarks", remarks_on(topology)}};
  for (const Region& region : topology.regions) {
    const auto shares = shares_of(topology, region);
    Json nodes = Json::array();
    for (const NodeNumber number : region.nodes)
      nodes.push_back(
          node_json(*topology.find(number), shares.count(number) != 0 ? shares.at(number) : Share{}));
    out["regions"].push_back(
        {{"name", region.name}, {"n", region.n}, {"r", region.r}, {"w", region.w}, {"nodes", nodes}});
  }
  for (const topology::Link& link : topology.links)
    out["links"].push_back({{"between", {topology.region(link.a).name, topology.region(link.b).name}},
                            {"delay_ms", link.delay_ms},
                            {"bytes_per_second_max", link.bytes_per_second_max}});
  return out;
}

// Columns as wide as their widest cell, two blanks apart.
void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line += std::string(widths[i] - row[i].size() + 2, ' ');
    }
    std::cout << line << "\n";
  }
}

void print_topology(const Topology& topology) {
  std::cout << "cluster " << topology.cluster << ": " << topology.regions.size() << " regions, "
            << topology.nodes.size() << " nodes, " << topology.placement.partitions
            << " partitions, durability "
            << (topology.durability == topology::Durability::strict ? "strict" : "periodic") << "\n"
            << "digest " << topology.digest << "\n\n";
  std::vector<std::vector<std::string>> rows = {{"REGION", "N", "R", "W", "NODE", "NUMBER", "ZONE", "HOST",
                                                 "RESP", "HTTP", "PEER", "CLIENT", "PARTITIONS", "FIRST OF"}};
  for (const Region& region : topology.regions) {
    const auto shares = shares_of(topology, region);
    for (const NodeNumber number : region.nodes) {
      const Node& node = *topology.find(number);
      const Share share = shares.count(number) != 0 ? shares.at(number) : Share{};
      rows.push_back(
          {region.name, std::to_string(region.n), std::to_string(region.r), std::to_string(region.w),
           node.name, std::to_string(raw(number)), node.zone.empty() ? "-" : node.zone, node.resp.host,
           std::to_string(node.resp.port), std::to_string(node.http.port), std::to_string(node.peer.port),
           std::to_string(node.client.port), std::to_string(share.replica), std::to_string(share.first)});
    }
  }
  print_table(rows);
  for (const std::string& remark : remarks_on(topology)) std::cout << "\nremark: " << remark;
  if (!remarks_on(topology).empty()) std::cout << "\n";
}

int check(const std::string& file, bool json) {
  const auto topology = topology::load(file);
  if (!topology) {
    std::cerr << topology.error().message << "\n";
    if (json) std::cout << Json{{"valid", false}, {"error", topology.error().message}}.dump(2) << "\n";
    return 1;
  }
  if (json)
    std::cout << topology_json(*topology).dump(2) << "\n";
  else
    print_topology(*topology);
  return 0;
}

// Creates `path`, readable by its owner only. An existing file is never touched: it may be the only copy of a
// node's key.
Status write_secret(const std::string& path, const std::string& text) {
  const auto failed = [&](const char* what) {
    const int error = errno;
    return Error{Errc::io, path + ": cannot " + what + ": " + std::strerror(error)};
  };
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 && errno == EEXIST)
    return Error{Errc::refused,
                 path + ": found a file of this name, expected none; a key is never overwritten"};
  if (fd < 0) return failed("create the file");
  const bool written =
      ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
  const Error error = failed("write the key");
  ::close(fd);
  if (written) return ok();
  ::unlink(path.c_str());
  return error;
}

int keygen(const std::string& out, bool json) {
  std::array<char, 41> public_key{}, secret_key{};
  if (zmq_curve_keypair(public_key.data(), secret_key.data()) != 0) {
    std::cerr << "atoll: cannot make a key pair: this libzmq has no CURVE (" << zmq_strerror(zmq_errno())
              << ")\n";
    return 1;
  }
  const Status written = write_secret(out, std::string(secret_key.data()) + "\n");
  if (!written) {
    std::cerr << written.error().message << "\n";
    return 1;
  }
  if (json)
    std::cout << Json{{"public_key", public_key.data()}, {"secret_key_file", out}}.dump(2) << "\n";
  else
    std::cout << public_key.data() << "\n";
  return 0;
}

}  // namespace

void register_topology(CLI::App& app, Globals& globals) {
  CLI::App* topology = app.add_subcommand("topology", "check topology files and make keys for them");
  topology->require_subcommand(1);

  CLI::App* check_command =
      topology->add_subcommand("check", "say what a topology file means, or what is wrong with it");
  add_common_options(*check_command, globals);
  check_command->add_option("FILE", globals.topology_file, "the topology file, as -t");
  check_command->callback([&globals] { globals.exit_status = check(globals.topology_file, globals.json); });

  CLI::App* keygen_command = topology->add_subcommand(
      "keygen",
      "make a CURVE key pair: the public key goes to standard output, the secret key to a new file");
  const auto out = std::make_shared<std::string>();
  keygen_command->add_option("--out", *out, "the file for the secret key; must not exist")->required();
  keygen_command->add_flag("--json", globals.json, "print JSON instead of the bare key");
  keygen_command->callback([&globals, out] { globals.exit_status = keygen(*out, globals.json); });
}

}  // namespace atolldb::tools
