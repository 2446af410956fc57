// Where attempts go: slots, links, timers and frames. What answers mean is in core_answers.cc.

#include "client/core.h"

#include <algorithm>
#include <utility>

#include "client/ops.h"
#include "crdt/base/ensure.h"
#include "region/core/request_codec.h"

namespace atolldb::client {
namespace {

constexpr size_t kFrameFillBytes = 1u << 20;  // where a frame counts as full; a larger request goes alone
constexpr size_t kFrameSlackBytes = 64;
constexpr int64_t kAnswerMarginMs = 100;
constexpr Duration kReconnectMin = Duration::millis(50);
constexpr Duration kReconnectMax = Duration::millis(1'000);

Duration doubled(Duration base, uint32_t times, Duration max) {
  return std::min(max, base * (int64_t{1} << std::min<uint32_t>(times, 16)));
}

// The node's deadline is a little before the client's, so that what it says at the end still arrives: it may
// know that nothing happened where the client would have to call it unknown.
uint32_t node_deadline_ms(Duration left) {
  const int64_t ms = left.as_millis();
  return static_cast<uint32_t>(std::max<int64_t>(1, ms - std::min<int64_t>(kAnswerMarginMs, ms / 5)));
}

}  // namespace

Core::Core(const CoreConfig& config, const topology::Topology& topology)
    : config_(config),
      topology_(topology),
      routes_(topology),
      dice_(config.seed),
      hedges_(topology.regions.size()),
      absences_(topology.regions.size()) {
  ensure(!config.regions.empty(), "a client needs a region to ask");
  ensure(config.in_flight_max <= kSlotsMax, "in_flight_max does not fit a correlation number");
  ensure(config.connections_per_node > 0, "a client needs a connection");
  sign_.op = region::Op::ping;
  sign_.correlation = kSignCorrelation;
  size_t numbers = 0;
  for (const topology::Node& node : topology.nodes) numbers = std::max(numbers, size_t{raw(node.number)} + 1);
  places_.resize(numbers);
  first_links_.resize(numbers);
  for (size_t i = 0; i < topology.nodes.size(); ++i)
    first_links_[raw(topology.nodes[i].number)] = static_cast<uint32_t>(i * config.connections_per_node);
  for (const topology::Region& region : topology.regions)
    for (size_t i = 0; i < region.nodes.size(); ++i) places_[raw(region.nodes[i])] = static_cast<uint32_t>(i);
  links_.resize(topology.nodes.size() * config.connections_per_node);
}

NodeNumber Core::node_of(LinkId link) const {
  return topology_.nodes[link.index / config_.connections_per_node].number;
}

void Core::set_regions(std::vector<RegionId> nearest_first) {
  ensure(!nearest_first.empty(), "a client needs a region to ask");
  config_.regions = std::move(nearest_first);
}

// ---- slots

uint32_t Core::take_slot() {
  if (!free_.empty()) {
    const uint32_t index = free_.back();
    free_.pop_back();
    return index;
  }
  slots_.emplace_back();
  return static_cast<uint32_t>(slots_.size() - 1);
}

void Core::release(uint32_t index) {
  Slot& slot = slots_[index];
  slot.state = State::unused;
  slot.timer = 0;
  if (std::exchange(slot.question, false)) --questions_;
  slot.callback = nullptr;
  slot.request = {};
  slot.last_error.clear();
  free_.push_back(index);
}

void Core::prepare(Instant now, Slot& slot, region::Request&& request, const Target& target) {
  slot.maybe_happened = false;
  slot.behinds = 0;
  slot.tries = slot.failures = 0;
  slot.may_hedge = false;
  slot.rank = first_rank();
  slot.tried = 0;
  slot.first_sequence = slot.sequence + 1;
  slot.deadline = now + Duration::millis(std::min(request.deadline_ms, region::kDeadlineMaxMs));
  slot.target = target;
  slot.request = std::move(request);
  slot.request.id.reset();
  slot.last_code = Errc::unavailable;
  slot.region = target.node     ? topology_.find(*target.node)->region
                : target.region ? *target.region
                                : config_.regions[slot.rank];
  slot.partition = topology_.placement.place(slot.request.key).partition;
}

bool Core::submit(Instant now, region::Request&& request, const Target& target, Callback&& callback) {
  if (in_flight() >= config_.in_flight_max) return false;
  now_ = now;
  const uint32_t index = take_slot();
  Slot& slot = slots_[index];
  prepare(now, slot, std::move(request), target);
  slot.callback = std::move(callback);
  if (region::encoded_bytes_max(slot.request) + kFrameSlackBytes > region::kClientFrameBytesMax ||
      slot.request.args.size() > region::kClientFrameItemsMax) {
    fail(index, Errc::too_large,
         "the request is larger than a frame: at most " + std::to_string(region::kClientFrameBytesMax) +
             " bytes and " + std::to_string(region::kClientFrameItemsMax) + " arguments");
    return true;
  }
  route(now, index);
  return true;
}

// ---- routing

uint32_t Core::first_link_of(NodeNumber node) const { return first_links_[raw(node)]; }

void Core::mark_tried(Slot& slot, NodeNumber node) { slot.tried |= uint64_t{1} << (places_[raw(node)] & 63); }

// The best link for the next attempt: in the order of Routes, without the nodes that failed in this round or
// that cannot be connected to now; nodes that left an attempt without an answer come last.
std::optional<uint32_t> Core::pick(Instant now, const Slot& slot, uint32_t lane) {
  if (slot.target.node)
    order_.assign(1, *slot.target.node);
  else if (slot.request.key.empty())
    order_ = topology_.region(slot.region).nodes;
  else
    routes_.order(slot.region, slot.partition, slot.request.local ? Routes::Ask::replicas : Routes::Ask::all,
                  order_);
  std::optional<uint32_t> second_best;
  for (const NodeNumber node : order_) {
    const uint32_t index = first_link_of(node) + lane;
    const Link& link = links_[index];
    if ((slot.tried >> (places_[raw(node)] & 63)) & 1) continue;
    if (link.state == LinkState::closed && now < link.retry_at) continue;
    if (now >= link.avoid_until && !link.silent) return index;
    if (!second_best) second_best = index;
  }
  return second_best;
}

void Core::route(Instant now, uint32_t index) {
  Slot& slot = slots_[index];
  if (now >= slot.deadline) return expire(index);
  if (const auto link = pick(now, slot, index % config_.connections_per_node))
    return enqueue(now, index, *link);
  end_round(now, index);
}

// Every node of the region has failed this request once.
void Core::end_round(Instant now, uint32_t index) {
  Slot& slot = slots_[index];
  slot.tried = 0;
  if (config_.any_region && !slot.target.node && !slot.target.region && is_lost(slot.region))
    absences_.leave(now, slot.region, slot.request.key);
  if (next_region(slot)) return route(now, index);
  if (slot.last_code == Errc::version || !config_.wait_for_nodes || slot.question)
    return fail(index, slot.last_code, last_words(slot));
  wait(now, index);
}

bool Core::next_region(Slot& slot) {
  const bool bound = slot.target.node || slot.target.region ||
                     (slot.maybe_happened && region::takes_request_id(slot.request.op));
  return !bound && config_.any_region && to_next_rank(slot);
}

// On to the next nearest region that is not away. False: there is none further; the slot is at the first
// again.
bool Core::to_next_rank(Slot& slot) {
  const size_t begin = slot.rank + 1;
  for (slot.rank = begin; slot.rank < config_.regions.size(); ++slot.rank)
    if (!absences_.away(config_.regions[slot.rank])) break;
  const bool found = slot.rank < config_.regions.size();
  if (!found) slot.rank = first_rank();
  slot.region = config_.regions[slot.rank];
  return found;
}

void Core::enqueue(Instant now, uint32_t index, uint32_t link) {
  Slot& slot = slots_[index];
  slot.state = State::queued;
  slot.link = link;
  links_[link].queue.push_back(index);
  slot.attempt_due = now + config_.attempt_timeout;
  const auto delay = hedges_.delay(slot.region);
  slot.may_hedge = delay && config_.hedge_reads && slot.tries == 0 && !slot.target.node && !slot.question &&
                   region::reads_key(slot.request.op);
  arm(index, slot.may_hedge ? std::min(slot.attempt_due, now + *delay) : slot.attempt_due);
  if (links_[link].state == LinkState::closed) {
    links_[link].state = LinkState::opening;
    links_[link].opened_at = now;
    opens_.push_back(LinkId{link});
  }
  mark_ready(link);
}

void Core::wait(Instant now, uint32_t index) {
  Slot& slot = slots_[index];
  const Duration longest = doubled(config_.backoff_min, slot.failures++, config_.backoff_max);
  slot.state = State::waiting;
  const int64_t half = longest.ns / 2;
  arm(index,
      now + Duration::nanos(half + static_cast<int64_t>(dice_.below(static_cast<uint64_t>(half) + 1))));
}

// ---- timers

void Core::arm(uint32_t index, Instant due) {
  Slot& slot = slots_[index];
  slot.timer = ++timer_number_;
  timers_.push_back({std::min(due, slot.deadline), index, slot.timer});
  std::push_heap(timers_.begin(), timers_.end());
  if (timers_.size() > 256 + 4 * in_flight()) drop_stale_timers();
}

bool Core::is_live(const Timer& timer) const { return slots_[timer.slot].timer == timer.number; }

void Core::drop_stale_timers() {
  std::erase_if(timers_, [this](const Timer& timer) { return !is_live(timer); });
  std::make_heap(timers_.begin(), timers_.end());
}

void Core::pop_timer() {
  std::pop_heap(timers_.begin(), timers_.end());
  timers_.pop_back();
}

Instant Core::next_timer() {
  while (!timers_.empty() && !is_live(timers_.front())) pop_timer();
  return timers_.empty() ? Instant::never() : timers_.front().due;
}

Instant Core::next_deadline() { return std::min(next_timer(), upkeep_due()); }

void Core::handle_tick(Instant now) {
  now_ = now;
  if (now >= upkeep_due()) upkeep(now);
  while (next_timer() <= now) {
    const uint32_t index = timers_.front().slot;
    pop_timer();
    const Slot& slot = slots_[index];
    if (now >= slot.deadline)
      expire(index);
    else if (slot.state == State::waiting)
      route(now, index);
    else if (slot.may_hedge)
      hedge(now, index);
    else
      handle_timeout(now, index);
  }
}

// ---- links and frames

void Core::mark_ready(uint32_t link) {
  const bool idle = links_[link].queue.empty() && !links_[link].wants_sign;
  if (links_[link].ready || links_[link].state != LinkState::up || idle) return;
  links_[link].ready = true;
  ready_.push_back(LinkId{link});
}

std::vector<LinkId> Core::take_opens() { return std::exchange(opens_, {}); }

std::vector<LinkId> Core::take_ready() {
  for (const LinkId link : ready_) links_[link.index].ready = false;
  return std::exchange(ready_, {});
}

void Core::handle_link_up(Instant now, LinkId id) {
  now_ = now;
  Link& link = links_[id.index];
  link.state = LinkState::up;
  link.failures = 0;
  link.patience = patience_for(now - link.opened_at);  // the handshake takes two round trips or more
  mark_ready(id.index);
}

void Core::handle_link_down(Instant now, LinkId id, const std::string& why) {
  now_ = now;
  Link& link = links_[id.index];
  link.state = LinkState::closed;
  link.watched = link.silent = link.wants_sign = false;
  link.retry_at = now + doubled(kReconnectMin, link.failures++, kReconnectMax);
  link.queue.clear();
  routes_.forget_coordinator(node_of(id));
  const std::string what = describe(node_of(id)) + ": " + why;
  for (uint32_t index = 0; index < slots_.size(); ++index) {
    const Slot& slot = slots_[index];
    if (slot.link == id.index && (slot.state == State::queued || slot.state == State::sent))
      handle_lost(now, index, what);
  }
}

std::string Core::describe(NodeNumber number) const {
  const topology::Node* node = topology_.find(number);
  return node->name + " (" + node->client.endpoint() + ")";
}

Bytes Core::take_frame(Instant now, LinkId id) {
  Link& link = links_[id.index];
  if (link.state != LinkState::up) return {};
  outgoing_.clear();
  if (std::exchange(link.wants_sign, false)) outgoing_.push_back(&sign_);
  size_t bytes = kFrameSlackBytes, items = 0, taken = 0;
  for (; taken < link.queue.size(); ++taken) {
    Slot& slot = slots_[link.queue[taken]];
    if (slot.state != State::queued || slot.link != id.index) continue;  // answered or moved meanwhile
    bytes += region::encoded_bytes_max(slot.request);
    items += slot.request.args.size();
    const bool full = bytes > kFrameFillBytes || items > region::kClientFrameItemsMax ||
                      outgoing_.size() == region::kClientFrameMessagesMax;
    if (full && !outgoing_.empty()) break;
    begin_attempt(now, link.queue[taken]);
    outgoing_.push_back(&slot.request);
  }
  link.queue.erase(link.queue.begin(), link.queue.begin() + static_cast<std::ptrdiff_t>(taken));
  if (outgoing_.empty()) return {};
  watch(now, id.index);
  return region::encode_requests(outgoing_);
}

// The attempt leaves now: its correlation number, what is left of the deadline, and an increment's id. While
// it is certain that nothing happened, every attempt is the first one of a fresh id.
void Core::begin_attempt(Instant now, uint32_t index) {
  Slot& slot = slots_[index];
  region::Request& request = slot.request;
  slot.state = State::sent;
  ++slot.sequence;
  if (++slot.tries > 1) ++retries_;
  if (slot.tries == 1 && region::reads_key(request.op)) {
    slot.started = now;
    hedges_.earn();
  }
  request.correlation = (slot.sequence << kSlotBits) | index;
  request.deadline_ms = node_deadline_ms(slot.deadline - now);
  if (!region::takes_request_id(request.op)) return;
  if (request.id && slot.maybe_happened) {
    ++request.attempt;
    return;
  }
  request.id = routes_.make_id(slot.region, slot.partition, dice_.next());
  request.attempt = 1;
  slot.first_sequence = slot.sequence;
}

std::vector<Completion> Core::take_completions() { return std::exchange(completions_, {}); }

}  // namespace atolldb::client
