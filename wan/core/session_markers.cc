// Markers for sessions that move between regions (rule 18 of docs/coordinator.md). Nobody pays for them but
// sessions: one is sent where a session was answered, at most once a second for a partition, and where one
// waits for it.

#include <utility>

#include "crdt/base/canary.h"
#include "wan/core/streams.h"

namespace atolldb::wan {

// -- sender

void Streams::handle_answered(Now now, const std::set<PartitionId>& partitions) {
  now_ = now;
  for (const PartitionId partition : partitions) {
    if (!port_.coordinates(partition) || answered_.contains(partition)) continue;
    for (const RegionId region : port_.regions())
      if (region != port_.region()) sending(partition, region).session_mark_due = true;
    const auto last = session_marked_.find(partition);
    const Instant due = last == session_marked_.end() ? now.monotonic : last->second + kSessionMarkEvery;
    hurry();
    answered_.emplace(partition, due);
  }
}

void Streams::mark_for_sessions() {
  std::erase_if(session_marked_,
                [&](const auto& one) { return now_.monotonic - one.second >= kSessionMarkEvery; });
  std::erase_if(answered_, [&](const auto& one) {
    const auto& [partition, due] = one;
    if (now_.monotonic < due) return false;
    if (!port_.coordinates(partition)) return true;
    session_marked_[partition] = now_.monotonic;
    port_.mark(partition, {});
    return true;
  });
}

void Streams::on(const AskMarker& m) {
  if (relay_elsewhere(m.partition)) return;
  Sending& sending = this->sending(m.partition, port_.region_of(from_));
  sending.asked_for = std::max(sending.asked_for, m.stamp);
  sending.asked_by = from_;
  if (!port_.mark(m.partition, sending.asked_for)) sending.asked_for = {};
}

void Streams::handle_marked(Now now, const std::set<PartitionId>& partitions) {
  now_ = now;
  for (const PartitionId partition : partitions) {
    const crdt::Hlc stamp = port_.marked(partition);
    if (!port_.coordinates(partition) || stamp == crdt::Hlc{}) continue;
    std::optional<SessionMarker> marker;
    for (const RegionId region : port_.regions()) {
      const auto at = sending_.find({partition, region});
      if (at == sending_.end()) continue;
      Sending& sending = at->second;
      const bool asked = sending.asked_for != crdt::Hlc{} && sending.asked_for <= stamp;
      const bool due = sending.session_mark_due && sending.open;
      if (!asked && !due) continue;
      if (!marker) marker = SessionMarker{partition, stamp, port_.settled(partition)};
      send(asked ? sending.asked_by : sending.target, *marker);
      sending.asked_for = {};
      sending.session_mark_due = false;
    }
  }
}

// -- receiver

void Streams::on(const SessionMarker& m) {
  if (relay_elsewhere(m.partition)) return;
  Receiving& receiving = this->receiving(m.partition, from_);
  const Key key{m.partition, port_.region_of(from_)};
  auto& slot = receiving.oldest ? receiving.newest : receiving.oldest;
  if (receiving.oldest && m.stamp <= receiving.oldest->stamp) return;
  if (slot && m.stamp <= slot->stamp) return;
  slot = Receiving::Heard{m.stamp, m.clock};
  uncovered_.insert(key);
  look_if_covered(key);
}

void Streams::look_if_covered(const Key& key) {
  Receiving& receiving = receiving_[key];
  const crdt::DotSet& settled = port_.settled(key.first);
  for (auto* heard : {&receiving.newest, &receiving.oldest}) {
    if (!*heard || (!settled.covers((*heard)->clock) && !canary(Canary::marker_joined_before_rows))) continue;
    const crdt::Hlc stamp = (*heard)->stamp;
    if (heard == &receiving.newest) receiving.oldest.reset();
    heard->reset();
    port_.covered(key.first, key.second, stamp);
  }
  if (!receiving.oldest) receiving.oldest = std::exchange(receiving.newest, std::nullopt);
  if (!receiving.oldest) uncovered_.erase(key);
}

void Streams::handle_wanted(Now now, const std::map<std::pair<PartitionId, RegionId>, crdt::Hlc>& wanted) {
  now_ = now;
  for (const auto& [key, stamp] : wanted) {
    const auto [partition, region] = key;
    if (!port_.coordinates(partition)) continue;
    known_.insert(partition);
    Receiving& receiving = receiving_[key];
    const auto& heard = receiving.newest ? receiving.newest : receiving.oldest;
    if (heard && stamp <= heard->stamp) continue;  // what it names is on its way
    if (stamp <= receiving.asked_stamp && now.monotonic - receiving.asked < kAskEvery) continue;
    // Whoever last sent something coordinates there, perhaps; any replica passes the question on.
    const auto replicas = port_.replicas(region, partition);
    std::optional<NodeNumber> target;
    if (raw(receiving.sender) != 0 && port_.up(receiving.sender) && receiving.rotation % 2 == 0)
      target = receiving.sender;
    for (size_t i = 0; i < replicas.size() && !target; ++i)
      if (const NodeNumber node = replicas[(receiving.rotation / 2 + i) % replicas.size()]; port_.up(node))
        target = node;
    if (!target) continue;
    ++receiving.rotation;
    receiving.asked = now.monotonic;
    receiving.asked_stamp = stamp;
    send(*target, AskMarker{partition, stamp});
  }
}

}  // namespace atolldb::wan
