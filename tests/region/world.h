#pragma once
// A whole cluster in one thread: real engines and stores over virtual disks, a network that the test bends,
// virtual time. Everything is a function of the seed.

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "crdt/base/prng.h"
#include "region/node/engine.h"
#include "storage/virtual_store.h"
#include "topology/topology.h"

namespace atolldb::testing {

struct WorldOptions {
  uint32_t regions = 3, nodes = 3;
  uint32_t n = 3, r = 2, w = 2;
  uint32_t partitions = 4;
  uint64_t seed = 1;
  size_t memtable_bytes = 1u << 20;
  uint64_t log_bytes_max = uint64_t{1} << 30;
  int64_t local_delay_us = 200, wan_delay_us = 20'000;
};

class World {
 public:
  explicit World(const WorldOptions& options);
  ~World();

  // -- processes
  void start(NodeNumber node);
  void start_all();
  void kill(NodeNumber node, bool lose_unsynced = true);
  bool running(NodeNumber node) const { return processes_.contains(node); }
  storage::VirtualDisk& disk(NodeNumber node) { return disks_[node]; }
  void wipe(NodeNumber node) { disks_[node] = {}; }
  std::optional<std::string> fatal(NodeNumber node) const;

  // -- network
  void cut(NodeNumber a, NodeNumber b) { cuts_.insert(ordered(a, b)); }
  void cut_regions(RegionId a, RegionId b);
  void isolate(NodeNumber node);
  void heal() { cuts_.clear(); }
  uint32_t drop_per_1000 = 0, duplicate_per_1000 = 0;
  std::function<bool(NodeNumber from, NodeNumber to, BytesView frame)> loses;  // this frame
  int64_t jitter_us = 0;
  // Of a node's disk: what a piece of its store's background work takes.
  int64_t sync_us = 150;
  std::map<NodeNumber, int64_t> wall_skew_ms;

  // -- time
  void run_for(Duration duration);
  // Runs until the condition holds; false when it does not within the limit.
  bool run_until(const std::function<bool()>& condition, Duration limit = Duration::seconds(30));

  // -- clients
  uint64_t send(NodeNumber to, region::Request request);
  std::optional<region::Response> response(uint64_t correlation) const;
  // Sends and waits for the response. Fails the test when none comes.
  region::Response call(NodeNumber to, region::Request request);
  region::Response set(NodeNumber to, Bytes key, Bytes value);
  region::Response get(NodeNumber to, Bytes key);
  region::Response add(NodeNumber to, Bytes key, int64_t amount);

  NodeNumber node(uint32_t region, uint32_t index) const {
    return NodeNumber{static_cast<uint16_t>(region * 10 + index + 1)};
  }
  std::vector<NodeNumber> all() const;
  std::string report(NodeNumber node, region::Op op);
  // Every node that runs has the same digest and the same clocks.
  bool converged();
  bool serving();  // every running node has joined and every partition of every region has a coordinator
  const topology::Topology& topology() const { return topology_; }
  Prng& prng() { return prng_; }
  Instant now() const { return now_; }
  std::vector<std::string>& lines() { return lines_; }

 private:
  struct Process;
  struct Packet {
    NodeNumber from{}, to{};
    Bytes frame;
    uint64_t incarnation = 0;  // of the sender: a new connection begins a new order
  };
  static std::pair<NodeNumber, NodeNumber> ordered(NodeNumber a, NodeNumber b) {
    return a < b ? std::pair(a, b) : std::pair(b, a);
  }
  Now now_for(NodeNumber node) const;
  void flush(NodeNumber node);
  void step();
  void transmit(NodeNumber from, NodeNumber to, Bytes&& frame);

  WorldOptions options_;
  topology::Topology topology_;
  Prng prng_;
  Instant now_{1'000'000'000};
  std::map<NodeNumber, storage::VirtualDisk> disks_;
  std::map<NodeNumber, std::unique_ptr<Process>> processes_;
  std::map<NodeNumber, std::string> fatal_;
  std::multimap<Instant, Packet> network_;
  std::map<std::pair<NodeNumber, NodeNumber>, Instant> last_arrival_;
  std::set<std::pair<NodeNumber, NodeNumber>> cuts_;
  std::map<uint64_t, region::Response> responses_;
  uint64_t next_correlation_ = 0, incarnations_ = 0;
  std::vector<std::string> lines_;
};

}  // namespace atolldb::testing
