#pragma once
// A whole cluster in one thread: real engines on simulated machines, with disks, clocks and a network that
// the faults bend, in virtual time. Everything is a function of the options, the seed among them (G13).
//
// Machines are numbered in the topology's order. True time is the world's; each machine has clocks of its
// own. The world knows neither clients nor checkers: requests go in, responses come back through callbacks.

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crdt/base/prng.h"
#include "region/node/engine.h"
#include "storage/virtual_disk.h"
#include "tests/sim/clock.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/facts.h"
#include "tests/sim/network.h"
#include "tests/sim/observed_store.h"
#include "tests/sim/probes.h"
#include "topology/ring.h"
#include "topology/topology.h"

namespace atolldb::sim {

struct DiskOptions {
  size_t memtable_bytes = 1u << 20;
  uint64_t log_segment_bytes = 256u << 10;
  uint64_t log_bytes_max = uint64_t{1} << 30;
};

struct WorldOptions {
  uint64_t seed = 1;
  uint32_t regions = 3, nodes = 3;  // nodes: in each region
  uint32_t n = 3, r = 2, w = 2;
  uint32_t zones = 3;
  uint32_t partitions = 4;
  bool strict_disks = false;
  DiskOptions disk;
  NetworkOptions network;  // distances are drawn from the seed where there are none
  Duration sync_time = Duration::micros(150);
  region::ClearSteps clears;
  bool keep_facts = true;  // false: nothing is noted for checkers, and facts() knows nothing
  bool measure = false;    // what the engines' calls cost; see effort()
  bool clones = false;     // each machine may get a clone, see start_clone()
};

// What one machine's engine was called for, and the processor time that it took.
struct Effort {
  uint64_t calls = 0, ticks = 0;
  int64_t cpu_ns = 0;
};

using OnResponse = std::function<void(const region::Response*)>;  // nullptr: the connection broke

class World {
 public:
  explicit World(const WorldOptions& options);
  ~World();

  // -- machines
  uint32_t machines() const { return static_cast<uint32_t>(topology_.nodes.size()); }
  NodeNumber node(uint32_t machine) const { return topology_.nodes[machine % machines()].number; }
  std::string name(uint32_t machine) const {
    return topology_.nodes[machine % machines()].name + (machine < machines() ? "" : "'");
  }
  uint32_t machine(NodeNumber node) const { return machine_of_.at(raw(node)); }
  uint32_t machine(uint32_t region, uint32_t index) const { return region * options_.nodes + index; }
  uint32_t region_of(uint32_t machine) const { return machine % machines() / options_.nodes; }
  const topology::Topology& topology() const { return topology_; }
  const WorldOptions& options() const { return options_; }

  // -- processes
  void start(uint32_t machine);
  void start_all();
  // SIGKILL, or the power fails: then unsynced writes may be lost, and nobody is told.
  void kill(uint32_t machine, bool power) { kill(machine, power, !power); }
  // `noticed`: its peers see their connections reset; otherwise they notice the silence.
  void kill(uint32_t machine, bool power, bool noticed);
  void pause(uint32_t machine);
  void resume(uint32_t machine);
  void drain(uint32_t machine);  // SIGTERM: it hands over and ends by itself
  bool running(uint32_t machine) const { return machines_[machine].process != nullptr; }
  bool paused(uint32_t machine) const { return machines_[machine].paused; }
  bool draining(uint32_t machine) const;
  bool serves(uint32_t machine) const { return running(machine) && !paused(machine); }
  // Why a process stopped by itself since it was last started.
  const std::optional<std::string>& fatal(uint32_t machine) const { return machines_[machine].fatal; }

  // -- disks; of machines whose process is gone, unless said otherwise
  void wipe(uint32_t machine);
  struct Image {
    storage::VirtualDisk disk;
    DiskFacts facts;
  };
  Image image(uint32_t machine) const;  // also of a running one
  void restore(uint32_t machine, const Image& image);
  storage::VirtualDisk& disk(uint32_t machine) { return *machines_[machine].disk; }
  void set_sync_time(uint32_t machine, Duration time) { machines_[machine].sync_time = time; }

  // -- clones: a second process of a node, on a copy of its disk. Its machine has a number behind all others.
  uint32_t clone_of(uint32_t machine) const { return machine + machines(); }
  // Of a machine whose process runs or is paused. The power fails for the copy alone. What a machine whose
  // bit is set in `hears` sends to the node reaches the clone, and everything does where the original is
  // gone.
  void start_clone(uint32_t machine, uint64_t hears);
  void set_hears(uint32_t machine, uint64_t hears) { machines_[machine].hears = hears; }
  // What this process answers reaches no client any more.
  void mute(uint32_t machine) { machines_[machine].mute = true; }
  // The clone's disk, whose process is gone, is the machine's from now on.
  void adopt_clone(uint32_t machine);

