// `atoll status` and `atoll digest`: how every node of the cluster is, and whether they hold the same.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tools/atoll/command.h"
#include "tools/atoll/connect.h"
#include "tools/atoll/inspect_command.h"
#include "tools/atoll/table.h"

namespace atolldb::tools {
namespace {

using client::Client;
using topology::Node;
using topology::Topology;
using Json = nlohmann::ordered_json;

constexpr uint32_t kAskMs = 2'000;
constexpr std::chrono::milliseconds kDigestPeriod{250};

// What each node of the topology answers, in the topology's order: its JSON, or an object with "unreachable".
std::vector<Json> ask_all(Client& client, const Topology& topology, region::Op op) {
  std::vector<NodeNumber> nodes;
  for (const Node& node : topology.nodes) nodes.push_back(node.number);
  region::Request request;
  request.op = op;
  std::vector<Json> out;
  for (const region::Response& answer : ask_nodes(client, nodes, request, kAskMs)) {
    Json one;
    if (answer.outcome == region::Outcome::done) one = Json::parse(answer.value, nullptr, false);
    if (!one.is_object())
      one = {{"unreachable", answer.outcome == region::Outcome::done ? "an answer that is not a JSON object"
                                                                     : answer.message}};
    const Node& node = topology.nodes[out.size()];
    one["node"] = node.name;
    one["region"] = topology.region(node.region).name;
    out.push_back(std::move(one));
  }
  return out;
}

bool reachable(const Json& node) { return !node.contains("unreachable"); }

// The field as text, "-" where the node did not say.
std::string text_of(const Json& object, const std::string& field) {
  const auto found = object.find(field);
  if (found == object.end() || found->is_null()) return "-";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::string bytes_of(const Json& object, const std::string& field) {
  const auto found = object.find(field);
  return found != object.end() && found->is_number() ? human_bytes(found->get<double>()) : "-";
}

// ---- status

// "8/8": how many of the peers that a node speaks of are up.
std::string peers_up(const Json& status) {
  const auto peers = status.find("peers");
  if (peers == status.end() || !peers->is_object()) return "-";
  const auto up = std::count_if(peers->begin(), peers->end(),
                                [](const Json& peer) { return peer.is_object() && peer.value("up", false); });
  return std::to_string(up) + "/" + std::to_string(peers->size());
}

// "us 0, ap 12 cut": entries that each other region still lacks.
std::string regions_lag(const Json& status) {
  const auto regions = status.find("regions");
  if (regions == status.end() || !regions->is_object()) return "-";
  std::string out;
  for (const auto& [name, region] : regions->items()) {
    if (!region.is_object()) continue;
    out += (out.empty() ? "" : ", ") + name + " " + text_of(region, "lag_entries");
    if (region.value("cut", false))
      out += " cut";
    else if (!region.value("connected", true))
      out += " away";
  }
  return out.empty() ? "-" : out;
}

void print_status(const std::vector<Json>& nodes) {
  using Align = Table::Align;
  Table table({{"node"},
               {"region"},
               {"up"},
               {"start", Align::right},
               {"standing"},
               {"coordinates", Align::right},
               {"unsettled", Align::right},
               {"peers", Align::right},
               {"lag of regions"},
               {"outbox", Align::right},
               {"memtable", Align::right},
               {"log", Align::right}});
  for (const Json& node : nodes) {
    const std::string name = text_of(node, "node"), region = text_of(node, "region");
    if (!reachable(node)) {
      table.add({name, region, "NO"});
      continue;
    }
    table.add({name, region, "yes", text_of(node, "start"), text_of(node, "standing"),
               text_of(node, "epochs_held"), text_of(node, "unsettled"), peers_up(node), regions_lag(node),
               text_of(node, "outbox_entries"), bytes_of(node, "memtable_bytes"),
               bytes_of(node, "log_bytes")});
  }
  table.print(std::cout);
  for (const Json& node : nodes)
    if (!reachable(node)) std::cerr << text_of(node, "node") << ": " << text_of(node, "unreachable") << "\n";
}

Result<std::unique_ptr<Client>> connect_everywhere(const Topology& topology) {
  client::Options options;
  options.region = topology.regions.front().name;  // requests name their nodes; no need to measure
  options.wait_for_nodes = false;
  return Client::open(topology, options);
}

int run_status(const Globals& globals) {
  const auto topology = load_topology(globals);
  if (!topology) return report("status", topology.error());
  const auto client = connect_everywhere(*topology);
  if (!client) return report("status", client.error());
  const std::vector<Json> nodes = ask_all(**client, *topology, region::Op::status);
  if (globals.json)
    std::cout << Json{{"cluster", topology->cluster}, {"nodes", nodes}}.dump() << "\n";
  else
    print_status(nodes);
  return std::all_of(nodes.begin(), nodes.end(), reachable) ? 0 : kFailedStatus;
}

// ---- digest

struct Verdict {
  bool equal = true;
  std::string text = "equal";
};

std::string join_names(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

// What the nodes hold of each partition is compared, so that nodes that replicate different partitions can be
// told equal. Clocks are compared between nodes that hold the same partitions: equal rows under different
// clocks are still converging.
Verdict compare(const std::vector<const Json*>& nodes) {
  std::map<std::string, std::map<std::string, int>> digests;      // partition -> digest -> nodes
  std::map<std::set<std::string>, std::set<std::string>> clocks;  // partitions held -> clocks
  std::vector<std::string> silent;
  std::set<std::string> clearing;  // partitions: their digests still count rows that have been cleared
  for (const Json* node : nodes) {
    if (!reachable(*node)) {
      silent.push_back(text_of(*node, "node"));
      continue;
    }
    std::set<std::string> held;
    const auto partitions = node->find("partitions");
    if (partitions == node->end() || !partitions->is_object())
      ++digests["all"][text_of(*node, "digest")];
    else
      for (const auto& [partition, digest] : partitions->items()) {
        ++digests[partition][digest.dump()];
        held.insert(partition);
      }
    if (const auto partitions_clearing = node->find("clearing"); partitions_clearing != node->end())
      for (const auto& partition : *partitions_clearing) clearing.insert(partition.get<std::string>());
    clocks[held].insert(text_of(*node, "clock"));
  }
  const auto different = std::count_if(digests.begin(), digests.end(), [&](const auto& d) {
    return d.second.size() > 1 && !clearing.contains(d.first);
  });
  std::vector<std::string> reasons;
  if (different > 0)
    reasons.push_back(std::to_string(different) + " of " + std::to_string(digests.size()) + " partitions");
  else if (std::any_of(clocks.begin(), clocks.end(), [](const auto& c) { return c.second.size() > 1; }))
    reasons.push_back("the same content, but not all have seen the same updates");
  if (!clearing.empty())
    reasons.push_back(std::to_string(clearing.size()) +
                      " cannot be compared while large collections are cleared in them");
  if (!silent.empty()) reasons.push_back("no answer from " + join_names(silent));
  if (reasons.empty()) return {};
  return {false, "different: " + join_names(reasons)};
}

struct Comparison {
  std::vector<Json> nodes;
  std::vector<std::pair<std::string, Verdict>> regions;
  Verdict overall;
};

Comparison compare_cluster(Client& client, const Topology& topology) {
  Comparison out;
  out.nodes = ask_all(client, topology, region::Op::digest);
  std::vector<const Json*> all;
  for (const topology::Region& region : topology.regions) {
    std::vector<const Json*> members;
    for (const Json& node : out.nodes)
      if (node["region"] == region.name) members.push_back(&node);
    all.insert(all.end(), members.begin(), members.end());
    out.regions.emplace_back(region.name, compare(members));
  }
  out.overall = compare(all);
  return out;
}

void print_digests(const Comparison& comparison) {
  Table table({{"node"}, {"region"}, {"digest"}, {"clock"}});
  for (const Json& node : comparison.nodes)
    table.add({text_of(node, "node"), text_of(node, "region"),
               reachable(node) ? text_of(node, "digest") : "no answer: " + text_of(node, "unreachable"),
               text_of(node, "clock")});
  table.print(std::cout);
  for (const auto& [name, verdict] : comparison.regions) std::cout << name << ": " << verdict.text << "\n";
  std::cout << "overall: " << comparison.overall.text << "\n";
}

Json json_of(const Comparison& comparison) {
  Json regions;
  for (const auto& [name, verdict] : comparison.regions)
    regions[name] = {{"equal", verdict.equal}, {"verdict", verdict.text}};
  return {{"nodes", comparison.nodes},
          {"regions", regions},
          {"equal", comparison.overall.equal},
          {"verdict", comparison.overall.text}};
}

int run_digest(const Globals& globals, double wait_seconds) {
  const auto topology = load_topology(globals);
  if (!topology) return report("digest", topology.error());
  const auto client = connect_everywhere(*topology);
  if (!client) return report("digest", client.error());
  using std::chrono::steady_clock;
  const auto start = steady_clock::now();
  Comparison comparison = compare_cluster(**client, *topology);
  std::string told;
  for (;;) {
    const double waited = std::chrono::duration<double>(steady_clock::now() - start).count();
    if (comparison.overall.equal || waited >= wait_seconds) break;
    if (told != comparison.overall.text) {
      told = comparison.overall.text;
      std::cerr << "after " << static_cast<int>(waited) << " s: " << told << "\n";
    }
    std::this_thread::sleep_for(kDigestPeriod);  // digests have no event to wait for
    comparison = compare_cluster(**client, *topology);
  }
  if (globals.json)
    std::cout << json_of(comparison).dump() << "\n";
  else
    print_digests(comparison);
  return comparison.overall.equal ? 0 : kFailedStatus;
}

}  // namespace

void register_cluster(CLI::App& app, Globals& globals) {
  CLI::App& status = *app.add_subcommand("status", "one line a node: is it up, and what it has to do");
  add_common_options(status, globals);
  status.callback([&globals] { globals.exit_status = run_status(globals); });

  CLI::App& digest = *app.add_subcommand("digest", "compare what all nodes hold");
  add_common_options(digest, globals);
  auto wait = std::make_shared<double>(0);
  digest.add_option("--wait", *wait, "wait at most so many seconds until all are equal")
      ->check(CLI::NonNegativeNumber);
  digest.callback([&globals, wait] { globals.exit_status = run_digest(globals, *wait); });

  register_inspect(app, globals);
}

}  // namespace atolldb::tools
