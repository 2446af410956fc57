// A cluster as far as the `atoll` command can tell, for testing the command: every node of a topology is a
// FakeNode over one store in memory. It writes DIR/topology.toml and then obeys lines from standard input:
//
//   stop NODE | start NODE       the node is gone | is back
//   differ NODE | agree NODE     the node's digest and its view of every key are its own | the same as all
//   others'
//
// It answers each line with "ok" and ends with its standard input.

#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/client/fake_node.h"
#include "topology/format.h"
#include "topology/topology.h"

namespace atolldb::client {
namespace {

using Json = nlohmann::ordered_json;
using region::Op;
using region::Outcome;
using region::Request;
using region::Response;

const Epoch kEpoch{3, NodeNumber{1}, 1};

class ToyStore {
 public:
  explicit ToyStore(const topology::Topology& topology) : topology_(topology) {}

  Response answer(const topology::Node& node, const Request& request) {
    const std::lock_guard lock(mutex_);
    Response out;
    out.node = node.number;
    out.epoch = kEpoch;
    out.stamp_ms = 1'000;
    if (request.session)
      out.token =
          region::format_token({{{node.region, ++stamp_}, Bytes(region::TokenPiece::kMacBytes, 'm')}});
    switch (request.op) {
      case Op::set:
        if (request.value == "refuse me") return rejected(out, Errc::too_large, "the value says so");
        values_[request.key] = request.value;
        break;
      case Op::get:
        get(request, out);
        break;
      case Op::del:
        out.number = static_cast<int64_t>(values_.erase(request.key) + sets_.erase(request.key));
        break;
      case Op::add:
        return add(request, std::move(out));
      case Op::sadd:
        for (const Bytes& element : request.args) out.number += sets_[request.key].insert(element).second;
        break;
      case Op::srem:
        for (const Bytes& element : request.args)
          out.number += static_cast<int64_t>(sets_[request.key].erase(element));
        break;
      case Op::smembers:
        out.values.assign(sets_[request.key].begin(), sets_[request.key].end());
        break;
      case Op::sismember:
        out.found = sets_[request.key].contains(request.args.at(0));
        break;
      case Op::hset:
        for (size_t i = 0; i + 1 < request.args.size(); i += 2)
          out.number += maps_[request.key].insert_or_assign(request.args[i], request.args[i + 1]).second;
        break;
      case Op::hget:
        out.found = maps_[request.key].contains(request.args.at(0));
        if (out.found) out.value = maps_[request.key][request.args[0]];
        break;
      case Op::hdel:
        for (const Bytes& field : request.args)
          out.number += static_cast<int64_t>(maps_[request.key].erase(field));
        break;
      case Op::hgetall:
        for (const auto& [field, value] : maps_[request.key]) {
          out.values.push_back(field);
          out.values.push_back(value);
        }
        break;
      case Op::siblings:
        if (request.key != "siblings") break;
        out.found = true;
        out.values = {"=shown", "=other", "+5", "?set"};
        out.value = Bytes("\x93\x01", 2);
        break;
      case Op::set_context:
        if (request.args.at(0) != Bytes("\x93\x01", 2))
          return rejected(out, Errc::corrupt, "another context");
        values_[request.key] = request.value;
        break;
      case Op::status:
        out.value = status_of(node).dump();
        break;
      case Op::digest:
        out.value = digest_of(node).dump();
        break;
      case Op::inspect:
        out.value = inspect(node, request.key).dump();
        break;
      default:
        break;
    }
    return out;
  }

  void set_different(const std::string& node, bool different) {
    const std::lock_guard lock(mutex_);
    if (different)
      different_.insert(node);
    else
      different_.erase(node);
  }

