// Takeover, acknowledgements and timers. What clients ask for is in coordinator_requests.cc.

#include "region/core/coordinator.h"

#include <algorithm>
#include <utility>

#include "crdt/base/canary.h"
#include "crdt/restrict.h"

namespace atolldb::region {

namespace {
constexpr Duration kPrepareEvery = Duration::millis(300);
constexpr Duration kPartEvery = Duration::millis(100);
constexpr uint64_t kHandoverEntriesMax = 4096;
constexpr uint64_t kHandoverBytesMax = 4u << 20;
constexpr Duration kStreamPatience = Duration::millis(2000);
constexpr Duration kExchangeEvery = Duration::millis(1000);
constexpr Duration kProgressEvery = Duration::millis(100);
constexpr Duration kProgressSoon = Duration::millis(10);
constexpr Duration kConfirmPatience = Duration::millis(100);
constexpr Duration kRecountEvery = Duration::millis(500);
constexpr Duration kHandoverEvery = Duration::millis(200);
constexpr Duration kHandoverWithin = Duration::millis(1000);
constexpr Duration kHandoverPause = Duration::seconds(10);
constexpr size_t kPumpBytes = 512u << 10;
constexpr size_t kAppendFixedBytes = 80;  // beside an entry's request id and delta
}  // namespace

Coordinator::Coordinator(NodeState& node, Partition& partition) : node_(node), partition_(partition) {
  epoch_ = {partition.highest().number + 1, node.self, node.start};
  partition_.promise(epoch_);
  for (const NodeNumber replica : partition.replicas) {
    if (replica == node.self) continue;
    followers_.emplace_back().node = replica;
  }
  for (Follower& follower : followers_)
    if (node_.peers.up(follower.node)) prepare(follower);
}

uint32_t Coordinator::promises_needed() const {
  const auto n = static_cast<uint32_t>(partition_.replicas.size());
  const uint32_t w = std::min(node_.home().w, n);
  if (canary(Canary::takeover_by_one)) return 1;
  return n - w + 1;
}

Coordinator::Follower* Coordinator::follower(NodeNumber node) {
  for (Follower& follower : followers_)
    if (follower.node == node) return &follower;
  return nullptr;
}

// -- takeover (rules 3 to 5)

void Coordinator::prepare(Follower& follower) {
  follower.asked = node_.now.monotonic;
  node_.out.send(follower.node, Prepare{partition_.id, epoch_, partition_.data.clock()});
}

void Coordinator::on_promise(NodeNumber from, const Promise& promise) {
  Follower* follower = this->follower(from);
  if (follower == nullptr || promise.epoch != epoch_ || deposed()) return;
  partition_.stamp = std::max(partition_.stamp, promise.stamp);
  follower->promise_pending = true;
  follower->promise_clock = promise.clock;
  follower->promise_settled = promise.settled;
  follower->promise_pending_writes = promise.pending;
  partition_.entered_epoch = std::max(partition_.entered_epoch, promise.entered);
  follower->lost_epoch = promise.lost_epoch;
  on_caught_up();
}

void Coordinator::on_exchanged() {
  if (active_) shown_ = partition_.stamp = next_stamp();
  on_caught_up();
}

void Coordinator::on_caught_up() {
  count_promises();
  if (!active_)
    try_activate();
  else
    serve();
}

// A promise counts once everything in its clock is fetched. From then on it says what an acknowledgement
// says: this replica has promised the epoch and holds these dots durably.
void Coordinator::count_promises() {
  for (Follower& follower : followers_) {
    const bool caught_up = has_all(follower) || canary(Canary::promise_counts_too_early);
    if (!follower.promise_pending || !caught_up) continue;
    follower.promise_pending = false;
    follower.reported = true;
    follower.progress_whole = true;
    confirm_news_ = true;
    const crdt::DotSet clock = std::exchange(follower.promise_clock, {});
    const crdt::DotSet settled = std::exchange(follower.promise_settled, {});
    follower.promise_pending_writes.clear();
    partition_.settle(settled);
    shown_ = partition_.stamp;
    follower.stream.acknowledge(node_.now.monotonic, partition_.outbox, clock);
    if (active_) {
      tell_settled(settled);
      settle_acked(clock);
      pump(follower);
    }
  }
}

// What its promise names, and of what waits there no older verdicts.
bool Coordinator::has_all(const Follower& follower) const {
  if (!partition_.data.clock().covers(follower.promise_clock)) return false;
  const auto& writes = follower.promise_pending_writes;
  return std::all_of(writes.begin(), writes.end(), [this](const auto& write) {
    const auto* here = partition_.pending(write.first);
    return here != nullptr ? here->judged >= write.second : partition_.data.clock().contains(write.first);
  });
}

void Coordinator::try_activate() {
  if (!self_promised_) return;
  uint32_t promises = 1;
  for (const Follower& follower : followers_)
    if (follower.reported && node_.peers.votes(follower.node)) ++promises;
  if (promises >= promises_needed() && judge()) activate();
}

void Coordinator::activate() {
  active_ = true;
  // Above every marker of those before: what is found in flight may have a stamp that one of them spoke of.
  partition_.stamp = next_stamp();
  shown_ = partition_.stamp;
  node_.note(LogLevel::debug, "coordinates partition=" + std::to_string(raw(partition_.id)) +
                                  " epoch=" + to_string(epoch_) +
                                  " in_flight=" + std::to_string(partition_.unsettled().size()));
  gather_verdicts();
  for (Follower& follower : followers_)
    if (follower.reported) pump(follower);
  if (canary(Canary::takeover_settles_all)) partition_.settle(partition_.data.clock());
  settle_held();
  node_.settled_news.emplace(partition_.id, node_.region);  // the streams to other regions begin here now
}

void Coordinator::settle_held() {
  std::vector<Dot> held;
  for (const auto& [dot, entry] : partition_.unsettled())
    if (held_by_w(dot)) held.push_back(dot);
  for (const Dot& dot : held) settled(dot);
  settle_bulk();
  serve();
}

// An acknowledgement that came while its node had no vote counts once it has one.
void Coordinator::recount() {
  const Instant now = node_.now.monotonic;
  if (now - recounted_ < kRecountEvery) return;
  recounted_ = now;
  if (!partition_.unsettled().empty() || !partition_.unsettled_bulk().empty() || !waiting_.empty())
    settle_held();
}

void Coordinator::on_own_durable_all(const crdt::DotSet& clock) {
  own_.join(clock);
  confirm_news_ = true;
  self_promised_ = true;
  if (deposed()) return;
  if (!active_) return try_activate();
  settle_acked(clock);
}

void Coordinator::on_own_durable(const Dot& dot) {
  own_.insert(dot);
  confirm_news_ = true;
  if (!active_ || deposed()) return;
  if (partition_.is_unsettled(dot) && held_by_w(dot)) settled(dot);
}

bool Coordinator::reported_by_all() const {
  return std::all_of(followers_.begin(), followers_.end(), [](const Follower& f) { return f.reported; });
}

// -- acknowledgements (rules 6 and 7)

uint32_t Coordinator::holders(const Dot& dot) const {
  uint32_t holders = own_.contains(dot) ? 1 : 0;
  for (const Follower& follower : followers_)
    if ((follower.stream.acked().contains(dot) ||
         (!follower.judged.empty() && follower.judged.contains(dot))) &&
        node_.peers.votes(follower.node))
      ++holders;
  return holders;
}

bool Coordinator::held_by_w(const Dot& dot) const {
  return holders(dot) + (canary(Canary::acknowledge_at_w_minus_1) ? 1 : 0) >=
         std::min<uint32_t>(node_.home().w, static_cast<uint32_t>(partition_.replicas.size()));
}

void Coordinator::settled(const Dot& dot) {
  const auto entered = partition_.unsettled().find(dot);
  if (entered != partition_.unsettled().end()) shown_ = std::max(shown_, entered->second.stamp);
  if (const auto* pending = partition_.pending(dot)) {
    Bytes key = pending->key;
    if (!partition_.carry_out(dot)) return;  // again with the next recount()
    if (blocked_.contains(key)) unblocked_.push_back(std::move(key));
    progress_soon_ = true;
  }
  partition_.settle(dot);
  progress_actors_.insert(dot.actor);
  node_.settled_news.emplace(partition_.id, node_.region_of(dot.actor.node));
}

void Coordinator::tell_settled(const crdt::DotSet& dots) {
  for (const auto& entry : dots.entries()) {
    progress_actors_.insert(entry.actor);
    node_.settled_news.emplace(partition_.id, node_.region_of(entry.actor.node));
  }
}

void Coordinator::settle_acked(const crdt::DotSet& dots) {
  std::vector<Dot> now_settled;
  for (const auto& entry : dots.entries()) {
    const auto& unsettled = partition_.unsettled();
    for (auto at = unsettled.lower_bound({entry.actor, 0});
         at != unsettled.end() && at->first.actor == entry.actor; ++at) {
      if (at->first.counter > entry.last()) break;
      if (dots.contains(at->first) && held_by_w(at->first)) now_settled.push_back(at->first);
    }
  }
  for (const Dot& dot : now_settled) settled(dot);
  settle_bulk();
  serve();
}

// What an exchange brought has no keys: it is settled as a whole, when W logs have all of it.
void Coordinator::settle_bulk() {
  const crdt::DotSet bulk = partition_.unsettled_bulk();
  if (bulk.empty() || !active_) return;
  uint32_t holders = own_.covers(bulk) ? 1 : 0;
  for (const Follower& follower : followers_)
    if (follower.stream.acked().covers(bulk) && node_.peers.votes(follower.node)) ++holders;
  if (holders < std::min<uint32_t>(node_.home().w, static_cast<uint32_t>(partition_.replicas.size()))) return;
  partition_.settle(bulk);
  shown_ = partition_.stamp;
  tell_settled(bulk);
}

void Coordinator::on_ack(NodeNumber from, const Ack& ack) {
  Follower* follower = this->follower(from);
  if (follower == nullptr || ack.epoch != epoch_ || deposed()) return;
  follower->stream.acknowledge(node_.now.monotonic, partition_.outbox, ack.dots);
  confirm_news_ = true;
  if (!active_) return;
  if (!ack.judged.empty()) on_judged(*follower, ack.judged);
  settle_acked(ack.dots);
  if (!follower->stream.caught_up(partition_.outbox)) pump(*follower);
}

void Coordinator::on_send_again(NodeNumber from, const Epoch& epoch) {
  Follower* follower = this->follower(from);
  if (follower == nullptr || epoch != epoch_ || deposed() || !active_) return;
  follower->stream.go_back();
  pump(*follower);
}

void Coordinator::on_stands(NodeNumber from, uint64_t round) {
  Follower* follower = this->follower(from);
  if (follower == nullptr || deposed() || !active_) return;
  follower->stands_round = std::max(follower->stands_round, round);
  serve();
}

void Coordinator::on_peer_up(NodeNumber peer) {
  Follower* follower = this->follower(peer);
  if (follower == nullptr || deposed()) return;
  follower->stream.go_back();
  follower->progress_whole = true;
  if (!follower->reported)
    prepare(*follower);
  else if (active_)
    pump(*follower);
}

// Rule 16: what its earlier start acknowledged is sent again.
void Coordinator::on_forgot(NodeNumber peer) {
  Follower* follower = this->follower(peer);
  if (follower == nullptr) return;
  follower->stream.forget();
  follower->judged.clear();
  if (marking_) marking_->logged.erase(peer);
  follower->promise_pending = false;
  follower->reported = false;
  follower->stands_round = 0;
}

// -- one delta path: fresh writes and everything that a replica still lacks

void Coordinator::entered(const Dot& dot, const Entry& entry) {
  node_.own_entries.push_back({node_.store.log_end(), partition_.id, dot});
  Fresh fresh{partition_.outbox.end() - 1, entry, {}};
  for (Follower& follower : followers_)
    if (node_.peers.up(follower.node)) pump(follower, &fresh);
}

void Coordinator::pump(Follower& follower, Fresh* fresh) {
  if (!node_.peers.up(follower.node)) return;
  sequences_.clear();
  follower.stream.take(
      node_.now.monotonic, partition_.outbox, kPumpBytes, [](const auto&) { return true; }, sequences_);
  if (sequences_.empty()) return;
  Append append{partition_.id, epoch_, {}};
  if (sequences_.size() == 1 && fresh != nullptr && sequences_.front() == fresh->sequence) {
    if (fresh->append.empty()) {
      append.entries.push_back(fresh->entry);
      fresh->append.reserve(kAppendFixedBytes + fresh->entry.request_id.size() + fresh->entry.delta.size());
      encode(append, fresh->append);
    }
    return node_.out.send_encoded(follower.node, fresh->append);
  }
  std::vector<Partition::Sendable> read;
  read.reserve(sequences_.size());
  for (const uint64_t sequence : sequences_) {
    auto sendable = partition_.read(partition_.outbox.at(sequence));
    if (!sendable) {  // its segment is gone: an exchange brings it
      partition_.outbox.lose(partition_.outbox.at(sequence).dot);
      continue;
    }
    read.push_back(std::move(*sendable));
  }
  for (const auto& sendable : read) append.entries.push_back(sendable.entry(epoch_));
  if (!append.entries.empty()) node_.out.send(follower.node, append);
}

// -- timers

bool Coordinator::tick() {
  if (deposed()) return true;
  tick_followers();
  if (!active_) {
    try_activate();  // a promise may count since its node has a vote again
    return true;
  }
  recount();
  tick_behind();
  tick_progress();
  tick_deadlines();
  return !idle();
}

// Replicas that are away bring news when they are back.
bool Coordinator::idle() const {
  const auto done = [this](const Follower& f) {
    return !node_.peers.up(f.node) ||
           (f.reported && !f.progress_whole && f.stream.behind(partition_.outbox) == 0);
  };
  return active_ && waiting_.empty() && blocked_.empty() && behind_.empty() && !marking_ &&
         mark_wanted_ <= marked_ && !handing_over_ && progress_actors_.empty() && !confirm_news_ &&
         !covered_news_ && !partition_.regions_news && partition_.unsettled().empty() &&
         partition_.unsettled_bulk().empty() && std::all_of(followers_.begin(), followers_.end(), done);
}

void Coordinator::tick_followers() {
  const Instant now = node_.now.monotonic;
  for (Follower& follower : followers_) {
    if (!node_.peers.up(follower.node)) continue;
    // With a promise that waits for the rest of what it names, the next part is asked for.
    const bool asks = !follower.reported && !canary(Canary::promise_asked_once);
    if (asks && now - follower.asked > (follower.promise_pending ? kPartEvery : kPrepareEvery))
      prepare(follower);
    if (!active_) continue;
    if (follower.stream.stalled(now, partition_.outbox, kStreamPatience)) follower.stream.rewind();
    pump(follower);
    ask_for_exchange(follower);
  }
}

void Coordinator::ask_for_exchange(Follower& follower) {
  const Instant now = node_.now.monotonic;
  if (!follower.reported || now - follower.exchange_asked < kExchangeEvery) return;
  if (canary(Canary::replica_not_exchanged)) return;
  if (follower.stream.acked().covers(partition_.data.clock())) return;
  follower.exchange_asked = now;
  const crdt::DotSet lacks = crdt::minus(partition_.data.clock(), follower.stream.acked());
  if (partition_.outbox.dots().covers(lacks)) return;
  node_.out.send(follower.node, NeedExchange{partition_.id, epoch_});
}

// What every replica has, and of this region's own dots every region: nobody needs it as a delta any more.
void Coordinator::confirm() {
  crdt::DotSet confirmed = own_;
  for (const Follower& follower : followers_) confirmed.intersect(follower.stream.acked());
  const auto ours = [this](const Actor& actor) { return node_.region_of(actor.node) == node_.region; };
  crdt::DotSet gone = crdt::restrict_to(confirmed, ours);  // every region needs these, not only every replica
  if (node_.topology.regions.size() > 1) gone.intersect(partition_.regions_have);
  gone.join(crdt::restrict_to(confirmed, [&](const Actor& actor) { return !ours(actor); }));
  const crdt::DotSet fresh = crdt::minus(std::move(gone), partition_.confirmed);
  if (fresh.empty()) return;
  partition_.confirm(fresh);
  for (const auto& entry : fresh.entries()) progress_actors_.insert(entry.actor);
}

// Only what has changed is said again: whole clocks grow with the number of regions, and every region's
// updates change them.
void Coordinator::tick_progress() {
  const Instant now = node_.now.monotonic;
  if (now - progress_said_ < (progress_soon_ ? kProgressSoon : kProgressEvery)) return;
  progress_soon_ = false;
  if (std::exchange(confirm_news_, false) || std::exchange(partition_.regions_news, false)) confirm();
  progress_said_ = now;
  const auto changed = std::exchange(progress_actors_, {});
  const bool covered = std::exchange(covered_news_, false);
  const auto of_changed = [&](const crdt::DotSet& dots) {
    return crdt::restrict_to(dots, [&](const Actor& actor) { return changed.contains(actor); });
  };
  for (Follower& follower : followers_) {
    if (!node_.peers.up(follower.node)) continue;  // told everything when it is back
    if (changed.empty() && !covered && !follower.progress_whole) continue;
    Progress progress{partition_.id,
                      epoch_,
                      {},
                      {},
                      std::exchange(follower.progress_whole, false),
                      ++follower.progress_number,
                      {}};
    if (covered || progress.whole)
      progress.covered.assign(partition_.covered.begin(), partition_.covered.end());
    progress.settled = progress.whole ? partition_.settled : of_changed(partition_.settled);
    progress.confirmed = progress.whole ? partition_.confirmed : of_changed(partition_.confirmed);
    node_.out.send(follower.node, progress);
  }
}

void Coordinator::on_progress_lost(NodeNumber from, const Epoch& epoch) {
  Follower* follower = this->follower(from);
  if (follower != nullptr && epoch == epoch_) follower->progress_whole = true;
}

// Whether a replica lacks no more than what can be sent in a moment: its takeover has to wait for the rest.
bool Coordinator::nearly_has_all(NodeNumber node) {
  const Follower* follower = this->follower(node);
  if (follower == nullptr || !follower->reported) return false;
  const storage::Outbox& outbox = partition_.outbox;
  const uint64_t behind = follower->stream.behind(outbox);
  if (behind > kHandoverEntriesMax ||
      outbox.bytes_between(outbox.end() - behind, outbox.end()) > kHandoverBytesMax)
    return false;
  const crdt::DotSet& acked = follower->stream.acked();
  return acked.covers(partition_.data.clock()) ||
         outbox.dots().covers(crdt::minus(partition_.data.clock(), acked));
}

void Coordinator::hand_over(NodeNumber to) {
  const Instant now = node_.now.monotonic;
  if (!active_ || now < handover_after_) return;
  if (!std::exchange(handing_over_, true)) handover_since_ = now;
  if (now - handover_since_ > kHandoverWithin) {  // it does not take the partition: serve on
    handing_over_ = false;
    handover_after_ = now + kHandoverPause;
    return;
  }
  if (waiting() > 0 || now - handover_told_ < kHandoverEvery) return;
  handover_told_ = now;
  node_.out.send(to, Handover{partition_.id, epoch_});
}

void Coordinator::tick_deadlines() {
  const Instant now = node_.now.monotonic;
  reject_blocked(Errc::timeout, "the deadline passed before a conditional write ahead of it was settled",
                 now);
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    if (at->confirmations > 0 && now - at->since > kConfirmPatience && !ripe(*at)) {
      ask_everybody_ = true;
      at->since = now;
      node_.confirm_wanted.insert(partition_.id);
    }
    if (now < at->deadline) {
      ++at;
      continue;
    }
    Response late;
    late.outcome = at->write ? Outcome::unknown : Outcome::rejected;
    late.code = Errc::timeout;
    late.message =
        at->write ? "the deadline passed before enough replicas acknowledged the write; it may have happened"
                  : "the deadline passed before enough replicas confirmed the read";
    node_.out.reply(at->to, filled(std::move(late)));
    forget(*at);
    at = waiting_.erase(at);
  }
}

}  // namespace atolldb::region
