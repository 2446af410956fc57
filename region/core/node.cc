// Life of a node: frames in and out, peers, takeovers, time. Recovery and checkpoints are in
// node_recovery.cc, what the messages do in node_messages.cc.

#include "region/core/node.h"

#include <algorithm>

#include "crdt/digest.h"
#include "region/core/request_ids.h"

namespace atolldb::region {

namespace {
constexpr Duration kSecond = Duration::seconds(1);
constexpr size_t kForgetASecond = 20'000;
constexpr size_t kForgetATick = 2'000;
// How often what was heard of other regions' logs is written down. They are witnesses of last resort, except
// where a region has one replica and no others.
constexpr uint64_t kFarPositionsSeconds = 10;
// A preferred replica that comes back takes its partitions again once it has been there for a while.
constexpr Duration kReturnAfter = Duration::seconds(3);
constexpr Duration kFullAfter = Duration::seconds(3);
// While a checkpoint runs, clears leave most of the other memtable to requests.
constexpr size_t kSweptInCheckpointMax = 4000;
}  // namespace

Node::Node(const topology::Topology& topology, NodeNumber self, uint64_t seed, storage::Store& store,
           EventLog& log, OnWan on_wan, const ClearSteps& clears)
    : state_(topology, self, seed, store, log, clears),
      outbox_index_(state_.store),
      exchanges_(
          state_, [this](PartitionId id) { return partition(id); },
          [this](PartitionId id, const Entry& entry) { return take(id, entry); },
          [this](const Exchanges::Pulled& pulled) { exchanged(pulled); }),
      memory_(state_, exchanges_,
              [this] {
                std::vector<Partition*> all;
                for (auto& [id, partition] : partitions_) all.push_back(partition.get());
                return all;
              }),
      router_(
          state_, [this](PartitionId id) { return partition(id); },
          [this](PartitionId id) { return coordinator(id); }),
      on_wan_(std::move(on_wan)) {
  held_.resize(topology.placement.partitions);
  for (uint32_t p = 0; p < topology.placement.partitions; ++p) {
    const PartitionId id{static_cast<uint16_t>(p)};
    const auto& replicas = state_.ring().replicas(id);
    if (std::find(replicas.begin(), replicas.end(), self) != replicas.end())
      held_[p] = partitions_.emplace(id, std::make_unique<Partition>(state_, id)).first->second.get();
  }
  cluster_hash_ = crdt::hash_of("cluster", topology.digest).low;
}

void Node::wake(Partition& partition) {
  if (std::exchange(partition.awake, true)) return;
  awake_.push_back(&partition);
  hurry();
}

void Node::wake_all() {
  for (auto& [id, partition] : partitions_) wake(*partition);
}

void Node::hurry() { next_tick_ = std::min(next_tick_, state_.now.monotonic + kTickEvery); }

Partition* Node::partition(PartitionId id) {
  Partition* held = raw(id) < held_.size() ? held_[raw(id)] : nullptr;
  if (held != nullptr) wake(*held);
  return held;
}

const Partition* Node::peek(PartitionId id) const {
  return raw(id) < held_.size() ? held_[raw(id)] : nullptr;
}

Coordinator* Node::coordinator(PartitionId id) {
  const Partition* held = peek(id);
  if (held == nullptr || held->coordinator == nullptr) return nullptr;
  wake(*held_[raw(id)]);
  if (!held->coordinator->deposed()) return held->coordinator;
  depose(id);
  return nullptr;
}

const Coordinator* Node::peek_coordinator(PartitionId id) const {
  const Partition* held = peek(id);
  const bool any = held != nullptr && held->coordinator != nullptr && !held->coordinator->deposed();
  return any ? held->coordinator : nullptr;
}

// -- frames

FrameHeader Node::header() const {
  FrameHeader header;
  header.start = state_.start;
  header.random = state_.random;
  header.vote = state_.standing == Standing::vote && !state_.joining;
  header.joining = state_.joining;
  header.leaving = state_.leaving && state_.waiting == 0;
  header.full = full_;
  header.wall_ms = state_.now.wall_ms;
  header.cluster = cluster_hash_;
  header.synced = std::min(state_.durable, state_.told_end);
  header.forgot.assign(state_.peers.forgot().begin(), state_.peers.forgot().end());
  return header;
}

void Node::take_frames(std::vector<std::pair<NodeNumber, Bytes>>& out) {
  state_.out.open_gates(state_.durable);  // what was put behind a log that is synced already
  check_news();
  flush_confirmations();
  if (!state_.out.has_frames()) return;
  const size_t before = out.size();
  state_.out.take_frames(header(), out);
  for (size_t i = before; i < out.size(); ++i)
    if (Peer* peer = state_.peers.find(out[i].first)) peer->said = state_.now.monotonic;
}

void Node::handle_frame(Now now, NodeNumber from, BytesView frame) {
  state_.now = now;
  from_ = from;
  if (state_.peers.find(from) == nullptr) return;
  auto header = decode_header(frame);
  if (!header)
    return state_.note(LogLevel::warn, "a peer's frame was refused peer=" + state_.name_of(from) + " why=\"" +
                                           header.error().message + "\"");
  if (header->cluster != cluster_hash_)
    return state_.note(
        LogLevel::warn,
        "a peer has another topology (cluster name, seed or partitions differ) peer=" + state_.name_of(from));
  from_process_ = header->random;
  if (!hear(now, *header)) return;
  if (auto handled = dispatch(frame, *this); !handled)
    state_.note(LogLevel::warn, "a peer's frame is broken peer=" + state_.name_of(from) + " why=\"" +
                                    handled.error().message + "\"");
  // What comes in one turn of the loop may be more than a memtable takes. On a full disk any batch is worth a
  // checkpoint, and ticks set the pace.
  if (!state_.store.disk_full()) checkpoint();
}

bool Node::hear(Now now, const FrameHeader& header) {
  if (!header.joining) state_.peers.find(from_)->twin = {header.random, now.monotonic};
  const Peer before = *state_.peers.find(from_);
  const Peers::Heard heard = state_.peers.hear(now, from_, header);
  if (heard == Peers::Heard::outdated) {
    const Peer& accepted = *state_.peers.find(from_);
    state_.out.send(from_, Refuse{accepted.start, accepted.random});
    return false;
  }
  for (const auto& [node, start] : header.forgot) {
    if (node == state_.self || state_.joining || !state_.store.has_room()) continue;  // every frame says it
    if (!state_.peers.note_forgot(node, start)) continue;
    storage::Batch batch;
    batch.records.push_back(to_bytes(ForgotRecord{node, start}));
    state_.commit(std::move(batch));
    state_.forgot_news.insert(node);
  }
  check_news();  // before anything of this frame is counted
  if (heard == Peers::Heard::came_up) {
    router_.on_peer_down(from_);  // what its earlier process had in work is gone
    state_.note(LogLevel::info,
                "peer is up peer=" + state_.name_of(from_) + " start=" + std::to_string(header.start));
    if (before.local)
      for (auto& [id, coordinator] : coordinators_) coordinator->on_peer_up(from_);
  }
  if (before.local &&
      (heard == Peers::Heard::came_up || before.vote != header.vote || before.leaving != header.leaving ||
       before.joining != header.joining || before.full != header.full))
    wake_all();  // others are preferred now
  return true;
}

void Node::handle_link(Now now, NodeNumber peer, bool up) {
  state_.now = now;
  state_.peers.link(peer, up);
  if (Peer* gone = up ? nullptr : state_.peers.find(peer)) gone->twin.reset();
}

// It has a vote again: coordinators count what this replica holds from now on.
void Node::acknowledge_everything() {
  for (auto& [id, partition] : partitions_)
    if (partition->promised.number > 0 && partition->promised.node != state_.self)
      state_.out.ack_when(state_.store.log_end(), partition->promised.node, id, partition->promised,
                          crdt::DotSet(partition->data.clock()));
}

void Node::peer_down(NodeNumber node) {
  state_.note(LogLevel::info, "peer is down peer=" + state_.name_of(node));
  router_.on_peer_down(node);
  exchanges_.on_peer_down(node);
  if (state_.peers.find(node)->local) wake_all();
}

// -- coordinators

// Whether a node may coordinate, as far as this one knows.
bool Node::fit(NodeNumber node) const {
  if (node == state_.self) return state_.standing == Standing::vote && !state_.joining && !state_.leaving;
  const Peer* peer = state_.peers.find(node);
  return peer->up && peer->vote && !peer->leaving;
}

bool Node::has_room(NodeNumber node) const {
  return node == state_.self ? !full_ : !state_.peers.find(node)->full;
}

// Whoever has no room for writes comes behind all that have.
std::optional<NodeNumber> Node::first_fit(const Partition& partition) const {
  std::optional<NodeNumber> without_room;
  for (const NodeNumber node : partition.replicas) {
    if (!fit(node)) continue;
    if (has_room(node)) return node;
    if (!without_room) without_room = node;
  }
  return without_room;
}

bool Node::preferred(const Partition& partition) const {
  if (first_fit(partition) != state_.self) return false;
  // Whoever serves is left to finish and hands over itself.
  return partition.highest().number == 0 || partition.highest().node == state_.self ||
         !holds(partition.highest());
}

// Whether another node may still serve under the epoch, as far as this one knows. A process that has just
// begun has not heard of everybody yet: it takes nobody for dead before it could have.
bool Node::holds(const Epoch& epoch) const {
  if (epoch.node == state_.self) return false;
  const Peer* peer = state_.peers.find(epoch.node);
  const bool begun =
      state_.joined_at.ns == INT64_MIN || state_.now.monotonic - state_.joined_at <= Peers::kSuspectAfter;
  if (begun && !peer->heard_of()) return true;
  return fit(epoch.node) && peer->start == epoch.start;
}

// The first fit replica leaves a partition to the holder of the epoch that it has promised. Who has promised
// a later one that nobody serves, or holds that epoch itself and serves no more, says so.
void Node::report_vacant(const Partition& partition) {
  const Epoch& epoch = partition.highest();
  const auto to = first_fit(partition);
  if (epoch.number == 0 || !to || *to == state_.self) return;
  if (!holds(epoch)) state_.out.send(*to, Handover{partition.id, epoch});
}

std::optional<NodeNumber> Node::more_preferred(const Partition& partition) const {
  for (const NodeNumber replica : partition.replicas) {
    if (replica == state_.self) {
      if (!full_) return std::nullopt;
      continue;
    }
    const Peer* peer = state_.peers.find(replica);
    if (fit(replica) && !peer->full && state_.now.monotonic - peer->up_since > kReturnAfter) return replica;
  }
  return std::nullopt;
}

// For some seconds, not for the moment in which memtables wait for a checkpoint.
void Node::look_for_room() {
  const bool room = state_.store.has_room();
  if (room)
    room_lost_.reset();
  else if (!room_lost_)
    room_lost_ = state_.now.monotonic;
  const bool full = room_lost_ && state_.now.monotonic - *room_lost_ > kFullAfter;
  if (std::exchange(full_, full) == full) return;
  state_.note(
      full ? LogLevel::error : LogLevel::info,
      full ? "there has been no room for writes for some seconds: the disk is full, or checkpoints cannot "
             "keep up; this node reads on, and others coordinate"
           : "there is room for writes again");
  wake_all();
}

void Node::take_over(Partition& partition) {
  auto coordinator = std::make_shared<Coordinator>(state_, partition);
  coordinators_[partition.id] = coordinator;
  partition.coordinator = coordinator.get();
  state_.out.run_when(state_.store.log_end(),
                      [weak = std::weak_ptr(coordinator), clock = partition.data.clock()] {
                        if (auto alive = weak.lock()) alive->on_own_durable_all(clock);
                      });
}

void Node::depose(PartitionId id) {
  const auto at = coordinators_.find(id);
  if (at == coordinators_.end()) return;
  const auto coordinator = std::move(at->second);
  coordinators_.erase(at);
  held_[raw(id)]->coordinator = nullptr;
  wake(*partitions_.at(id));
  coordinator->resign("another node has taken over the key's partition");
  router_.take_returned();
  takeover_after_[id] =
      state_.now.monotonic + Duration::millis(100 + static_cast<int64_t>(state_.prng.below(200)));
}

bool Node::enter(PartitionId id, BytesView delta) {
  Coordinator* coordinator = this->coordinator(id);
  return coordinator != nullptr && coordinator->active() && coordinator->enter({{}, {}, delta});
}

// A round of confirmations serves the reads that waited when it was sent; one message a peer for all
// partitions.
void Node::flush_confirmations() {
  if (state_.confirm_wanted.empty()) return;
  ++round_;
  std::map<NodeNumber, Confirm> asks;
  std::set<PartitionId> unasked;
  for (const PartitionId id : state_.confirm_wanted) {
    Coordinator* coordinator = this->coordinator(id);
    if (coordinator == nullptr) continue;
    const auto confirmers = coordinator->confirmers();
    if (confirmers.empty()) {
      unasked.insert(id);
      continue;
    }
    for (const NodeNumber node : confirmers) {
      Confirm& ask = asks[node];
      ask.round = round_;
      ask.epochs.emplace_back(id, coordinator->epoch());
    }
    coordinator->assign_round(round_);
  }
  state_.confirm_wanted = std::move(unasked);
  for (const auto& [node, ask] : asks) state_.out.send(node, ask);
}

void Node::check_news() {
  for (const NodeNumber node : std::exchange(state_.forgot_news, {}))
    for (auto& [id, coordinator] : coordinators_) coordinator->on_forgot(node);
  if (!state_.damaged.empty() && memory_.joined()) recover_from_damage();
}

// A damaged row counts as lost memory (docs/hazards.md, 30 and 38): its partition begins again with an empty
// clock, and the node begins a new start that has no vote until exchanges have brought everything back.
void Node::recover_from_damage() {
  for (const PartitionId id : state_.damaged) {
    const Partition* partition = this->partition(id);
    if (partition == nullptr || memory_.can_regain(*partition)) continue;
    state_.fatal = "a damaged row was found in partition " + std::to_string(raw(id)) +
                   ", and there is no other replica or region to fetch it from: restore this data directory "
                   "from a backup";
    return;
  }
  // Without a vote it has acknowledged nothing under this start that could be forgotten: it needs no other.
  const bool new_start = state_.joining || !memory_.regaining();
  if (new_start) {
    while (!coordinators_.empty()) depose(coordinators_.begin()->first);
    state_.joining = true;  // says nothing of its data until that has been written down, which takes room
  }
  if (!state_.store.has_room()) return;
  const std::set<PartitionId> damaged = std::exchange(state_.damaged, {});
  storage::Batch batch;  // one, for there may be no room for a second
  if (new_start) exchanges_.abandon_all(batch);
  for (const PartitionId id : damaged) {
    exchanges_.drop_scans(id);
    if (!new_start) exchanges_.abandon(id, batch);
    exchanges_.forget(id);
    state_.note(LogLevel::error,
                "a damaged row was found, the partition is fetched again from other replicas partition=" +
                    std::to_string(raw(id)));
    if (Partition* partition = this->partition(id)) partition->reset(batch);
  }
  if (new_start)
    memory_.lose(std::move(batch));
  else
    memory_.fetch_again(damaged, std::move(batch));
}

// -- events from this node

void Node::handle_request(Now now, const ReplyTo& to, Request&& request) {
  state_.now = now;
  hurry();
  router_.handle(to, std::move(request));
}

void Node::handle_storage(Now now) {
  state_.now = now;
  const storage::Events events = state_.store.poll();
  if (events.failed) state_.fatal = "the store failed: " + events.failed->message;
  if (events.checkpoint_done) {
    checkpoint_running_ = false;
    checkpoint();  // the other memtable may be waiting for this: there is no room before
    router_.retry_parked();
  }
  const bool room = state_.store.has_room();
  if (room && !std::exchange(had_room_, room)) router_.retry_parked();
  had_room_ = room;
  ask_again();
  if (events.durable <= state_.durable) return;
  state_.durable = events.durable;
  std::set<PartitionId> touched;
  while (!state_.own_entries.empty() && state_.own_entries.front().after <= events.durable) {
    const NodeState::OwnEntry entry = state_.own_entries.front();
    state_.own_entries.pop_front();
    Coordinator* coordinator = this->coordinator(entry.partition);
    if (coordinator == nullptr) continue;
    coordinator->on_own_durable(entry.dot);
    touched.insert(entry.partition);
  }
  for (const PartitionId id : touched)
    if (Coordinator* coordinator = this->coordinator(id)) coordinator->serve();
  state_.out.open_gates(events.durable);
}

void Node::handle_tick(Now now) {
  state_.now = now;
  if (now.monotonic >= next_sweep_) sweep();
  if (now.monotonic < next_tick_) return;
  next_tick_ = now.monotonic + kTickEvery;
  for (const NodeNumber node : state_.peers.expire(now)) peer_down(node);
  state_.peers.refresh_median(now);
  look_for_room();
  memory_.tick();
  if (std::exchange(standing_seen_, state_.standing) == Standing::lost && state_.standing == Standing::vote)
    acknowledge_everything();
  if (!state_.joining && state_.joined_at.ns == INT64_MIN) state_.joined_at = now.monotonic;
  const bool second = now.monotonic >= next_second_;
  log_positions(second);
  if (second) tick_second();
  forget_surplus_ids();
  tick_partitions();
  router_.tick();
  exchanges_.tick();
  look_for_sweeps();
  checkpoint();
  ask_again();
  ask_for_missing();
  beat();
  if (quiet()) next_tick_ = now.monotonic + kIdleTickEvery;
}

// Signs of life. What others decide by, they hear at once: a large region's heartbeats are far apart.
void Node::beat() {
  const FrameHeader now = header();
  const std::array<bool, 4> said{now.vote, now.joining, now.leaving, now.full};
  const bool news = std::exchange(said_, said) != said;
  for (auto& [node, peer] : state_.peers.all())
    if ((news && peer.local) || state_.now.monotonic - peer.said >= state_.peers.beat_every(peer))
      state_.out.beat(node);
}

// What is awake has something under way. Time alone, or the news of a peer, may give the others something to
// do: all are looked at once a second.
void Node::tick_partitions() {
  std::vector<Partition*> again;
  for (Partition* partition : std::exchange(awake_, {})) {
    partition->awake = false;
    if (tick_partition(*partition)) again.push_back(partition);
  }
  for (Partition* partition : again) wake(*partition);
}

// True: again in the next tick.
bool Node::tick_partition(Partition& partition) {
  const auto at = coordinators_.find(partition.id);
  if (at != coordinators_.end() && at->second->deposed())
    depose(partition.id);
  else if (at != coordinators_.end()) {
    Coordinator& coordinator = *at->second;
    const bool busy = coordinator.tick();
    const auto to = more_preferred(partition);
    if (to && (coordinator.handing_over() || coordinator.nearly_has_all(*to)))
      coordinator.hand_over(*to);
    else
      coordinator.keep();
    return busy || coordinator.handing_over();
  }
  if (!preferred(partition)) return false;
  if (state_.now.monotonic >= takeover_after_[partition.id] && state_.store.has_reserve())
    take_over(partition);
  return true;
}

// Clears that have begun since the last tick, or were under way when this process started.
void Node::look_for_sweeps() {
  for (const auto& [id, partition] : partitions_)
    if (partition->data.sweeping()) sweeping_.insert(id);
  if (!sweeping_.empty()) next_sweep_ = std::min(next_sweep_, state_.now.monotonic);
}

// A step of one clear; the partitions take turns. Rows that go wait in a memtable: checkpoints set the pace.
void Node::sweep() {
  next_sweep_ = sweeping_.empty() ? Instant::never() : state_.now.monotonic + kSweepEvery;
  if (sweeping_.empty() || state_.joining || !state_.damaged.empty() || !state_.store.has_reserve()) return;
  checkpoint();
  if (checkpoint_running_ && swept_in_checkpoint_ >= kSweptInCheckpointMax) return;
  auto at = sweeping_.upper_bound(swept_);
  if (at == sweeping_.end()) at = sweeping_.begin();
  swept_ = *at;
  Partition& partition = *partitions_.at(swept_);
  if (partition.data.sweeping() && partition.sweep(state_.clears.rows_a_step))
    swept_in_checkpoint_ += state_.clears.rows_a_step;
  if (!partition.data.sweeping()) sweeping_.erase(swept_);
}

bool Node::quiet() const {
  return sweeping_.empty() && awake_.empty() && router_.in_work() == 0 && exchanges_.idle() &&
         !state_.joining && state_.standing == Standing::vote && state_.damaged.empty() && dropped_.empty() &&
         asked_again_.empty() && !state_.leaving && !full_;
}

// Ten minutes after they were made, a bounded number in each second.
void Node::forget_ids(storage::Batch& batch) {
  size_t left = kForgetASecond;
  for (auto& [id, partition] : partitions_) {
    if (state_.now.monotonic - partition->ids_marked >= RequestIds::kKept) {
      partition->ids_due_ms = std::max(partition->ids_due_ms, partition->ids_mark_ms);
      partition->ids_mark_ms = partition->stamp.wall_ms();
      partition->ids_marked = state_.now.monotonic;
    }
    if (partition->ids_due_ms <= partition->ids_forgotten_ms || partition->ids == 0 || left == 0) continue;
    const uint64_t forgotten = partition->forget_ids(partition->ids_due_ms, left, batch);
    left -= forgotten;
    if (forgotten == 0) partition->ids_due_ms = 0;
  }
}

// Beyond a million, the partition that has the most forgets its oldest, faster than new ones can come.
void Node::forget_surplus_ids() {
  if (state_.ids <= RequestIds::kCountMax || state_.joining || !state_.store.has_room()) return;
  const auto most =
      std::max_element(partitions_.begin(), partitions_.end(),
                       [](const auto& a, const auto& b) { return a.second->ids < b.second->ids; });
  storage::Batch batch;
  const uint64_t surplus = state_.ids - RequestIds::kCountMax;
  most->second->forget_ids(UINT64_MAX, std::min<uint64_t>(surplus, kForgetATick), batch);
  if (!batch.empty()) state_.commit(std::move(batch));
}

// How far others have said that their logs were synced: a disk that comes back older than that is found out
// (rule 15). Replicas of this region are the witnesses, those of others stand in where they are lost too.
void Node::log_positions(bool all) {
  if (state_.joining || !state_.store.has_room()) return;
  storage::Batch batch;
  const auto far_due = [this](const Peer& peer) {
    return seconds_ % kFarPositionsSeconds == 0 || state_.topology.region(peer.region).n == 1;
  };
  for (auto& [node, peer] : state_.peers.all()) {
    if (!peer.local && !(all && far_due(peer))) continue;
    if (peer.synced == peer.logged_position && peer.start == peer.logged_start) continue;
    peer.logged_position = peer.synced;
    peer.logged_start = peer.start;
    batch.records.push_back(to_bytes(KnownRecord{node, peer.start, peer.random, peer.synced.value}));
  }
  if (!batch.empty()) state_.commit_hearsay(std::move(batch));
}

void Node::tick_second() {
  next_second_ = state_.now.monotonic + kSecond;
  storage::Batch batch;
  ++seconds_;
  if (!state_.joining && state_.store.has_reserve()) {
    forget_ids(batch);
    if (!batch.empty()) state_.commit_from_reserve(std::move(batch));
    if (!state_.store.has_room()) send_again();  // there may be removes among it
  }
  storage::LogPosition keep_from = state_.store.log_end();
  for (auto& [id, partition] : partitions_) {
    partition->outbox.cut(state_.store.log_begin());
    if (!partition->outbox.empty())
      keep_from = std::min(keep_from, partition->outbox.at(partition->outbox.begin()).at);
    if (!partition->entered.at.empty()) keep_from = std::min(keep_from, partition->entered.at.front());
    if (peek_coordinator(id) == nullptr) report_vacant(*partition);
    wake(*partition);
  }
  state_.store.release_log(keep_from);
}

void Node::begin_drain(Now now) {
  state_.now = now;
  state_.leaving = true;
  drain_began_ = now.monotonic;
  state_.note(LogLevel::info, "drains in_work=" + std::to_string(router_.in_work()));
}

bool Node::drained() const {
  // The last frames have said that this node leaves; what waits for durability has gone out.
  return state_.leaving && router_.in_work() == 0 && state_.out.gates_empty() &&
         state_.now.monotonic - drain_began_ > Peers::kHeartbeatLocal * 2;
}

}  // namespace atolldb::region