 private:
  static Response rejected(Response out, Errc code, std::string message) {
    out.outcome = Outcome::rejected;
    out.code = code;
    out.message = std::move(message);
    return out;
  }
  void get(const Request& request, Response& out) {
    const auto found = values_.find(request.key);
    out.stale = request.local;
    if (found == values_.end()) return;
    out.found = true;
    out.value = found->second;
    out.hidden = request.key == "siblings" ? 2 : 0;
  }
  Response add(const Request& request, Response out) {
    if (request.id->epoch != kEpoch) return rejected(out, Errc::behind, "another epoch");
    Bytes& value = values_[request.key];
    int64_t base = 0;
    if (!value.empty()) {
      char* end = nullptr;
      base = std::strtoll(value.c_str(), &end, 10);
      if (*end != '\0') return rejected(out, Errc::wrong_type, "the value is no number");
    }
    out.value = value = std::to_string(base + request.amount);
    return out;
  }
  Json status_of(const topology::Node& node) const {
    Json peers;
    for (const topology::Node& peer : topology_.nodes)
      if (peer.number != node.number) peers[peer.name] = {{"up", true}};
    return {{"node", node.name},
            {"start", 7},
            {"standing", "votes"},
            {"epochs_held", 85},
            {"unsettled", 0},
            {"outbox_entries", 12},
            {"log_bytes", 3 << 20},
            {"memtable_bytes", 2048},
            {"peers", peers},
            {"regions",
             {{"us", {{"lag_entries", 4}, {"connected", true}, {"cut", false}}},
              {"ap", {{"lag_entries", 9}, {"connected", false}, {"cut", true}}}}}};
  }
  Json digest_of(const topology::Node& node) const {
    const std::string digest = different_.contains(node.name) ? "ff" : "a0";
    return {{"node", node.name},
            {"digest", digest},
            {"partitions", {{"0", digest}, {"1", "b1"}}},
            {"clock", "c2"}};
  }
  Json inspect(const topology::Node& node, const Bytes& key) const {
    const auto found = values_.find(key);
    Json siblings = Json::array();
    if (found != values_.end())
      siblings.push_back({{"dot", "1.7.99:4"},
                          {"hlc", 77},
                          {"wall_ms", 1'790'000'000'123ull},
                          {"value", different_.contains(node.name) ? "something else" : found->second}});
    return {{"node", node.name},     {"type", found == values_.end() ? "absent" : "string"},
            {"siblings", siblings},  {"totals", Json::array()},
            {"clock", "1.7.99:1-4"}, {"settled", true},
            {"epoch", "3.1.1"},      {"coordinator", "eu-1"}};
  }

  const topology::Topology& topology_;
  std::mutex mutex_;
  uint64_t stamp_ = 0;  // of the last answer in a session
  std::map<Bytes, Bytes> values_;
  std::map<Bytes, std::set<Bytes>> sets_;
  std::map<Bytes, std::map<Bytes, Bytes>> maps_;
  std::set<std::string> different_;
};

topology::Topology make_topology() {
  topology::Topology t;
  t.cluster = "toy";
  t.placement.seed = {1, 2};
  uint16_t number = 0;
  for (const char* name : {"eu", "us", "ap"}) {
    topology::Region region;
    region.name = name;
    region.id = RegionId{static_cast<uint16_t>(t.regions.size())};
    for (int i = 1; i <= 3; ++i) {
      topology::Node node;
      node.name = region.name + "-" + std::to_string(i);
      node.number = NodeNumber{++number};
      node.region = region.id;
      char public_key[41], secret_key[41];
      ensure(zmq_curve_keypair(public_key, secret_key) == 0, "libzmq has CURVE");
      node.public_key = public_key;
      for (topology::Address* address : {&node.resp, &node.http, &node.peer})
        *address = {"127.0.0.1", static_cast<uint16_t>(1 + 4 * number + (address - &node.resp))};
      region.nodes.push_back(node.number);
      t.nodes.push_back(node);
    }
    t.regions.push_back(region);
  }
  return t;
}

class ToyCluster {
 public:
  ToyCluster() : topology_(make_topology()), store_(topology_), nodes_(topology_.nodes.size()) {
    for (size_t i = 0; i < nodes_.size(); ++i) start(i);
  }
  const topology::Topology& topology() const { return topology_; }

  bool obey(const std::string& verb, const std::string& name) {
    const topology::Node* node = topology_.find(name);
    if (node == nullptr) return false;
    const auto index = static_cast<size_t>(node - topology_.nodes.data());
    if (verb == "stop") nodes_[index].reset();
    if (verb == "start") start(index);
    if (verb == "differ" || verb == "agree") store_.set_different(name, verb == "differ");
    return true;
  }

 private:
  void start(size_t index) {
    topology::Node& node = topology_.nodes[index];
    nodes_[index] = std::make_unique<FakeNode>(
        [this, index](const Request& request) { return store_.answer(topology_.nodes[index], request); },
        node.client.port);
    node.client = {"127.0.0.1", nodes_[index]->port()};
  }

  topology::Topology topology_;
  ToyStore store_;
  std::vector<std::unique_ptr<FakeNode>> nodes_;
};

}  // namespace
}  // namespace atolldb::client

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: toy_cluster DIR\n";
    return 2;
  }
  atolldb::client::ToyCluster cluster;
  std::ofstream(std::filesystem::path(argv[1]) / "topology.toml")
      << atolldb::topology::format(cluster.topology());
  std::cout << "ok" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string verb, node;
    words >> verb >> node;
    std::cout << (cluster.obey(verb, node) ? "ok" : "what?") << std::endl;
  }
}
