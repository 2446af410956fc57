#include "region/core/peers.h"

#include <algorithm>

#include "crdt/base/canary.h"
#include "crdt/hlc.h"

namespace atolldb::region {

namespace {
constexpr uint32_t kNowhere = UINT32_MAX;

int64_t wall_offset(uint64_t wall_ms, Now now) {
  return static_cast<int64_t>(wall_ms - static_cast<uint64_t>(now.monotonic.ns / 1'000'000));
}
}  // namespace

Peers::Peers(const topology::Topology& topology, NodeNumber self) {
  const RegionId home = topology.find(self)->region;
  for (const topology::Node& node : topology.nodes) {
    if (node.number == self) continue;
    if (place_.size() <= raw(node.number)) place_.resize(size_t{raw(node.number)} + 1, kNowhere);
    place_[raw(node.number)] = static_cast<uint32_t>(peers_.size());
    Peer& peer = peers_.emplace_back(node.number, Peer{}).second;
    peer.node = node.number;
    peer.region = node.region;
    peer.local = node.region == home;
  }
  const auto local =
      std::count_if(peers_.begin(), peers_.end(), [](const auto& p) { return p.second.local; });
  const auto remote = static_cast<int64_t>(peers_.size()) - local;
  local_every_ = std::max(kHeartbeatLocal, Duration::millis(1000 * local / kLocalBeatsPerSecond));
  remote_every_ = std::max(kHeartbeatRemote, Duration::millis(1000 * remote / kRemoteBeatsPerSecond));
}

Peer* Peers::find(NodeNumber node) {
  if (raw(node) >= place_.size() || place_[raw(node)] == kNowhere) return nullptr;
  return &peers_[place_[raw(node)]].second;
}
const Peer* Peers::find(NodeNumber node) const { return const_cast<Peers*>(this)->find(node); }

Peers::Heard Peers::hear(Now now, NodeNumber from, const FrameHeader& header) {
  Peer& peer = *find(from);
  // A second process that begins says nothing of the first: that one has its vote and its partitions until it
  // has gone.
  if (header.joining && peer.runs_beside(header.random, now.monotonic)) return Heard::ok;
  const bool same = header.start == peer.start && header.random == peer.random;
  if (!header.joining) {
    const bool unknown_process = peer.random == 0 && header.start >= peer.start;
    if (!same && !unknown_process && header.start <= peer.start) return Heard::outdated;
    if (!same) peer.synced = {};
    peer.start = header.start;
    peer.random = header.random;
    peer.synced = std::max(peer.synced, header.synced);
  }
  const bool news = !peer.up || (!same && !header.joining);
  if (news || (peer.full && !header.full)) peer.up_since = now.monotonic;
  peer.up = true;
  peer.linked = true;
  peer.heard = now.monotonic;
  peer.vote = header.vote;
  peer.joining = header.joining;
  peer.leaving = header.leaving;
  peer.full = header.full;
  peer.wall_offset_ms = wall_offset(header.wall_ms, now);
  return news ? Heard::came_up : Heard::ok;
}

void Peers::link(NodeNumber node, bool up) {
  if (Peer* peer = find(node)) peer->linked = up;
}

std::vector<NodeNumber> Peers::expire(Now now) {
  std::vector<NodeNumber> gone;
  for (auto& [node, peer] : peers_) {
    // A link that broke and did not come back in three heartbeats is a process that died.
    const Duration silence = now.monotonic - peer.heard;
    const Duration local = peer.linked ? std::max(kSuspectAfter, local_every_ * 4) : local_every_ * 3;
    const Duration patience = peer.local ? local : std::max(kSuspectAfter * 2, remote_every_ * 3);
    if (!peer.up || silence <= patience) continue;
    peer.up = false;
    gone.push_back(node);
  }
  return gone;
}

bool Peers::up(NodeNumber node) const {
  const Peer* peer = find(node);
  return peer != nullptr && peer->up;
}

bool Peers::votes(NodeNumber node) const {
  const Peer* peer = find(node);
  return peer != nullptr && peer->vote && peer->start >= peer->forgot;
}

bool Peers::note_forgot(NodeNumber node, uint32_t start) {
  Peer* peer = find(node);
  if (peer == nullptr || start <= peer->forgot) return false;
  peer->forgot = start;
  if (peer->local) forgot_[node] = start;
  return true;
}

void Peers::refresh_median(Now now) {
  std::vector<int64_t> offsets{wall_offset(now.wall_ms, now)};
  offsets.reserve(peers_.size() + 1);
  for (const auto& [node, peer] : peers_)
    if (peer.up) offsets.push_back(peer.wall_offset_ms);
  const auto median = offsets.begin() + static_cast<ptrdiff_t>((offsets.size() - 1) / 2);
  std::nth_element(offsets.begin(), median, offsets.end());
  median_offset_ms_ = *median;
}

uint64_t Peers::clamped_wall(Now now) const {
  if (canary(Canary::wall_clock_unbounded)) return now.wall_ms;
  if (!median_offset_ms_) return now.wall_ms;
  const auto wall = static_cast<int64_t>(now.wall_ms);
  const int64_t median = now.monotonic.ns / 1'000'000 + *median_offset_ms_;
  const auto bound = static_cast<int64_t>(crdt::HybridClock::kDriftMaxMs);
  return static_cast<uint64_t>(std::max<int64_t>(0, std::clamp(wall, median - bound, median + bound)));
}

}  // namespace atolldb::region
