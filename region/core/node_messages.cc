// What a node does with what the others say. Rules are those of docs/coordinator.md.

#include <algorithm>

#include "crdt/base/canary.h"
#include "region/core/node.h"

namespace atolldb::region {

namespace {
constexpr size_t kLateBytes = 512u << 10;   // of one message
constexpr size_t kLateBytesMax = 4u << 20;  // for one Prepare
constexpr uint64_t kEpochNumberMax = uint64_t{1} << 60;
constexpr Duration kAskAgainEvery =
    Duration::millis(200);  // well above the way to another node of the region
constexpr uint32_t kAsksMax = 8;

// A coordinator that others have gone past is told so, by who fenced it or by who asks for another.
bool hears_of_higher_epochs() { return !canary(Canary::fenced_goes_on); }
}  // namespace

// What replicas say to each other counts from no one else; nor does an epoch that no counting could have
// reached.
Partition* Node::partition_of_sender(PartitionId id, const Epoch& epoch) {
  Partition* partition = this->partition(id);
  if (partition == nullptr || state_.joining || epoch.number > kEpochNumberMax) return nullptr;
  const auto& replicas = partition->replicas;
  return std::find(replicas.begin(), replicas.end(), from_) == replicas.end() ? nullptr : partition;
}

// Rule 6.
void Node::on(const Append& m) {
  Partition* partition = partition_of_sender(m.partition, m.epoch);
  if (partition == nullptr) return;
  if (canary(Canary::append_below_the_promise)) partition->promised = std::min(partition->promised, m.epoch);
  if (m.epoch < partition->promised) return state_.out.send(from_, Fenced{m.partition, partition->promised});
  crdt::DotSet dots;
  for (const Entry& entry : m.entries) {
    auto delta = crdt::decode_delta(entry.delta);
    if (!delta || entry.epoch > m.epoch) break;
    const Merged merged = partition->merge(m.epoch, entry, *delta);
    if (merged == Merged::damaged) return;
    if (merged == Merged::no_room) dropped(m.partition, {m.epoch, delta->dot()});
    if (merged == Merged::no_room) continue;  // a remove behind it may find room all the same
    if (merged == Merged::not_ready) break;
    dots.insert(delta->dot());
  }
  if (state_.damaged.contains(m.partition)) return;
  partition->heard = std::max(partition->heard, m.epoch);
  if (partition->promised < m.epoch && state_.store.has_reserve()) partition->promise(m.epoch);
  coordinator(m.partition);  // lets go of one that is deposed now
  // A node without a vote says nothing that could be counted once it has one again (rule 16).
  if (state_.standing == Standing::vote && partition->promised == m.epoch)
    acknowledge(*partition, from_, m.epoch, std::move(dots));
}

// What is acknowledged of an actor is all that the clock has of it: lost acknowledgements need no memory. A
// conditional write is not in the clock until its verdict is settled; with a verdict of this epoch it is
// acknowledged by itself.
void Node::acknowledge(Partition& partition, NodeNumber to, const Epoch& epoch, crdt::DotSet&& dots) {
  crdt::DotSet judged;
  if (!partition.pending().empty())
    dots.each([&](const Dot& dot) {
      const auto* pending = partition.pending(dot);
      if (pending != nullptr && pending->judged == epoch) judged.insert(dot);
      return true;
    });
  crdt::DotSet whole;
  for (const auto& touched : dots.entries()) {
    const auto* entry = partition.data.clock().find(touched.actor);
    if (entry == nullptr) continue;
    if (entry->base > 0) whole.insert(entry->actor, 1, entry->base);
    for (const auto& interval : entry->above) whole.insert(entry->actor, interval.first, interval.last);
  }
  if (!whole.empty() || !judged.empty())
    state_.out.ack_when(state_.store.log_end(), to, partition.id, epoch, std::move(whole), std::move(judged));
}

// What was dropped for lack of room is asked for as soon as there is some: who sent it would wait for an
// acknowledgement, and with it whoever waits for W of them.
void Node::ask_again() {
  if (state_.store.has_room()) send_again();
}

// The first of a partition: what comes when it is asked for may be newer, and itself be dropped.
void Node::dropped(PartitionId id, const Dropped& what) {
  const auto asked = asked_again_.find(id);
  const bool earlier =
      asked != asked_again_.end() && asked->second.epoch == what.epoch && is_missing(id, asked->second);
  const Dropped& first = earlier ? asked->second : what;
  Dropped& noted = dropped_.emplace(id, first).first->second;
  if (noted.epoch != what.epoch) noted = first;
}

bool Node::is_missing(PartitionId id, const Dropped& what) const {
  const Partition& partition = *peek(id);
  return partition.promised <= what.epoch && !partition.data.clock().contains(what.dot) &&
         (what.carried_out || partition.pending(what.dot) == nullptr);
}

void Node::send_again() {
  for (auto& [id, what] : std::exchange(dropped_, {})) {
    what.asks = 0;
    asked_again_.insert_or_assign(id, what);
    ask_again(id, asked_again_.at(id));
  }
}

void Node::ask_again(PartitionId id, Dropped& what) {
  ++what.asks;
  what.asked = state_.now.monotonic;
  if (peek(id)->promised <= what.epoch) state_.out.send(what.epoch.node, SendAgain{id, what.epoch});
}

// The word that there is room may be lost, and so may what it brings.
void Node::ask_for_missing() {
  std::erase_if(asked_again_, [this](const auto& asked) {
    return asked.second.asks == kAsksMax || !is_missing(asked.first, asked.second);
  });
  for (auto& [id, what] : asked_again_)
    if (!dropped_.contains(id) && state_.now.monotonic - what.asked >= kAskAgainEvery) ask_again(id, what);
}

void Node::on(const SendAgain& m) {
  if (Coordinator* coordinator = this->coordinator(m.partition)) coordinator->on_send_again(from_, m.epoch);
}

void Node::on(const Ack& m) {
  if (Coordinator* coordinator = this->coordinator(m.partition)) coordinator->on_ack(from_, m);
}

void Node::on(const Fenced& m) {
  Partition* partition = partition_of_sender(m.partition, m.promised);
  if (partition == nullptr || !hears_of_higher_epochs()) return;
  partition->heard = std::max(partition->heard, m.promised);
  if (m.promised > partition->promised && state_.store.has_reserve()) partition->promise(m.promised);
  coordinator(m.partition);
}

// Rules 3 and 4. What the candidate lacks goes ahead of the promise.
void Node::on(const Prepare& m) {
  Partition* partition = partition_of_sender(m.partition, m.epoch);
  if (partition == nullptr || state_.standing != Standing::vote) return;
  if (m.epoch < partition->promised) return state_.out.send(from_, Fenced{m.partition, partition->promised});
  if (m.epoch > partition->promised) {
    partition->heard = std::max(partition->heard, m.epoch);
    if (!state_.store.has_reserve()) return;
    partition->promise(m.epoch);
    coordinator(m.partition);
  }
  const storage::LogPosition after = state_.store.log_end();
  std::vector<Partition::Sendable> read;
  std::vector<Dot> unreadable;
  size_t bytes = 0, sent = 0;
  const auto flush = [&] {
    if (read.empty()) return;
    Late late{m.partition, {}};
    for (const auto& sendable : read) late.entries.push_back(sendable.entry());
    state_.out.send_when(after, from_, late);
    read.clear();
    bytes = 0;
  };
  read.reserve(4096);  // views point into the records: no reallocation while they are in use
  for (uint64_t s = partition->outbox.begin(); s < partition->outbox.end(); ++s) {
    const auto& entry = partition->outbox.at(s);
    if (m.clock.contains(entry.dot)) continue;
    if (sent >= kLateBytesMax) break;  // asked again, with the clock of then
    auto sendable = partition->read(entry);
    if (!sendable) {
      unreadable.push_back(entry.dot);
      continue;
    }
    bytes += entry.bytes;
    sent += entry.bytes;
    read.push_back(std::move(*sendable));
    if (bytes >= kLateBytes || read.size() == 4096) flush();
  }
  flush();
  for (const Dot& dot : unreadable) partition->outbox.lose(dot);  // an exchange brings it
  Promise promise{m.partition,
                  m.epoch,
                  partition->data.clock(),
                  partition->settled,
                  partition->stamp,
                  partition->lost_epoch,
                  false,
                  partition->entered_epoch,
                  {}};
  crdt::DotSet lacks = crdt::minus(partition->data.clock(), m.clock);
  for (const auto& [dot, pending] : partition->pending()) {
    promise.pending.emplace_back(dot, pending.judged);
    if (!m.clock.contains(dot)) lacks.insert(dot);
  }
  promise.needs_exchange = !partition->outbox.dots().covers(lacks);
  state_.out.send_when(after, from_, promise);
}

void Node::on(const Promise& m) {
  Coordinator* coordinator = this->coordinator(m.partition);
  if (coordinator == nullptr || coordinator->epoch() != m.epoch) return;
  coordinator->on_promise(from_, m);
  if (m.needs_exchange && !partition(m.partition)->data.clock().covers(m.clock))
    exchanges_.want(m.partition, from_, false);
  if (coordinator->active()) router_.retry_parked();
}

// Rule 11. False: it cannot enter now.
bool Node::take(PartitionId id, const Entry& entry) {
  Coordinator* coordinator = this->coordinator(id);
  if (coordinator != nullptr && coordinator->active()) return coordinator->enter(entry);
  Partition& partition = *this->partition(id);
  auto delta = crdt::decode_delta(entry.delta);
  if (!delta) return true;  // broken for good
  Entry in = entry;
  if (in.stamp == crdt::Hlc{}) in.stamp = partition.stamp;
  if (in.epoch.number > kEpochNumberMax) return true;
  const Merged merged = partition.merge(partition.promised, in, *delta);
  if (merged == Merged::merged && coordinator != nullptr && !in.pending())
    state_.own_entries.push_back({state_.store.log_end(), id, delta->dot()});
  return merged == Merged::merged || merged == Merged::known;
}

void Node::on(const Late& m) {
  if (partition_of_sender(m.partition, {}) == nullptr) return;
  for (const Entry& entry : m.entries) take(m.partition, entry);
  if (Coordinator* coordinator = this->coordinator(m.partition)) coordinator->on_caught_up();
}

// Rule 9.
void Node::on(const Confirm& m) {
  if (state_.joining || state_.standing != Standing::vote) return;
  Stands stands{m.round, {}};
  storage::LogPosition after;
  for (const auto& [id, epoch] : m.epochs) {
    const Partition* partition = partition_of_sender(id, epoch);
    if (partition == nullptr) continue;
    if (partition->promised > epoch) {
      state_.out.send(from_, Fenced{id, partition->promised});
      continue;
    }
    after = std::max(after, partition->promised_at);
    stands.epochs.emplace_back(id, epoch);
  }
  if (stands.epochs.empty()) return;
  if (after <= state_.durable)
    state_.out.send(from_, stands);
  else
    state_.out.send_when(state_.store.log_end(), from_, stands);
}

void Node::on(const Stands& m) {
  for (const auto& [id, epoch] : m.epochs) {
    Coordinator* coordinator = this->coordinator(id);
    if (coordinator != nullptr && coordinator->epoch() == epoch) coordinator->on_stands(from_, m.round);
  }
}

void Node::on(const Progress& m) {
  Partition* partition = partition_of_sender(m.partition, m.epoch);
  if (partition == nullptr || m.epoch < partition->promised) return;
  const bool next = m.epoch == partition->progress_epoch && m.number <= partition->progress_number + 1;
  if (m.whole || next) {
    if (m.epoch != partition->progress_epoch) partition->progress_number = 0;
    partition->progress_epoch = m.epoch;
    partition->progress_number = std::max(partition->progress_number, m.number);
  } else {
    state_.out.send(from_, ProgressLost{m.partition, m.epoch});
  }
  if (!partition->pending().empty()) carry_out(*partition, m);
  partition->settle(m.settled);
  for (const auto& [region, stamp] : m.covered) {
    crdt::Hlc& covered = partition->covered[region];
    covered = std::max(covered, stamp);
  }
  crdt::DotSet confirmed = m.confirmed;
  confirmed.intersect(partition->data.clock());
  if (partition->confirmed.covers(confirmed)) return;
  partition->confirm(confirmed);
}

// Rule 12: a verdict of the epoch that says so is settled. Of one that another epoch gave, the outcome comes
// by itself.
void Node::carry_out(Partition& partition, const Progress& m) {
  std::vector<Dot> settled;
  for (const auto& [dot, pending] : partition.pending())
    if (pending.judged == m.epoch && m.settled.contains(dot)) settled.push_back(dot);
  crdt::DotSet dots;
  for (const Dot& dot : settled) {
    if (partition.carry_out(dot))
      dots.insert(dot);
    else if (!state_.damaged.contains(m.partition))
      dropped(m.partition, {m.epoch, dot, true});  // asked for when there is room
  }
  if (!dots.empty() && state_.standing == Standing::vote && partition.promised == m.epoch &&
      !state_.damaged.contains(m.partition))
    acknowledge(partition, from_, m.epoch, std::move(dots));
}

void Node::on(const ProgressLost& m) {
  if (Coordinator* coordinator = this->coordinator(m.partition))
    coordinator->on_progress_lost(from_, m.epoch);
}

// Rule 18. Promises the epoch as an append does.
void Node::on(const Raise& m) {
  Partition* partition = partition_of_sender(m.partition, m.epoch);
  if (partition == nullptr || state_.standing != Standing::vote) return;
  if (m.epoch < partition->promised) return state_.out.send(from_, Fenced{m.partition, partition->promised});
  partition->heard = std::max(partition->heard, m.epoch);
  if (!state_.store.has_room()) return;
  if (partition->promised < m.epoch) partition->promise(m.epoch);
  coordinator(m.partition);  // lets go of one that is deposed now
  if (!partition->raise(m.stamp)) return;
  state_.out.send_when(state_.store.log_end(), from_, Raised{m.partition, m.epoch, m.stamp});
}

void Node::on(const Raised& m) {
  if (Coordinator* coordinator = this->coordinator(m.partition)) coordinator->on_raised(from_, m);
}

bool Node::mark(PartitionId id, crdt::Hlc at_least) {
  Coordinator* coordinator = this->coordinator(id);
  return coordinator == nullptr || coordinator->mark(at_least);
}

void Node::covered(PartitionId id, RegionId region, crdt::Hlc stamp) {
  Partition* partition = this->partition(id);
  if (partition == nullptr) return;
  crdt::Hlc& covered = partition->covered[region];
  if (stamp <= covered) return;
  covered = stamp;
  if (Coordinator* coordinator = this->coordinator(id)) coordinator->on_covered();
}

void Node::on(const Hello& m) { memory_.on_hello(from_, m); }
void Node::on(const Position& m) { memory_.on_position(from_, m); }

void Node::on(const NeedExchange& m) {
  const Partition* partition = partition_of_sender(m.partition, m.epoch);
  if (partition == nullptr || m.epoch < partition->promised || state_.standing == Standing::lost) return;
  exchanges_.want(m.partition, from_, false);
}

void Node::on(const Pull& m) {
  if (!state_.joining) exchanges_.on_pull(from_, m);
}
void Node::on(const Chunk& m) { exchanges_.on_chunk(from_, m); }
void Node::on(const PullGone& m) { exchanges_.on_pull_gone(from_, m); }

void Node::exchanged(const Exchanges::Pulled& pulled) {
  if (pulled.lost) memory_.on_exchanged(pulled);
  const PartitionId id = pulled.partition;
  Partition& partition = *this->partition(id);
  if (Coordinator* coordinator = this->coordinator(id)) {
    std::weak_ptr<Coordinator> weak = coordinators_[id];
    state_.out.run_when(state_.store.log_end(), [weak, clock = partition.data.clock()] {
      if (auto alive = weak.lock()) alive->on_own_durable_all(clock);
    });
    // What its last chunk said is settled was settled without a word; the streams look for themselves.
    for (const topology::Region& region : state_.topology.regions) state_.settled_news.emplace(id, region.id);
    return coordinator->on_exchanged();
  }
  if (state_.standing != Standing::vote) return;
  const NodeNumber coordinating = partition.promised.node;
  if (partition.promised.number > 0 && coordinating != state_.self)
    state_.out.ack_when(state_.store.log_end(), coordinating, id, partition.promised,
                        crdt::DotSet(partition.data.clock()));
}

void Node::on(const Forward& m) {
  if (state_.joining || state_.region_of(from_) != state_.region) return;
  hurry();
  router_.on_forward(from_, from_process_, m);
}
void Node::on(const ForwardReply& m) { router_.on_forward_reply(from_, m); }

void Node::on(const Refuse& m) {
  if (state_.joining || m.start < state_.start) return;
  // Of two that run under one number, the address may be that of the one that the others listen to.
  if (m.start == state_.start && m.random == state_.random) return;
  state_.fatal = "another process has taken over as node " + state_.name_of(state_.self) + " (its start is " +
                 std::to_string(m.start) + ", this one's is " + std::to_string(state_.start) +
                 "): this one was started from an older copy of the data directory, or the other one was";
}

void Node::on(const Handover& m) {
  Partition* partition = partition_of_sender(m.partition, m.epoch);
  if (partition == nullptr || state_.leaving || state_.standing != Standing::vote) return;
  // Who says it of another may not have heard of it yet: of a node, or of the process beside which it begins.
  const bool of_itself = from_ == m.epoch.node && state_.peers.find(from_)->random == from_process_;
  if (!of_itself && holds(m.epoch)) return;
  // One that serves here under a lower epoch has been passed over, and nobody else would ever tell it so.
  const Coordinator* present = coordinator(m.partition);
  const bool passed_over = present != nullptr && present->epoch() < m.epoch && hears_of_higher_epochs();
  if (partition->highest() > m.epoch || (present != nullptr && !passed_over) || !state_.store.has_reserve())
    return;
  if (partition->promised < m.epoch) partition->promise(m.epoch);  // the new one goes above it
  coordinator(m.partition);                                        // lets go of one that is deposed now
  if (!state_.store.has_reserve()) return;
  take_over(*partition);
}

void Node::on(const Relay& m) {
  if (state_.joining || state_.region_of(m.origin) == state_.region ||
      state_.region_of(from_) != state_.region)
    return;
  relayed_ = true;
  on_wan_(m.origin, m.message);
  relayed_ = false;
}

void Node::on_wan(BytesView message) {
  if (!state_.joining) on_wan_(from_, message);
}

}  // namespace atolldb::region
