#pragma once
// What the protocols of one node share: who it is, the time of the present event, its store, and what is to
// be sent. Owned by Node; every machine of region/core borrows it.

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "crdt/base/ids.h"
#include "crdt/base/log.h"
#include "crdt/base/prng.h"
#include "crdt/base/time.h"
#include "crdt/hlc.h"
#include "region/core/clear_steps.h"
#include "region/core/outgoing.h"
#include "region/core/peers.h"
#include "region/core/store_rows.h"
#include "storage/store.h"
#include "topology/ring.h"
#include "topology/topology.h"

namespace atolldb::region {

// Persistent: written into the log.
enum class Standing : uint8_t {
  unsure = 0,  // nobody has agreed yet that this disk is the latest (rule 15)
  vote = 1,
  lost = 2,  // it is not: no vote until complete exchanges have brought back what was acknowledged (rule 16)
};

inline const char* to_string(Standing standing) {
  switch (standing) {
    case Standing::unsure:
      return "unsure";
    case Standing::vote:
      return "vote";
    case Standing::lost:
      return "lost";
  }
  return "?";
}

struct NodeState {
  NodeState(const topology::Topology& topology_in, NodeNumber self_in, uint64_t seed,
            storage::Store& store_in, EventLog& log_in, const ClearSteps& clears_in)
      : topology(topology_in),
        self(self_in),
        region(topology_in.find(self_in)->region),
        clears(clears_in),
        store(store_in),
        log(log_in),
        prng(seed),
        peers(topology_in, self_in),
        rows(store_in, damaged) {
    for (const topology::Region& r : topology_in.regions) rings.emplace_back(topology_in, r.id);
    for (const topology::Node& node : topology_in.nodes) {
      if (regions_.size() <= raw(node.number)) regions_.resize(size_t{raw(node.number)} + 1, kNowhere);
      regions_[raw(node.number)] = node.region;
    }
  }

  const topology::Topology& topology;
  const NodeNumber self;
  const RegionId region;
  const ClearSteps clears;
  std::vector<topology::Ring> rings;  // by region
  storage::Store& store;
  EventLog& log;
  Prng prng;

  Now now;  // of the event that is being handled
  uint32_t start = 0, random = 0;
  Standing standing = Standing::unsure;
  storage::LogPosition durable;  // the log is synced up to here
  Instant joined_at{INT64_MIN};
  bool joining = true;        // this process has not settled on its start yet
  uint32_t logged_start = 0;  // what the log says of this node's start and standing
  Standing logged_standing = Standing::unsure;
  bool leaving = false;
  std::optional<std::string> fatal;  // the node must stop
  crdt::HybridClock hlc;
  Peers peers;
  std::set<PartitionId> damaged;  // a damaged row was met: they begin again (docs/hazards.md, 30 and 38)
  StoreRows rows;
  Outgoing out;

  // What the node itself has logged of what it coordinates: a coordinator's own log is one of the W.
  struct OwnEntry {
    storage::LogPosition after;
    PartitionId partition{};
    Dot dot;
  };
  std::deque<OwnEntry> own_entries;
  std::set<PartitionId> confirm_wanted;  // partitions whose reads wait for a round of confirmations
  uint64_t unsettled = 0;                // dots of known keys, in all partitions
  uint64_t ids = 0;                      // request ids that are kept, in all partitions
  // Updates of these regions were settled in these partitions since the streams to other regions last looked.
  std::set<std::pair<PartitionId, RegionId>> settled_news;
  // Sessions were answered in these partitions at stamps that other regions have no marker for yet; and
  // markers that this region's own coordinators can give now.
  std::set<PartitionId> session_news, marked_news;
  // What a session waits for: of another region, up to a stamp.
  std::map<std::pair<PartitionId, RegionId>, crdt::Hlc> wanted_markers;
  size_t behind_bytes = 0;  // of requests that wait for other regions
  // Requests that had not begun when their coordinator here was deposed.
  struct Returned {
    ReplyTo to;
    Request request;
    Instant deadline;
  };
  std::vector<Returned> returned;
  std::set<NodeNumber> forgot_news;  // nodes that turned out to have lost their memory
  uint64_t waiting = 0;              // requests that are in work
  size_t answer_bytes = 0;           // of large answers that wait for confirmations
  uint64_t blocked_bytes = 0;        // of those that wait for a conditional write
  uint64_t superseded = 0;           // conditional writes that were given this verdict here
  uint64_t slowed = 0;               // writes that waited for room in the memtables

  Actor actor() const { return {self, start, random}; }
  const topology::Ring& ring() const { return rings[raw(region)]; }
  const topology::Region& home() const { return topology.region(region); }
  RegionId region_of(NodeNumber node) const {
    return raw(node) < regions_.size() ? regions_[raw(node)] : kNowhere;
  }
  std::string name_of(NodeNumber node) const {
    const topology::Node* found = topology.find(node);
    return found ? found->name : std::to_string(raw(node));
  }
  void note(LogLevel level, const std::string& line) { log.write(level, line); }

  // Commits and answers the position of the first record. A failure after has_room() said yes cannot be
  // answered for: the node stops.
  storage::LogPosition commit(storage::Batch&& batch) {
    auto positions = store.commit(std::move(batch));
    if (!positions) {
      if (!fatal) fatal = "the log cannot be written: " + positions.error().message;
      return store.log_end();
    }
    if (positions->empty()) return store.log_end();
    told_end = store.log_end();
    return positions->front();
  }
  // Of what makes room or is needed for it: after has_reserve().
  storage::LogPosition commit_from_reserve(storage::Batch&& batch) {
    batch.from_reserve = true;
    return commit(std::move(batch));
  }
  // What this node has heard of others' logs: nobody needs to know of it in turn, or an idle cluster would
  // never rest.
  void commit_hearsay(storage::Batch&& batch) {
    const storage::LogPosition end = told_end;
    commit(std::move(batch));
    told_end = end;
  }
  storage::LogPosition told_end;  // of the log without hearsay behind it

 private:
  static constexpr RegionId kNowhere{0xffff};
  std::vector<RegionId> regions_;  // by node number: asked for every actor of a clock
};

}  // namespace atolldb::region
