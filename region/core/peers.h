#pragma once
// What a node knows of the other processes of the cluster: who was heard of when, under which start, whether
// they vote, and how far their logs were synced at the least (rules 15 and 16 of docs/coordinator.md).

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "crdt/base/ids.h"
#include "crdt/base/time.h"
#include "region/core/message.h"
#include "topology/topology.h"

namespace atolldb::region {

struct Peer {
  NodeNumber node{};
  RegionId region{};
  bool local = false;   // of this node's region
  bool linked = false;  // the transport's hint
  bool up = false;
  Instant heard{INT64_MIN / 2};
  Instant up_since{INT64_MIN / 2};
  Instant said{INT64_MIN / 2};  // when a frame last went out to it
  bool vote = false, joining = false, leaving = false, full = false;
  uint32_t start = 0, random = 0;        // of its last process that was heard of
  storage::LogPosition synced;           // the highest heard of, under `start`
  storage::LogPosition logged_position;  // what this node's log says of it
  uint32_t logged_start = 0;
  uint32_t forgot = 0;  // votes of starts below this no longer count
  // Of a process that has joined: its random, and when it was last heard. A second one is refused.
  std::optional<std::pair<uint32_t, Instant>> twin;
  int64_t wall_offset_ms = 0;  // its wall clock less our monotonic one, when it was last heard

  bool heard_of() const { return heard.ns > INT64_MIN / 2; }  // by this process
  // Beside a process with this random one runs that has joined: it was heard of just now, and its connection
  // stands.
  bool runs_beside(uint32_t other, Instant now) const {
    return twin && twin->first != other && now - twin->second < Duration::millis(1200);
  }
};

class Peers {
 public:
  // A peer that is silent for this long counts as down. Long enough for a machine that is busy, short enough
  // for people.
  static constexpr Duration kSuspectAfter = Duration::millis(1500);
  static constexpr Duration kHeartbeatLocal = Duration::millis(100);
  static constexpr Duration kHeartbeatRemote = Duration::millis(500);
  // In a large cluster heartbeats are further apart, so that a node sends about this many a second however
  // many others there are. A stream that gets no answer tries another replica by itself; what takes longer is
  // only to hear of a node that nobody sends anything to.
  static constexpr int64_t kLocalBeatsPerSecond = 100;
  static constexpr int64_t kRemoteBeatsPerSecond = 50;

  enum class Heard : uint8_t {
    ok,
    came_up,   // it was down, or is a new process
    outdated,  // an earlier process of this node, or a copy of it: to be refused
  };

  Peers(const topology::Topology& topology, NodeNumber self);

  Heard hear(Now now, NodeNumber from, const FrameHeader& header);
  void link(NodeNumber node, bool up);
  // How long after the last frame to it a heartbeat is due.
  Duration beat_every(const Peer& peer) const { return peer.local ? local_every_ : remote_every_; }
  // Those that have gone silent; each is reported once.
  std::vector<NodeNumber> expire(Now now);

  Peer* find(NodeNumber node);
  const Peer* find(NodeNumber node) const;
  bool up(NodeNumber node) const;
  // In R, W and epochs: its process has a vote and has not lost what it acknowledged.
  bool votes(NodeNumber node) const;
  // True when it is news: `node` had lost its memory when it began `start`.
  bool note_forgot(NodeNumber node, uint32_t start);
  // Of this node's region: nobody else counts their votes.
  const std::map<NodeNumber, uint32_t>& forgot() const { return forgot_; }
  // The wall clock that this node may issue stamps from: its own, but no further than kDriftMaxMs beyond the
  // median of the nodes that are up. That is carried on by the monotonic clock: a wall clock that jumps is
  // held back at once, whoever has been heard of since.
  uint64_t clamped_wall(Now now) const;
  // Takes what has been heard of other clocks into account; called in every tick.
  void refresh_median(Now now);

  // In the order of their numbers.
  using All = std::vector<std::pair<NodeNumber, Peer>>;
  All& all() { return peers_; }
  const All& all() const { return peers_; }

 private:
  All peers_;                              // without this node
  std::vector<uint32_t> place_;            // in peers_, by node number; every frame and every tick asks
  std::map<NodeNumber, uint32_t> forgot_;  // those that are not 0
  Duration local_every_, remote_every_;
  std::optional<int64_t> median_offset_ms_;  // of all wall clocks, from this node's monotonic one
};

}  // namespace atolldb::region
