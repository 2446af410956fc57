#include "wan/core/streams.h"

#include <algorithm>
#include <utility>

#include "crdt/base/canary.h"
#include "crdt/delta.h"
#include "crdt/restrict.h"

namespace atolldb::wan {

crdt::DotSet Streams::of_region(const crdt::DotSet& dots, RegionId region) const {
  return crdt::restrict_to(dots, [&](const Actor& actor) { return port_.region_of(actor.node) == region; });
}

Status Streams::handle_message(Now now, NodeNumber from, BytesView message) {
  now_ = now;
  from_ = from;
  message_ = message;
  return dispatch(message, *this);
}

// True: this node does not coordinate the partition; the message has gone on to the one that does.
bool Streams::relay_elsewhere(PartitionId partition) {
  if (port_.coordinates(partition)) return false;
  port_.relay(partition, from_, message_);
  return true;
}

// -- sender

Streams::Sending& Streams::sending(PartitionId partition, RegionId region) {
  const auto at = sending_.find({partition, region});
  if (at != sending_.end()) return at->second;
  const auto ours = [this](const Dot& dot) { return port_.region_of(dot.actor.node) == port_.region(); };
  known_.insert(partition);
  return sending_.emplace(Key{partition, region}, Sending(ours)).first->second;
}

std::optional<NodeNumber> Streams::choose_target(PartitionId partition, RegionId region,
                                                 Sending& sending) const {
  const auto& replicas = port_.replicas(region, partition);
  for (size_t i = 0; i < replicas.size(); ++i) {
    const NodeNumber node = replicas[(sending.rotation + i) % replicas.size()];
    if (!port_.up(node)) continue;
    sending.rotation += i + 1;
    return node;
  }
  return std::nullopt;
}

void Streams::open(PartitionId partition, RegionId region, Sending& sending) {
  if (now_.monotonic - sending.asked < kOpenEvery) return;
  const auto target = choose_target(partition, region, sending);
  if (!target) return;
  sending.asked = now_.monotonic;
  sending.target = *target;
  send(*target, Open{partition});
}

void Streams::on(const Ack& m) {
  if (!port_.coordinates(m.partition)) return;
  const RegionId region = port_.region_of(from_);
  if (region == port_.region()) return;
  Sending& sending = this->sending(m.partition, region);
  if (!sending.open && canary(Canary::outbox_dropped))
    sending.stream.acknowledge(now_.monotonic, port_.outbox(m.partition), port_.outbox(m.partition).dots());
  if (!std::exchange(sending.open, true)) {
    if (sending.mark_due) unmarked_.insert(m.partition);
    if (sending.session_mark_due) answered_.emplace(m.partition, now_.monotonic);
  }
  sending.target = m.coordinator;
  wake({m.partition, region}, sending);
  sending.stream.acknowledge(now_.monotonic, port_.outbox(m.partition), m.settled);
  if (m.again) sending.stream.go_back();
  have_due_.insert(m.partition);
  ask_for_exchange(m.partition, sending);
  if (!fresh_.contains(m.partition)) pump(m.partition, sending);  // else it leaves with what is fresh
}

void Streams::update_regions_have(PartitionId partition) {
  crdt::DotSet have = of_region(port_.settled(partition), port_.region());
  for (const RegionId region : port_.regions()) {
    if (region == port_.region()) continue;
    const auto at = sending_.find({partition, region});
    if (at == sending_.end() || !at->second.open) return;
    have.intersect(at->second.stream.acked());
  }
  port_.regions_have(partition, std::move(have));
}

void Streams::ask_for_exchange(PartitionId partition, Sending& sending) {
  if (now_.monotonic - sending.exchange_asked < kExchangeEvery) return;
  sending.exchange_asked = now_.monotonic;
  const crdt::DotSet lacks =
      crdt::minus(of_region(port_.settled(partition), port_.region()), sending.stream.acked());
  sending.complete = lacks.empty();
  if (lacks.empty() || port_.outbox(partition).dots().covers(lacks)) return;
  if (canary(Canary::region_not_exchanged)) return;
  ++losses_[port_.region_of(sending.target)].exchanges;
  send(sending.target, Exchange{partition});
}

void Streams::pump(PartitionId partition, Sending& sending, Encoded& last) {
  if (!sending.open || !port_.up(sending.target)) return;
  const auto& settled = port_.settled(partition);
  const auto& outbox = port_.outbox(partition);
  for (;;) {
    std::vector<uint64_t> sequences;
    sending.stream.take(
        now_.monotonic, outbox, kBatchBytes,
        [&](const auto& entry) { return settled.contains(entry.dot) || canary(Canary::unsettled_leaves); },
        sequences);
    if (sequences.empty()) return;
    if (sequences == last.sequences) {
      port_.send(sending.target, last.batch);
      continue;
    }
    std::vector<Bytes> deltas;
    deltas.reserve(sequences.size());
    for (const uint64_t sequence : sequences) {
      Bytes delta;
      if (port_.read(partition, outbox.at(sequence), delta)) deltas.push_back(std::move(delta));
    }
    if (deltas.empty()) continue;
    last.batch.clear();
    encode(Batch{partition, std::vector<BytesView>(deltas.begin(), deltas.end())}, last.batch);
    last.sequences = std::move(sequences);
    port_.send(sending.target, last.batch);
  }
}

// What the streams of a partition speak of is this region's own: what others issued, they mark themselves.
// False: something is not settled yet.
bool Streams::mark(PartitionId partition) {
  if (!port_.coordinates(partition)) return true;
  const auto stamp = port_.settled_stamp(partition);
  if (!stamp) return false;
  const Marker marker{partition, *stamp, of_region(port_.settled(partition), port_.region())};
  for (const RegionId region : port_.regions()) {
    const auto at = sending_.find({partition, region});
    if (at == sending_.end() || !at->second.open || !std::exchange(at->second.mark_due, false)) continue;
    if (!marker.clock.empty()) send(at->second.target, marker);
  }
  return true;
}

void Streams::hurry() {
  if (idle()) next_tick_ = std::min(next_tick_, now_.monotonic + kTickEvery);
}

void Streams::wake(const Key& key, Sending& sending) {
  if (std::exchange(sending.awake, true)) return;
  hurry();
  awake_.push_back(key);
}

// Nothing is to be sent, asked or waited for. Whether its target is up matters once there is.
bool Streams::at_rest(PartitionId partition, RegionId region) const {
  const auto at = sending_.find({partition, region});
  return at != sending_.end() && at->second.open && at->second.complete &&
         at->second.stream.behind(port_.outbox(partition)) == 0;
}

// True: something is still under way.
bool Streams::tick_sending(PartitionId partition, RegionId region) {
  Sending& sending = this->sending(partition, region);
  const bool down = sending.open && !port_.up(sending.target);
  if (down || (sending.open && sending.stream.stalled(now_.monotonic, port_.outbox(partition), kPatience))) {
    if (down)
      sending.stream.go_back();  // that it was away says nothing of how long its answers take
    else
      sending.stream.rewind();
    sending.open = false;
    ++(down ? losses_[region].streams : losses_[region].stalls);
  }
  if (!sending.open) {
    open(partition, region, sending);
    return now_.monotonic - sending.asked < kOpenEvery * 2;  // else nobody is there
  }
  pump(partition, sending);
  ask_for_exchange(partition, sending);
  return sending.stream.behind(port_.outbox(partition)) > 0;
}

void Streams::handle_settled(Now now, const News& news) {
  now_ = now;
  for (const auto& [partition, issuer] : news) {
    if (!port_.coordinates(partition)) continue;
    for (auto at = uncovered_.lower_bound({partition, RegionId{0}});
         at != uncovered_.end() && at->first == partition;)
      look_if_covered(*at++);
    if (issuer != port_.region()) {
      const auto at = receiving_.find({partition, issuer});
      if (at == receiving_.end()) continue;
      if (at->second.unacked >= kAckBytes)
        acknowledge(partition, issuer, at->second);
      else
        ack_soon(at->first, at->second);
      continue;
    }
    fresh_.insert(partition);
  }
  if (!fresh_.empty() && now.monotonic >= next_batch_) send_fresh();
}

void Streams::send_fresh() {
  next_batch_ = now_.monotonic + kGather;
  for (const PartitionId partition : std::exchange(fresh_, {})) {
    if (!port_.coordinates(partition)) continue;
    unmarked_.insert(partition);
    Encoded last;
    for (const RegionId region : port_.regions()) {
      if (region == port_.region()) continue;
      Sending& sending = this->sending(partition, region);
      wake({partition, region}, sending);
      sending.complete = false;
      sending.mark_due = true;
      pump(partition, sending, last);
    }
  }
}

void Streams::handle_tick(Now now) {
  now_ = now;
  if (now.monotonic >= next_sweep_) sweep();
  if (!fresh_.empty() && now.monotonic >= next_batch_) send_fresh();
  if (now.monotonic < next_tick_) return;
  next_tick_ = now.monotonic + kTickEvery;
  if (now.monotonic >= next_look_) look();
  std::erase_if(marking_, [this](PartitionId partition) { return mark(partition); });
  mark_for_sessions();
  invited_ = 0;
  invite_again();
  invite(dropped_.size());
}

void Streams::look() {
  next_look_ = now_.monotonic + kLookEvery;
  for (const Key& key : std::exchange(awake_, {})) {
    const auto at = sending_.find(key);
    if (at == sending_.end()) continue;
    at->second.awake = false;
    if (!port_.coordinates(key.first)) continue;
    if (tick_sending(key.first, key.second))
      wake(key, at->second);
    else if (!at_rest(key.first, key.second))
      restless_.insert(key);
  }
  for (const Key& key : std::exchange(acks_, {})) {
    const auto at = receiving_.find(key);
    if (at == receiving_.end() || !std::exchange(at->second.ack_due, false)) continue;
    if (port_.coordinates(key.first)) acknowledge(key.first, key.second, at->second);
  }
  for (const PartitionId partition : std::exchange(have_due_, {}))
    if (port_.coordinates(partition)) update_regions_have(partition);
}

// Finds what no event has told: peers that came or went, partitions that are no longer coordinated here.
void Streams::sweep() {
  next_sweep_ = now_.monotonic + kSweepEvery;
  drop_gone();
  for (const Key& key : std::exchange(restless_, {})) wake(key, sending(key.first, key.second));
  if (++sweeps_ % kSweepsToAll == 0)
    for (const PartitionId partition : port_.coordinated())
      for (const RegionId region : port_.regions())
        if (region != port_.region()) wake({partition, region}, sending(partition, region));
  if (!unmarked_.empty()) hurry();
  marking_.merge(unmarked_);
  unmarked_.clear();
}

void Streams::drop_gone() {
  std::erase_if(known_, [this](PartitionId partition) {
    if (port_.coordinates(partition)) return false;
    const Key first{partition, RegionId{0}}, last{partition, RegionId{UINT16_MAX}};
    sending_.erase(sending_.lower_bound(first), sending_.upper_bound(last));
    receiving_.erase(receiving_.lower_bound(first), receiving_.upper_bound(last));
    uncovered_.erase(uncovered_.lower_bound(first), uncovered_.upper_bound(last));
    answered_.erase(partition);
    return true;
  });
}

// -- receiver

void Streams::ack_soon(const Key& key, Receiving& receiving) {
  if (std::exchange(receiving.ack_due, true)) return;
  hurry();
  acks_.push_back(key);
}

Streams::Receiving& Streams::receiving(PartitionId partition, NodeNumber from) {
  known_.insert(partition);
  Receiving& receiving = receiving_[{partition, port_.region_of(from)}];
  receiving.sender = from;
  return receiving;
}

void Streams::acknowledge(PartitionId partition, RegionId region, Receiving& receiving, bool again) {
  const crdt::DotSet& settled = port_.settled(partition);
  receiving.ack_due = false;
  receiving.unacked = 0;
  if (raw(receiving.sender) == 0) return;  // only asked for a marker so far
  if (settled.covers(receiving.marker_clock)) receiving.covered_stamp = receiving.marker_stamp;
  send(receiving.sender, Ack{partition, port_.self(), of_region(settled, region), again});
}

bool Streams::misses(PartitionId partition, const Receiving& receiving) const {
  return receiving.missing && !port_.settled(partition).contains(*receiving.missing);
}

// What was dropped may enter now: who sent it would not know before its patience ends. A few at a time, or
// all of them together would fill the room at once. At most so many are looked at.
void Streams::invite(size_t looks) {
  for (size_t left = std::min(looks, dropped_.size()); left > 0 && invited_ < kInvitedMax; --left) {
    const Key key = dropped_.front();
    dropped_.pop_front();
    const auto at = receiving_.find(key);
    if (at == receiving_.end()) continue;
    const bool ours = port_.coordinates(key.first);  // else whoever coordinates now hears from the sender
    if (ours && !port_.may_enter(key.first)) {
      dropped_.push_back(key);
      continue;
    }
    at->second.dropped = false;
    if (!ours) continue;
    at->second.invitations = 0;
    ++invited_;
    invite(key, at->second);
  }
}

void Streams::invite(const Key& key, Receiving& receiving) {
  receiving.invited = true;
  receiving.invited_at = now_.monotonic;
  ++receiving.invitations;
  missing_.insert(key);
  acknowledge(key.first, key.second, receiving, true);
}

// An invitation may be lost, and so may what it brings; what comes instead may be newer.
void Streams::invite_again() {
  std::erase_if(missing_, [this](const Key& key) {
    const auto at = receiving_.find(key);
    if (at == receiving_.end() || at->second.dropped) return true;
    if (!port_.coordinates(key.first) || !misses(key.first, at->second)) return true;
    if (now_.monotonic - at->second.invited_at < kInviteEvery) return false;
    if (at->second.invitations == kInvitationsMax) return true;
    invite(key, at->second);
    return false;
  });
}

void Streams::on(const Open& m) {
  if (relay_elsewhere(m.partition)) return;
  acknowledge(m.partition, port_.region_of(from_), receiving(m.partition, from_));
}

void Streams::on(const Batch& m) {
  if (relay_elsewhere(m.partition)) return;
  const Key key{m.partition, port_.region_of(from_)};
  Receiving& receiving = this->receiving(m.partition, from_);
  ack_soon(key, receiving);
  for (const BytesView delta : m.deltas) receiving.unacked += delta.size();
  if (std::exchange(receiving.invited, false) && invited_ > 0) --invited_;
  const auto dropped = std::find_if_not(m.deltas.begin(), m.deltas.end(),
                                        [&](BytesView delta) { return port_.enter(m.partition, delta); });
  if (dropped != m.deltas.end() && !port_.may_enter(m.partition)) {
    if (!misses(m.partition, receiving))
      if (const auto delta = crdt::decode_delta(*dropped)) receiving.missing = delta->dot();
    if (!std::exchange(receiving.dropped, true)) dropped_.push_back(key);
  }
  invite(kInvitedMax);
}

void Streams::on(const Marker& m) {
  if (relay_elsewhere(m.partition)) return;
  Receiving& receiving = this->receiving(m.partition, from_);
  if (m.stamp < receiving.marker_stamp) return;
  receiving.marker_stamp = m.stamp;
  receiving.marker_clock = m.clock;
  if (port_.settled(m.partition).covers(m.clock)) receiving.covered_stamp = m.stamp;
}

void Streams::on(const Exchange& m) {
  if (relay_elsewhere(m.partition)) return;
  port_.pull(m.partition, from_);
}

Streams::Lag Streams::lag(RegionId region) const {
  Lag lag;
  if (const auto losses = losses_.find(region); losses != losses_.end()) {
    lag.streams_lost = losses->second.streams;
    lag.streams_stalled = losses->second.stalls;
    lag.exchanges = losses->second.exchanges;
  }
  for (const PartitionId partition : port_.coordinated()) {
    ++lag.partitions;
    const auto at = sending_.find({partition, region});
    const crdt::DotSet ours = of_region(port_.settled(partition), port_.region());
    if (at == sending_.end()) {
      lag.dots += ours.size();
      continue;
    }
    if (at->second.open && port_.up(at->second.target)) ++lag.partitions_open;
    lag.dots += crdt::minus(ours, at->second.stream.acked()).size();
    const auto received = receiving_.find({partition, region});
    if (received == receiving_.end() || received->second.covered_stamp == crdt::Hlc{}) continue;
    lag.behind_ms = std::max(
        lag.behind_ms, received->second.marker_stamp.wall_ms() - received->second.covered_stamp.wall_ms());
  }
  return lag;
}

}  // namespace atolldb::wan
