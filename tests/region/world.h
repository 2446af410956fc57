#pragma once
// A simulated cluster (tests/sim/world.h) as a test by hand wants it: nodes by their numbers, requests that
// are answered when the call returns, and Catch's failures where something must not happen. Everything is a
// function of the seed.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/world.h"

namespace atolldb::testing {

struct WorldOptions {
  uint32_t regions = 3, nodes = 3;
  uint32_t n = 3, r = 2, w = 2;
  uint32_t partitions = 4;
  uint64_t seed = 1;
  size_t memtable_bytes = 1u << 20;
  uint64_t log_bytes_max = uint64_t{1} << 30;
  int64_t local_delay_us = 200, wan_delay_us = 20'000;
  int64_t jitter_max_us = 0;
  region::ClearSteps clears;
  bool datagrams = false;  // frames may be doubled; see rates()
  bool clones = false;     // see start_clone()
};

// Names for the first regions of a world.
inline constexpr RegionId kEu{0}, kUs{1}, kAp{2};

class World {
 public:
  explicit World(const WorldOptions& options);

  // -- processes
  void start(NodeNumber node);
  void start_all();
  // Its peers see their connections reset. `lose_unsynced`: its machine lost power.
  void kill(NodeNumber node, bool lose_unsynced = true);
  void pause(NodeNumber node) { sim_.pause(sim_.machine(node)); }
  void resume(NodeNumber node) { sim_.resume(sim_.machine(node)); }
  bool running(NodeNumber node) const { return sim_.running(sim_.machine(node)); }
  storage::VirtualDisk& disk(NodeNumber node) { return sim_.disk(sim_.machine(node)); }
  void wipe(NodeNumber node) { sim_.wipe(sim_.machine(node)); }
  // What a sync of a node's log takes; segments and checkpoints take more.
  void set_sync_time(Duration time);
  void set_sync_time(NodeNumber node, Duration time) { sim_.set_sync_time(sim_.machine(node), time); }
  std::optional<std::string> fatal(NodeNumber node) const { return sim_.fatal(sim_.machine(node)); }
  // A second process of a node, on a copy of its disk. It hears what `from` sends to the node, which itself
  // hears the others.
  void start_clone(NodeNumber node, NodeNumber from) {
    sim_.start_clone(sim_.machine(node), uint64_t{1} << sim_.machine(from));
  }
  std::optional<std::string> fatal_of_clone(NodeNumber node) const {
    return sim_.fatal(sim_.clone_of(sim_.machine(node)));
  }

  void set_wall_offset(NodeNumber node, int64_t ms) { sim_.clock(sim_.machine(node)).set_wall_offset(ms); }

  // -- network
  void cut(NodeNumber a, NodeNumber b);
  void cut_regions(RegionId a, RegionId b);
  void heal();
  sim::NetworkRates& rates() { return sim_.network().rates; }
  // What a node sends and receives takes longer by so much.
  void clog(NodeNumber node, Duration extra) { sim_.network().clog(sim_.machine(node), extra); }
  std::function<bool(NodeNumber from, NodeNumber to, BytesView frame)> loses;  // this frame
  // One that was lost arrives late.
  void send_late(NodeNumber from, NodeNumber to, Bytes frame) {
    sim_.network().send(sim_.now(), sim_.machine(from), sim_.machine(to), std::move(frame));
  }

  // -- time
  void run_for(Duration duration) { sim_.run_for(duration); }
  // Runs until the condition holds; false when it does not within the limit.
  bool run_until(const std::function<bool()>& condition, Duration limit = Duration::seconds(30)) {
    return sim_.run_until(condition, limit, Duration::millis(1));
  }

  // -- clients
  // `connection`: as sim::World::request() says.
  uint64_t send(NodeNumber to, region::Request request, BytesView connection = {});
  std::optional<region::Response> response(uint64_t correlation) const;
  // Sends and waits for the response. Fails the test when none comes.
  region::Response call(NodeNumber to, region::Request request);
  region::Response set(NodeNumber to, Bytes key, Bytes value);
  region::Response get(NodeNumber to, Bytes key);
  region::Response add(NodeNumber to, Bytes key, int64_t amount);

  NodeNumber node(uint32_t region, uint32_t index) const { return sim_.node(sim_.machine(region, index)); }
  std::vector<NodeNumber> all() const;
  std::string report(NodeNumber node, region::Op op) { return sim_.ask(sim_.machine(node), op); }
  bool converged() { return sim_.converged(); }
  bool serving() { return sim_.serving(); }
  const topology::Topology& topology() const { return sim_.topology(); }
  Instant now() const { return sim_.now(); }
  // What the nodes have logged: the time in microseconds, the node, the line.
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  sim::World sim_;
  std::vector<std::pair<uint32_t, uint32_t>> cuts_;
  std::map<uint64_t, region::Response> responses_;
  uint64_t sent_ = 0;
  std::vector<std::string> lines_;
};

}  // namespace atolldb::testing
