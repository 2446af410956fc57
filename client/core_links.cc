// What the core does besides requests and answers: it notices nodes that are silent, reads elsewhere what
// takes too long, and asks whether a region that it has left is back.

#include <algorithm>

#include "client/core.h"

namespace atolldb::client {
namespace {

constexpr uint32_t kQuestionMs = 1'000;

}  // namespace

// ---- signs of life

// Twice what was seen: a far node's answers take their time.
Duration Core::patience_for(Duration round_trips) const {
  return std::max(config_.silence, std::min(round_trips * 2, config_.attempt_timeout));
}

void Core::hear(Instant now, uint32_t index, const region::Response& response) {
  Link& link = links_[index];
  if (response.correlation == kSignCorrelation && !link.silent)
    link.patience = patience_for((now - link.sign_asked_at) * 2);
  link.heard_at = now;
  link.silent = false;
}

void Core::watch(Instant now, uint32_t index) {
  Link& link = links_[index];
  if (link.watched) return;
  link.watched = true;
  link.watch_due = now + link.patience;
  watch_next_ = std::min(watch_next_, link.watch_due);
}

bool Core::owes_answers(uint32_t index) const {
  return std::any_of(slots_.begin(), slots_.end(),
                     [index](const Slot& slot) { return slot.state == State::sent && slot.link == index; });
}

void Core::check_silence(Instant now, uint32_t index) {
  Link& link = links_[index];
  if (link.heard_at + link.patience > now) {
    link.watch_due = link.heard_at + link.patience;
    return;
  }
  if (!link.silent && !owes_answers(index)) {
    link.watched = false;
    return;
  }
  if (link.sign_asked_at > link.heard_at && !link.silent) go_around(now, index);
  ask_for_sign(now, index);
}

void Core::ask_for_sign(Instant now, uint32_t index) {
  Link& link = links_[index];
  link.wants_sign = true;
  link.sign_asked_at = now;
  link.watch_due = now + link.patience;
  mark_ready(index);
}

// The node gave no sign: what it owes is asked elsewhere, except writes that may not be repeated; they wait.
void Core::go_around(Instant now, uint32_t index) {
  links_[index].silent = true;
  routes_.forget_coordinator(node_of(LinkId{index}));
  const std::string why = describe(node_of(LinkId{index})) + ": no sign of life";
  for (uint32_t i = 0; i < slots_.size(); ++i)
    if (slots_[i].state == State::sent && slots_[i].link == index && may_repeat(slots_[i]))
      handle_lost(now, i, why);
}

// ---- slow reads

void Core::measure(Instant now, const Slot& slot) {
  if (region::reads_key(slot.request.op) && !slot.question) hedges_.record(slot.region, now - slot.started);
}

// Whichever of the two attempts is answered first completes the read.
void Core::hedge(Instant now, uint32_t index) {
  Slot& slot = slots_[index];
  slot.may_hedge = false;
  const uint64_t tried = slot.tried;
  mark_tried(slot, node_of(LinkId{slot.link}));
  const auto link = pick(now, slot, index % config_.connections_per_node);
  if (link && !links_[*link].silent && hedges_.spend()) {
    ++hedged_;
    return enqueue(now, index, *link);
  }
  slot.tried = tried;
  arm(index, slot.attempt_due);
}

// ---- regions that are away

// Where a request begins: in the nearest region that is not away.
size_t Core::first_rank() const {
  if (!config_.any_region) return 0;
  for (size_t rank = 0; rank < config_.regions.size(); ++rank)
    if (!absences_.away(config_.regions[rank])) return rank;
  return 0;
}

bool Core::is_lost(RegionId region) const {
  const std::vector<NodeNumber>& nodes = topology_.region(region).nodes;
  return std::all_of(nodes.begin(), nodes.end(), [this](NodeNumber node) {
    for (uint32_t lane = 0; lane < config_.connections_per_node; ++lane) {
      const Link& link = links_[first_link_of(node) + lane];
      if (link.state == LinkState::up && !link.silent) return false;
    }
    return true;
  });
}

void Core::ask_whether_back(Instant now, RegionId region, const Bytes& key) {
  const uint32_t index = take_slot();
  Slot& slot = slots_[index];
  region::Request request;
  request.op = key.empty() ? region::Op::ping : region::Op::get;
  request.key = key;
  request.deadline_ms = kQuestionMs;
  prepare(now, slot, std::move(request), Target{std::nullopt, region});
  slot.question = true;
  ++questions_;
  route(now, index);
}

Instant Core::upkeep_due() const { return std::min(watch_next_, absences_.next_deadline()); }

void Core::upkeep(Instant now) {
  watch_next_ = Instant::never();
  for (uint32_t index = 0; index < links_.size(); ++index) {
    Link& link = links_[index];
    if (link.watched && link.watch_due <= now) check_silence(now, index);
    if (link.watched) watch_next_ = std::min(watch_next_, link.watch_due);
  }
  for (const topology::Region& region : topology_.regions)
    if (const Bytes* key = absences_.begin_question(now, region.id))
      ask_whether_back(now, region.id, Bytes(*key));
}

}  // namespace atolldb::client
