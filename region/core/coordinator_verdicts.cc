// Conditional writes and their verdicts, and what enters from elsewhere: rules 11 and 12.

#include <algorithm>
#include <utility>

#include "crdt/base/canary.h"
#include "region/core/coordinator.h"

namespace atolldb::region {

namespace {
constexpr size_t kBlockedBytesMax = 64u << 20;  // of a node

// The field that a write sets, where it sets one.
const Bytes* field_of(const crdt::Delta& delta, const Dot& dot) {
  for (const crdt::Part& part : delta.parts)
    if (part.name.tag == crdt::RowTag::field && crdt::find(part.live, dot) != nullptr) return &part.subject;
  return nullptr;
}
}  // namespace

// Whether a condition holds now, with nothing in work on which it depends. What was made of a value cannot be
// judged anew: the value is not told.
bool Coordinator::fits(Verdict verdict, const Dot& dot, const crdt::Delta& delta) const {
  if (canary(Canary::late_condition_holds)) return true;
  if (verdict != Verdict::absent && verdict != Verdict::present) return false;
  for (const auto& [other, pending] : partition_.pending())
    if (other != dot && pending.key == delta.key && pending.verdict != Verdict::superseded) return false;
  bool present = false;
  if (const Bytes* field = field_of(delta, dot)) {
    const auto found = partition_.data.field(delta.key, *field);
    present = found && found->has_value();
  } else {
    present = partition_.data.type(delta.key) != crdt::Type::none;
  }
  return present == (verdict == Verdict::present);
}

// Each conditional write that waits gets a verdict of this epoch. Where something entered under an epoch
// above that of its verdict, that epoch's takeover did not see it, so that it was never settled: its
// condition is judged anew. Every other one may have been answered, and stands. False: there is no room.
bool Coordinator::judge() {
  const Epoch entered = partition_.entered_epoch;
  std::vector<Dot> unjudged;
  for (const auto& [dot, pending] : partition_.pending())
    if (pending.judged != epoch_) unjudged.push_back(dot);
  for (const Dot& dot : unjudged) {
    if (!node_.store.has_reserve()) return false;
    const Partition::Pending pending = *partition_.pending(dot);
    const auto delta = crdt::decode_delta(pending.delta);
    ensure(delta.has_value(), "what waits for its verdict was decoded before");
    Entry entry = pending.entry();
    const bool late = pending.judged < entered && !canary(Canary::takeover_gives_no_verdict);
    if (late && entry.verdict != Verdict::superseded && !fits(entry.verdict, dot, *delta)) {
      entry.verdict = Verdict::superseded;
      ++node_.superseded;
    }
    entry.judged = epoch_;
    if (partition_.merge(epoch_, entry, *delta) != Merged::merged) return false;
    own_.erase(dot);  // of an earlier coordinator here
    node_.own_entries.push_back({node_.store.log_end(), partition_.id, dot});
  }
  return true;
}

// A takeover opens once W replicas have every verdict that it found or gave. So whatever enters under an
// epoch says that its takeover's verdicts are known to each later one (see judge()).
void Coordinator::gather_verdicts() {
  for (uint64_t s = partition_.outbox.begin(); s < partition_.outbox.end(); ++s) {
    const auto& entry = partition_.outbox.at(s);
    if (entry.conditional) verdicts_.insert(entry.dot);
  }
  for (const auto& [dot, pending] : partition_.pending()) verdicts_.insert(dot);
}

bool Coordinator::open() {
  if (verdicts_.empty()) return true;
  std::erase_if(verdicts_, [this](const Dot& dot) { return held_by_w(dot); });
  return verdicts_.empty();
}

// They wait at the replica until they hear that they are settled; if they are already, they hear it again.
void Coordinator::on_judged(Follower& follower, const crdt::DotSet& dots) {
  follower.judged.join(dots);
  follower.judged.subtract(follower.stream.acked());
  std::vector<Dot> held;
  dots.each([&](const Dot& dot) {
    if (!partition_.is_unsettled(dot))
      progress_actors_.insert(dot.actor);
    else if (held_by_w(dot))
      held.push_back(dot);
    return true;
  });
  for (const Dot& dot : held) settled(dot);
}

// -- requests that wait for a verdict

// True: the request waits, or was answered. Nothing overtakes a conditional write of its key, in which the
// key's next coordinator could not tell what came before it and what behind; and nothing enters before the
// takeover is open.
bool Coordinator::block(const Request& request, const ReplyTo& to, Instant deadline) {
  const bool behind = !partition_.pending().empty() && partition_.awaits_verdict(request.key) &&
                      !canary(Canary::verdict_overtaken);
  const bool queued = !blocked_.empty() && blocked_.contains(request.key);
  if (!behind && !queued && open()) return false;
  const size_t bytes = bytes_of(request);
  if (node_.blocked_bytes + bytes > kBlockedBytesMax) {
    Response busy;
    busy.outcome = Outcome::rejected;
    busy.code = Errc::busy;
    busy.message = "too many requests wait for conditional writes to be acknowledged; try again soon";
    node_.out.reply(to, filled(std::move(busy)));
    return true;
  }
  node_.blocked_bytes += bytes;
  ++node_.waiting;
  blocked_[request.key].push_back({request, to, deadline});
  return true;
}

void Coordinator::run_blocked() {
  const bool closed = !verdicts_.empty();
  if (!open()) return;
  std::vector<Bytes> keys = std::exchange(unblocked_, {});
  if (closed)
    for (const auto& [key, queue] : blocked_) keys.push_back(key);
  for (const Bytes& key : keys) {
    auto node = blocked_.extract(key);
    if (node.empty()) continue;
    std::deque<Blocked>& queue = node.mapped();
    while (!queue.empty() && !partition_.awaits_verdict(key)) {
      const Blocked next = std::move(queue.front());
      queue.pop_front();
      node_.blocked_bytes -= bytes_of(next.request);
      --node_.waiting;
      const size_t returned = node_.returned.size();
      execute(next.request, next.to, next.deadline);
      if (node_.returned.size() > returned) return_blocked(queue);
    }
    if (!queue.empty()) blocked_.insert(std::move(node));
  }
}

// Behind one for which room went away, and which comes again.
void Coordinator::return_blocked(std::deque<Blocked>& queue) {
  for (Blocked& blocked : queue) {
    node_.blocked_bytes -= bytes_of(blocked.request);
    --node_.waiting;
    node_.returned.push_back({std::move(blocked.to), std::move(blocked.request), blocked.deadline});
  }
  queue.clear();
}

// Those that are due: nothing of them has happened. Of an increment that is asked about again, nobody can say
// so here.
void Coordinator::reject_blocked(Errc code, const char* why, Instant due) {
  for (auto at = blocked_.begin(); at != blocked_.end();) {
    std::erase_if(at->second, [&](Blocked& blocked) {
      if (due < blocked.deadline) return false;
      node_.blocked_bytes -= bytes_of(blocked.request);
      --node_.waiting;
      if (blocked.to.unsure) {
        node_.returned.push_back({std::move(blocked.to), std::move(blocked.request), blocked.deadline});
        return true;
      }
      Response rejected;
      rejected.outcome = Outcome::rejected;
      rejected.code = code;
      rejected.message = why;
      node_.out.reply(blocked.to, filled(std::move(rejected)));
      return true;
    });
    at = at->second.empty() ? blocked_.erase(at) : std::next(at);
  }
}

// -- what enters from elsewhere (rule 11)

bool Coordinator::may_enter() const {
  return partition_.unsettled().size() < kUnsettledMax && node_.unsettled < kUnsettledOfNodeMax &&
         std::all_of(verdicts_.begin(), verdicts_.end(), [this](const Dot& dot) { return held_by_w(dot); });
}

bool Coordinator::enter(const Entry& entry) {
  if (!may_enter()) return false;
  auto delta = crdt::decode_delta(entry.delta);
  if (!delta) return true;  // broken for good; the sender's log says why
  Entry in = entry;
  in.stamp = next_stamp();
  in.epoch = in.verdict == Verdict::none ? Epoch{} : epoch_;
  if (entry.pending()) {  // no takeover saw it: it was never settled
    if (partition_.pending(delta->dot()) != nullptr) return true;
    if (!fits(in.verdict, delta->dot(), *delta)) in.verdict = Verdict::superseded;
    in.judged = epoch_;
  }
  switch (partition_.merge(epoch_, in, *delta)) {
    case Merged::merged:
      if (entry.pending() && in.verdict == Verdict::superseded) ++node_.superseded;
      entered(delta->dot(), in);
      return true;
    case Merged::known:
    case Merged::broken:
      return true;
    case Merged::not_ready:
    case Merged::damaged:
    case Merged::no_room:
      return false;
  }
  return false;
}

}  // namespace atolldb::region