  // -- clocks and network
  MachineClock& clock(uint32_t machine) { return machines_[machine].clock; }
  Network& network() { return network_; }
  void cut(uint32_t a, uint32_t b, bool both_ways = true);
  void join(uint32_t a, uint32_t b, bool both_ways = true);

  // -- time
  Instant now() const { return now_; }
  void at(Instant when, std::function<void()>&& call);
  void run_until(Instant when);
  void run_for(Duration duration) { run_until(now_ + duration); }
  // Runs until the condition holds, looking every `every`; false when it does not within the limit.
  bool run_until(const std::function<bool()>& condition, Duration limit,
                 Duration every = Duration::millis(100));

  // -- clients. The answer comes back unless the machine's process ends first; a machine without one refuses
  // at once.
  // `connection`: seven bytes or none; the requests of one have an order (region/io/resp_server.h).
  void request(uint32_t machine, region::Request&& request, OnResponse&& done, BytesView connection = {});
  // What a node says of itself, in no time: status, digest, inspect.
  std::string ask(uint32_t machine, region::Op op, const Bytes& key = {});
  bool has_vote(uint32_t machine);
  bool serving();    // every running process votes, and every partition of every region has a coordinator
  bool converged();  // every running process has the same clocks and digests, and merges no exchange

  // -- what happened
  Facts& facts() { return facts_; }
  const Facts& facts() const { return facts_; }
  Probes& probes() { return probes_; }
  const topology::Ring& ring(uint32_t region) const { return rings_[region]; }
  uint64_t trace_hash() const { return trace_hash_; }
  uint64_t events() const { return events_handled_; }
  const Effort& effort(uint32_t machine) const { return machines_[machine].effort; }
  // What a person would follow: log lines of the nodes. Called with true time.
  std::function<void(Instant, uint32_t machine, LogLevel, std::string_view)> on_line;

 private:
  struct Process;
  struct Delivery {
    uint32_t from = 0;
    Bytes frame;
  };
  struct Request {
    region::Request request;
    uint64_t correlation = 0;
    Bytes client;
  };
  struct Machine {
    std::unique_ptr<storage::VirtualDisk> disk;
    std::unique_ptr<DiskFacts> facts;
    MachineClock clock;
    std::unique_ptr<Process> process;
    bool paused = false, mute = false;
    uint64_t hears = 0;  // by sender: its frames reach the clone
    Duration sync_time;
    std::optional<std::string> fatal;
    std::deque<Delivery> inbox;    // while paused
    std::deque<Request> requests;  // likewise
    std::vector<storage::Job> disk_done;
    uint64_t generation = 0;  // of its process; events of earlier ones are void
    Effort effort;
  };
  struct Waiting {
    uint32_t machine = 0;
    OnResponse done;
  };

  uint32_t slots() const { return static_cast<uint32_t>(machines_.size()); }
  uint32_t receiver(uint32_t from, uint32_t machine) const;
  void step();
  void handle(const Event& event);
  template <typename Call>
  auto call(uint32_t machine, Call&& call);
  void deliver(uint32_t machine, uint32_t from, BytesView frame);
  void deliver(uint32_t machine, Request&& request);
  void tick(uint32_t machine);
  void disk_done(uint32_t machine, storage::Job job);
  void work_disk(uint32_t machine);
  Duration latency(uint32_t machine, storage::Job job);
  void flush(uint32_t machine);
  void schedule_tick(uint32_t machine, Process& process, Instant truth);
  void end(uint32_t machine, bool power, bool noticed);
  void link_news(uint32_t from, uint32_t to, bool up);
  void line(uint32_t machine, LogLevel level, std::string_view text);
  void note(uint64_t word) {
    trace_hash_ = (trace_hash_ ^ word) * 0x9e3779b97f4a7c15ULL + (trace_hash_ >> 29);
  }
  Now now_for(uint32_t machine) const { return machines_[machine].clock.now(now_); }

  WorldOptions options_;
  topology::Topology topology_;
  std::vector<uint32_t> region_of_;
  std::vector<topology::Ring> rings_;
  std::map<uint16_t, uint32_t> machine_of_;
  Prng prng_;
  Instant now_{0};
  EventQueue queue_;
  Probes probes_;
  Facts facts_;
  Network network_;
  std::vector<Machine> machines_;
  Slots<std::function<void()>> calls_;
  std::map<uint64_t, Waiting> waiting_;  // by correlation
  uint64_t next_correlation_ = 0;
  std::optional<region::Response> asked_;
  uint64_t trace_hash_ = 0, events_handled_ = 0;
};

// A cluster like that, of machines numbered as they stand in it.
topology::Topology make_topology(const WorldOptions& options);

}  // namespace atolldb::sim
