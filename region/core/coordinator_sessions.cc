// Sessions that come from another region, and markers for those that go there: rule 18.

#include <algorithm>

#include "crdt/base/canary.h"
#include "region/core/coordinator.h"

namespace atolldb::region {

namespace {
constexpr Duration kRaiseEvery = Duration::millis(300);
constexpr size_t kBehindBytesMax = 64u << 20;  // of a node
// Stamps are issued from clocks that are at most kDriftMaxMs off the median of all, to either side.
constexpr uint64_t kAheadMaxMs = 2 * crdt::HybridClock::kDriftMaxMs;

}  // namespace

// -- requests of sessions

// The region of which most is missing. What this region itself has answered needs no look: whoever
// coordinates here has it, and a quorum confirms that it does.
std::optional<Behind> Coordinator::behind(const Request& request) const {
  if (canary(Canary::token_ignored)) return std::nullopt;
  std::optional<Behind> out;
  for (const SeenIn& seen : request.seen) {
    if (seen.region == node_.region) continue;
    const auto at = partition_.covered.find(seen.region);
    const crdt::Hlc covered = at == partition_.covered.end() ? crdt::Hlc{} : at->second;
    const crdt::Hlc wanted{seen.stamp};
    if (wanted <= covered) continue;
    const bool known = covered != crdt::Hlc{};
    const uint64_t ms = known ? std::max<uint64_t>(1, wanted.wall_ms() - covered.wall_ms()) : 0;
    if (!out || ms == 0 || (out->ms != 0 && ms > out->ms)) out = Behind{seen.region, ms};
  }
  return out;
}

Response Coordinator::too_far_behind(const Behind& behind) const {
  const std::string here = node_.home().name, there = node_.topology.region(behind.region).name;
  Response response;
  response.outcome = Outcome::rejected;
  response.code = Errc::behind;
  response.behind = behind;
  response.message = behind.ms == 0
                         ? "region " + here + " is behind what this session has seen in " + there +
                               ", and does not know by how much: " + there +
                               " has told it nothing of this key's partition since its coordinator here began"
                         : "region " + here + " is " + std::to_string(behind.ms) +
                               " ms behind what this session has seen in " + there;
  return response;
}

// True: the request is answered or waits.
bool Coordinator::decide_if_behind(const Request& request, const ReplyTo& to, Instant deadline) {
  const auto behind = this->behind(request);
  if (!behind || request.on_behind == OnBehind::stale) return false;
  const auto answer = [&](Response&& response) {
    node_.out.reply(to, filled_for(request, std::move(response)));
    return true;
  };
  if (request.on_behind == OnBehind::refuse) return answer(too_far_behind(*behind));
  const size_t bytes = bytes_of(request);
  if (node_.behind_bytes + bytes > kBehindBytesMax) {
    Response busy;
    busy.outcome = Outcome::rejected;
    busy.code = Errc::busy;
    busy.message = "too many requests wait for other regions at this node; try again soon";
    return answer(std::move(busy));
  }
  node_.behind_bytes += bytes;
  ++node_.waiting;
  behind_.push_back({request, to, deadline, bytes});
  want_markers(request);
  return true;
}

void Coordinator::want_markers(const Request& request) {
  for (const SeenIn& seen : request.seen) {
    const crdt::Hlc stamp{seen.stamp};
    const auto covered = partition_.covered.find(seen.region);
    if (seen.region == node_.region || (covered != partition_.covered.end() && stamp <= covered->second))
      continue;
    crdt::Hlc& wanted = node_.wanted_markers[{partition_.id, seen.region}];
    wanted = std::max(wanted, stamp);
  }
}

void Coordinator::leave_behind(const Waiter& waiter) {
  node_.behind_bytes -= waiter.bytes;
  --node_.waiting;
}

void Coordinator::on_covered() {
  covered_news_ = true;
  serve_covered();
}

void Coordinator::serve_covered() {
  if (!active_ || deposed()) return;
  std::list<Waiter> ready;
  for (auto at = behind_.begin(); at != behind_.end();) {
    const auto next = std::next(at);
    if (!behind(at->request)) ready.splice(ready.end(), behind_, at);
    at = next;
  }
  const size_t returned = node_.returned.size();
  for (Waiter& waiter : ready) {
    leave_behind(waiter);
    if (node_.returned.size() == returned)
      perform(waiter.request, waiter.to, waiter.deadline);
    else  // behind one for which room went away, and which comes again
      node_.returned.push_back({std::move(waiter.to), std::move(waiter.request), waiter.deadline});
  }
}

void Coordinator::tick_behind() {
  const Instant now = node_.now.monotonic;
  for (auto at = behind_.begin(); at != behind_.end();) {
    const auto behind = this->behind(at->request);
    if (now < at->deadline || !behind) {
      want_markers(at->request);  // asked again where an answer was lost
      ++at;
      continue;
    }
    node_.out.reply(at->to, filled_for(at->request, too_far_behind(*behind)));
    leave_behind(*at);
    at = behind_.erase(at);
  }
  serve_covered();
  if (marking_ && now - marking_->asked > kRaiseEvery) ask_to_raise();
  if (!marking_ && marked_ < mark_wanted_) begin_marking();
}

void Coordinator::answer_session(Response& response, crdt::Hlc stamp) {
  response.seen = stamp.value;
  if (marked_ < stamp && node_.topology.regions.size() > 1) node_.session_news.insert(partition_.id);
}

// -- markers

bool Coordinator::mark(crdt::Hlc at_least) {
  if (!active_ || deposed()) return true;
  if (at_least.wall_ms() > node_.peers.clamped_wall(node_.now) + kAheadMaxMs) return false;
  mark_wanted_ = std::max({mark_wanted_, at_least, at_least == crdt::Hlc{} ? partition_.stamp : crdt::Hlc{}});
  if (mark_wanted_ <= marked_)
    node_.marked_news.insert(partition_.id);
  else if (!marking_)
    begin_marking();
  return true;
}

// From here on nothing enters up to the marker's stamp, here or, once W logs have it, at any coordinator to
// come: N-W+1 promises name it. What has entered up to it must be settled, or a later coordinator may find
// it gone.
void Coordinator::begin_marking() {
  if (!partition_.raise(std::max(partition_.stamp, mark_wanted_))) return;  // again with the next tick
  marking_ = Marking{};
  marking_->stamp = partition_.stamp;
  marking_->unsettled.reserve(partition_.unsettled().size());
  for (const auto& [dot, entered] : partition_.unsettled()) marking_->unsettled.push_back(dot);
  marking_->bulk = !partition_.unsettled_bulk().empty();
  node_.out.run_when(node_.store.log_end(), [weak = weak_from_this(), stamp = marking_->stamp] {
    const auto alive = weak.lock();
    if (!alive || !alive->marking_ || alive->marking_->stamp != stamp) return;
    alive->marking_->own = true;
    alive->try_mark();
  });
  ask_to_raise();
}

void Coordinator::ask_to_raise() {
  marking_->asked = node_.now.monotonic;
  for (const Follower& follower : followers_)
    if (node_.peers.up(follower.node) && !marking_->logged.contains(follower.node))
      node_.out.send(follower.node, Raise{partition_.id, epoch_, marking_->stamp});
}

void Coordinator::on_raised(NodeNumber from, const Raised& raised) {
  if (raised.epoch != epoch_ || deposed() || !marking_ || raised.stamp < marking_->stamp) return;
  if (follower(from) == nullptr) return;
  marking_->logged.insert(from);
  try_mark();
}

void Coordinator::try_mark() {
  if (!marking_ || !active_ || deposed()) return;
  auto& unsettled = marking_->unsettled;
  while (!unsettled.empty() && !partition_.is_unsettled(unsettled.back())) unsettled.pop_back();
  if (!unsettled.empty() || (marking_->bulk && !partition_.unsettled_bulk().empty())) return;
  uint32_t logged = marking_->own ? 1 : 0;
  for (const NodeNumber node : marking_->logged)
    if (node_.peers.votes(node)) ++logged;
  const uint32_t w = std::min<uint32_t>(node_.home().w, static_cast<uint32_t>(partition_.replicas.size()));
  if (logged < w) return;
  marked_ = marking_->stamp;
  marking_.reset();
  node_.marked_news.insert(partition_.id);
  if (marked_ < mark_wanted_) begin_marking();
}

}  // namespace atolldb::region
