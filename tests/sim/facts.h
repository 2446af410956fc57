#pragma once
// What really happened in a simulated cluster, taken from what its nodes commit to their stores: every
// update with what its coordinator had, where it is durable, and what each disk holds. Checkers judge by
// this and by the clients' histories, never by what a node says of itself.
//
// A node *has* a dot once it has committed the dot's delta, or the last rows of an exchange with a node that
// had it. That is this file's own account; the clocks in the messages play no part in it.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "crdt/base/ids.h"
#include "crdt/base/int128.h"
#include "crdt/base/time.h"
#include "crdt/delta.h"
#include "crdt/dot_set.h"
#include "crdt/hlc.h"
#include "region/core/record.h"
#include "region/core/request.h"
#include "storage/store.h"
#include "tests/sim/probes.h"
#include "topology/topology.h"

namespace atolldb::sim {

// `superseded`: a conditional write that turned out not to have happened.
enum class UpdateKind : uint8_t { set, del, add, sadd, srem, superseded };

struct Update {
  uint32_t index = 0;  // in the order of issue: whoever saw an update has a higher one
  Dot dot;
  PartitionId partition{};
  Bytes key;
  UpdateKind kind{};
  region::Condition condition = region::Condition::none;  // of a set, where a verdict tells
  bool decided = false;                                   // its verdict was carried out somewhere
  Bytes value;                                            // of a set
  crdt::Hlc stamp;                                        // of a set
  std::vector<Bytes> elements;                            // of a sadd
  std::vector<crdt::RowId> rows;                          // of sadd and srem: the elements' rows
  uint64_t started = 0;                              // of an add: the counter its running total started at
  Int128 total = 0;                                  // of an add: the running total with it
  crdt::DotSet seen;                                 // what its coordinator had, of set, del, sadd and srem
  std::map<crdt::RowName, crdt::DotSet> seen_ahead;  // and of single rows beyond that
  Bytes request_id;
  Instant issued;
  uint32_t machine = 0, region = 0;  // of its coordinator
  uint64_t digest = 0;               // of its delta's bytes
  int32_t op = -1;                   // of the history, once it is known
  std::vector<Instant> entered;      // by region: when a node there first held something of it
  std::vector<uint32_t> held;        // machines of its own region in whose synced log it has been

  bool saw(const crdt::RowName& row, const Dot& other) const {
    if (seen.contains(other)) return true;
    const auto ahead = seen_ahead.find(row);
    return ahead != seen_ahead.end() && ahead->second.contains(other);
  }
  bool touches(const crdt::RowId& row) const {
    for (const crdt::RowId& mine : rows)
      if (mine == row) return true;
    return false;
  }
};

// A complete exchange that is being received: chunks lie aside until all are there, and are then merged. The
// clock counts with the last of the rows; the deltas behind them can wait for room.
struct PullFacts {
  crdt::DotSet clock;  // as its first chunk claimed
  uint32_t staged = 0, applied = 0;
  uint32_t rows = 0;  // chunks that hold rows, once all of those are here
  bool complete = false;
  bool open() const { return applied > 0; }  // some chunks are merged, and others are not yet
};
using Pulls = std::map<PartitionId, PullFacts>;

// Of one disk, and copied with it: what a process that starts on it can know.
struct DiskFacts {
  std::vector<crdt::DotSet> base;  // by partition, as of the last checkpoint
  std::vector<crdt::DotSet> frozen;
  std::optional<storage::LogPosition> frozen_at;  // a checkpoint began here
  Pulls base_pulls, frozen_pulls;
};

class Facts {
 public:
  Facts(const topology::Topology& topology, std::vector<uint32_t> region_of, Probes& probes);

  // -- from the observed stores
  void begin(uint32_t machine, DiskFacts& disk);  // a process starts
  void recovered(uint32_t machine, storage::LogPosition at, BytesView record);
  void recovery_ended(uint32_t machine);
  void committed(Instant now, uint32_t machine, storage::LogPosition at, BytesView record);
  void durable(uint32_t machine, storage::LogPosition below);
  void checkpoint_began(uint32_t machine, storage::LogPosition at);
  void checkpoint_done(uint32_t machine);
  // Another disk is under this machine, or none.
  void forget(uint32_t machine);

  // -- for the world and the checkers
  const Update* find(PartitionId partition, const Dot& dot) const;
  Update* find(PartitionId partition, const Dot& dot);
  std::deque<Update>& updates() { return updates_; }
  const std::deque<Update>& updates() const { return updates_; }
  // In the order of issue.
  const std::vector<uint32_t>& of_key(const Bytes& key) const;
  const crdt::DotSet& had(uint32_t machine, PartitionId partition) const {
    return machines_[machine].had[raw(partition)];
  }
  const crdt::DotSet& synced(uint32_t machine, PartitionId partition) const {
    return machines_[machine].synced[raw(partition)];
  }
  // How often a partition there began again because of a damaged row.
  uint64_t resets(uint32_t machine) const { return machines_[machine].resets; }
  // Rows of a partition there may be ahead of its clock: an exchange is being merged.
  bool ahead(uint32_t machine, PartitionId partition) const;
  // Machines of a region whose synced logs and checkpoints have it.
  uint32_t holders(const Update& update) const;
  // A dot that came with two different deltas (G12).
  const std::optional<std::string>& dot_issued_twice() const { return twice_; }

 private:
  using Name = std::pair<PartitionId, Dot>;  // counters run per actor and partition
  struct NameHash {
    size_t operator()(const Name& name) const {
      const Actor& actor = name.second.actor;
      const uint64_t h = (uint64_t{raw(actor.node)} << 48 ^ uint64_t{raw(name.first)} << 32 ^ actor.random) *
                         0x9e3779b97f4a7c15ULL;
      return static_cast<size_t>((h ^ name.second.counter) * 0xbf58476d1ce4e5b9ULL);
    }
  };
  struct Pending {  // committed, not synced
    storage::LogPosition at;
    PartitionId partition{};
    Dot dot;
    std::optional<crdt::DotSet> joined;  // by an exchange, instead of the dot
    bool cleared = false;                // the partition began again
  };
  struct Machine {
    std::vector<crdt::DotSet> had, synced;
    std::deque<Pending> pending;
    Pulls pulls;
    std::map<Name, bool> superseded;  // the newest verdicts of conditional writes that it has logged
    bool pulls_known = false;         // which checkpoint recovery began from
    DiskFacts* disk = nullptr;
    uint64_t resets = 0;
  };

  uint32_t note(Instant now, uint32_t machine, const region::DeltaRecord& record, bool fresh);
  void apply(Instant now, uint32_t machine, storage::LogPosition at, BytesView record, bool fresh);
  void note_held(Update& update, uint32_t machine);
  void note_verdict(uint32_t machine, const region::DeltaRecord& record, uint32_t index);
  void decide(uint32_t index, bool superseded);
  void applied(Instant now, uint32_t machine, storage::LogPosition at, PartitionId partition, bool fresh);

  const topology::Topology& topology_;
  std::vector<uint32_t> region_of_;
  Probes& probes_;
  std::deque<Update> updates_;
  std::unordered_map<Name, uint32_t, NameHash> by_dot_;
  std::unordered_map<uint64_t, uint32_t> by_digest_;
  std::unordered_map<uint64_t, uint32_t> by_outcome_;  // of what is left of superseded ones
  std::unordered_map<Bytes, std::vector<uint32_t>> by_key_;
  std::vector<std::vector<uint32_t>> of_partition_;  // in the order of issue
  std::vector<Machine> machines_;
  std::optional<std::string> twice_;
};

}  // namespace atolldb::sim
