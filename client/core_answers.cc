// What answers, lost links and passing time mean for a request (core.h has the rules).

#include <algorithm>

#include "client/core.h"
#include "client/ops.h"

namespace atolldb::client {
namespace {

using region::Op;
using region::Outcome;
using region::Response;

constexpr uint32_t kBehindsAtOnce = 3;  // new ids without backoff; more in a row mean that nobody coordinates
constexpr Duration kAvoid = Duration::millis(2'000);

}  // namespace

// ---- endings

void Core::complete(uint32_t index, Response&& response) {
  const Slot& slot = slots_[index];
  if (slot.question) {
    absences_.end_question(now_, *slot.target.region, response.outcome == Outcome::done);
    return release(index);
  }
  completions_.push_back({std::move(slots_[index].callback), std::move(response)});
  release(index);
}

// Nothing of what is certain gets lost: once an attempt's fate is open, the outcome is `unknown`.
void Core::fail(uint32_t index, Errc code, std::string message) {
  const Slot& slot = slots_[index];
  Response response;
  response.outcome = slot.maybe_happened && !is_read(slot.request.op) ? Outcome::unknown : Outcome::rejected;
  response.code = code;
  response.message = std::move(message);
  complete(index, std::move(response));
}

std::string Core::last_words(const Slot& slot) const {
  return slot.last_error.empty() ? "no node of region " + topology_.region(slot.region).name + " answers"
                                 : slot.last_error;
}

void Core::expire(uint32_t index) {
  Slot& slot = slots_[index];
  if (slot.state == State::sent) leave_open(slot);
  const bool rejections_only = !slot.maybe_happened && !slot.last_error.empty();
  std::string message = "the deadline passed after " + std::to_string(slot.tries) + " attempts";
  if (!slot.last_error.empty()) message += "; " + slot.last_error;
  fail(index, rejections_only ? slot.last_code : Errc::timeout, std::move(message));
}

void Core::close() {
  for (uint32_t index = 0; index < slots_.size(); ++index) {
    Slot& slot = slots_[index];
    if (slot.state == State::unused) continue;
    if (slot.state == State::sent) leave_open(slot);
    fail(index, Errc::unavailable, "the client was closed");
  }
}

// ---- answers

void Core::handle_response(Instant now, LinkId link, Response&& response) {
  now_ = now;
  links_[link.index].avoid_until = Instant{INT64_MIN};
  hear(now, link.index, response);
  if (response.correlation == kSignCorrelation) return;
  if (response.correlation == 0) return handle_refused_frame(now, link, response);
  const auto index = static_cast<uint32_t>(response.correlation & (kSlotsMax - 1));
  const uint64_t sequence = response.correlation >> kSlotBits;
  if (index >= slots_.size() || slots_[index].state == State::unused) return;
  Slot& slot = slots_[index];
  if (sequence < slot.first_sequence || sequence > slot.sequence) return;
  if (!slot.request.key.empty())
    routes_.learn(topology_.find(node_of(link))->region, slot.partition, response);
  const bool last = sequence == slot.sequence;
  if (response.outcome == Outcome::done) {
    // Of a repeated plain write only the last attempt's answer speaks: an earlier one's would leave a later
    // attempt to overwrite whatever comes after it.
    if (!last && !is_read(slot.request.op) && !region::takes_request_id(slot.request.op)) return;
    measure(now, slot);
    return complete(index, std::move(response));
  }
  if (!last || slot.state != State::sent) return;  // a later attempt is under way, and its answer counts
  if (response.outcome == Outcome::rejected)
    handle_rejected(now, index, link, std::move(response));
  else
    handle_unknown(now, index, std::move(response));
}

// The region is behind what the session has seen: on to the next one, and back to wait when all are.
bool Core::go_elsewhere(Instant now, uint32_t index) {
  Slot& slot = slots_[index];
  if (!slot.target.elsewhere || slot.target.node || slot.target.region || slot.maybe_happened) return false;
  slot.tried = 0;
  if (!to_next_rank(slot)) {
    slot.target.elsewhere = false;
    slot.request.on_behind = region::OnBehind::wait;
  }
  route(now, index);
  return true;
}

// Certainly nothing came of this attempt.
void Core::handle_rejected(Instant now, uint32_t index, LinkId link, Response&& response) {
  Slot& slot = slots_[index];
  const NodeNumber node = node_of(link);
  slot.last_code = response.code;
  slot.last_error = describe(node) + ": " + response.message;
  switch (response.code) {
    case Errc::behind:
      if (response.behind && go_elsewhere(now, index)) return;
      if (response.behind) break;  // what the session asked to be told
      if (region::takes_request_id(slot.request.op) && !slot.maybe_happened &&
          slot.behinds++ < kBehindsAtOnce)
        return route(now, index);
      return wait(now, index);
    case Errc::busy:
    case Errc::full:  // a checkpoint may make room
      return wait(now, index);
    case Errc::unavailable:
    case Errc::timeout:
      if (response.coordinator == NodeNumber{} || response.coordinator == node)
        routes_.forget_coordinator(slot.region, slot.partition);
      mark_tried(slot, node);
      return wait(now, index);
    case Errc::version:
      mark_tried(slot, node);
      return route(now, index);
    default:
      break;
  }
  if (slot.maybe_happened && !is_read(slot.request.op)) {
    response.outcome = Outcome::unknown;
    response.message = "an earlier attempt may have happened; the last answer: " + response.message;
  }
  complete(index, std::move(response));
}

void Core::handle_unknown(Instant now, uint32_t index, Response&& response) {
  Slot& slot = slots_[index];
  if (!may_repeat(slot)) return complete(index, std::move(response));
  leave_open(slot);
  slot.last_code = response.code;
  slot.last_error = describe(node_of(LinkId{slot.link})) + ": " + response.message;
  wait(now, index);
}

// A frame of ours was refused as a whole. Of another protocol version the node has carried out nothing on
// this connection; for any other reason it is open which requests were meant.
void Core::handle_refused_frame(Instant now, LinkId link, const Response& response) {
  const NodeNumber node = node_of(link);
  const std::string why = describe(node) + ": " + response.message;
  links_[link.index].avoid_until = now + kAvoid;
  for (uint32_t index = 0; index < slots_.size(); ++index) {
    Slot& slot = slots_[index];
    if (slot.link != link.index || slot.state != State::sent) continue;
    if (response.code != Errc::version) {
      handle_lost(now, index, why);
      continue;
    }
    slot.last_code = Errc::version;
    slot.last_error = why;
    mark_tried(slot, node);
    route(now, index);
  }
}

// ---- silence

bool Core::may_repeat(const Slot& slot) const {
  return is_read(slot.request.op) || region::takes_request_id(slot.request.op) ||
         config_.retry_unknown_writes;
}

// What came of the attempt is open, except that no node carries out an increment whose id has no stamp: that
// attempt only asked for one.
void Core::leave_open(Slot& slot) {
  const auto& id = slot.request.id;
  if (region::takes_request_id(slot.request.op) && id && id->made_ms == 0) return;
  slot.maybe_happened = true;
}

// The attempt will have no answer: its link is gone.
void Core::handle_lost(Instant now, uint32_t index, const std::string& why) {
  Slot& slot = slots_[index];
  mark_tried(slot, node_of(LinkId{slot.link}));
  slot.last_code = Errc::unavailable;
  slot.last_error = why;
  if (slot.state == State::sent) {
    leave_open(slot);
    if (!may_repeat(slot)) return fail(index, Errc::unavailable, why);
  }
  route(now, index);
}

// The attempt has no answer yet. Others are asked first from now on; what may not be repeated goes on
// waiting.
void Core::handle_timeout(Instant now, uint32_t index) {
  Slot& slot = slots_[index];
  links_[slot.link].avoid_until = now + kAvoid;
  if (slot.state == State::sent && !may_repeat(slot)) return arm(index, slot.deadline);
  handle_lost(now, index, describe(node_of(LinkId{slot.link})) + ": no answer in time");
}

}  // namespace atolldb::client
