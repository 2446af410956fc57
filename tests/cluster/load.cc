#include "tests/cluster/load.h"

#include <chrono>
#include <utility>

#include "crdt/base/ensure.h"

namespace atolldb::tests {
namespace {

constexpr uint32_t kSteps = 5;       // of a round: see next()
constexpr uint32_t kSharedKeys = 4;  // sets and counters, each written by every region

region::Request request_of(region::Op op, Bytes key) {
  region::Request request;
  request.op = op;
  request.key = std::move(key);
  return request;
}

}  // namespace

Result<std::unique_ptr<RegionLoad>> RegionLoad::open(const topology::Topology& topology,
                                                     const LoadSpec& spec) {
  std::unique_ptr<RegionLoad> load(new RegionLoad(topology, spec));
  client::Options options;
  options.region = spec.region;
  options.node = spec.via;
  options.in_flight_max = kSessions + 1;
  auto client = client::Client::open(topology, options);
  if (!client) return client.error();
  load->client_ = *std::move(client);
  for (uint32_t i = 0; i < kSessions; ++i) {
    // Out of step with each other, so that whatever happens meets writes of all kinds.
    load->sessions_.push_back({i, i % kSteps, 0, 0, 0});
    load->ledger_.registers.push_back(
        {load->keys_.key("register:" + spec.label + ":" + std::to_string(i)), 0, {}});
  }
  return load;
}

RegionLoad::~RegionLoad() { stop(); }

// Sessions begin on the client's thread, which from then on owns the ledger.
void RegionLoad::start() {
  under_way_ = kSessions;
  region::Request ping;
  ping.deadline_ms = 1'000;
  const bool taken = client_->send(std::move(ping), [this](region::Response&&) {
    for (uint32_t i = 0; i < kSessions; ++i) next(i);
  });
  ensure(taken, "there is room for one more than the sessions send");
}

void RegionLoad::stop() {
  std::unique_lock hold(mutex_);
  stopping_ = true;
  changed_.wait(hold, [this] { return under_way_ == 0; });
}

bool RegionLoad::wait_for(uint64_t count, uint32_t limit_s) { return wait_until_more(done_, count, limit_s); }

bool RegionLoad::wait_for_rejected(uint64_t count, uint32_t limit_s) {
  return wait_until_more(rejected_, count, limit_s);
}

bool RegionLoad::wait_until_more(const uint64_t& counted, uint64_t count, uint32_t limit_s) {
  std::unique_lock hold(mutex_);
  const uint64_t wanted = counted + count;
  return changed_.wait_for(hold, std::chrono::seconds(limit_s), [&] { return counted >= wanted; });
}

Bytes RegionLoad::set_key(const Session& session) const {
  return keys_.key("set:" + std::to_string(session.number % kSharedKeys));
}
Bytes RegionLoad::count_key(const Session& session) const {
  return keys_.key("count:" + std::to_string(session.number % kSharedKeys));
}
Bytes RegionLoad::name_of(const Session& session) const {
  return spec_.label + ":" + std::to_string(session.number) + ":" + std::to_string(session.step);
}

// The five steps of a round: set a fresh key, add an element, count, set the register, and in every other
// round delete the key again.
void RegionLoad::next(uint32_t number) {
  Session& session = sessions_[number];
  {
    const std::lock_guard hold(mutex_);
    if (stopping_) {
      --under_way_;
      changed_.notify_all();
      return;
    }
  }
  const uint64_t step = session.step++;
  switch (step % kSteps) {
    case 0: {
      session.text = ledger_.texts.size();
      Text text{keys_.key("text:" + name_of(session)), "value of " + name_of(session), {}, {}};
      if (text.value.size() < spec_.bytes) text.value.resize(spec_.bytes, '.');
      ledger_.texts.push_back(std::move(text));
      region::Request request = request_of(region::Op::set, ledger_.texts.back().key);
      request.value = ledger_.texts.back().value;
      return send(number, std::move(request), &RegionLoad::enter_text);
    }
    case 1: {
      region::Request request = request_of(region::Op::sadd, set_key(session));
      request.args.push_back(name_of(session));
      ledger_.elements.push_back({request.key, name_of(session), {}});
      session.element = ledger_.elements.size() - 1;
      return send(number, std::move(request), &RegionLoad::enter_element);
    }
    case 2: {
      region::Request request = request_of(region::Op::add, count_key(session));
      request.amount = 1;
      return send(number, std::move(request), &RegionLoad::enter_count);
    }
    case 3: {
      region::Request request = request_of(region::Op::set, ledger_.registers[number].key);
      request.value = std::to_string(++session.value);
      return send(number, std::move(request), &RegionLoad::enter_register);
    }
    default:
      if ((step / kSteps) % 2 == 0) return next(number);
      return send(number, request_of(region::Op::del, ledger_.texts[session.text].key),
                  &RegionLoad::enter_delete);
  }
}

void RegionLoad::send(uint32_t number, region::Request&& request,
                      void (RegionLoad::*entry)(Session&, Outcome)) {
  request.deadline_ms = spec_.deadline_ms;
  const bool taken = client_->send(std::move(request), [this, number, entry](region::Response&& response) {
    (this->*entry)(sessions_[number], response.outcome);
    ledger_.tally(response);
    if (response.outcome != Outcome::unknown) {
      const std::lock_guard hold(mutex_);
      ++(response.outcome == Outcome::done ? done_ : rejected_);
      changed_.notify_all();
    }
    next(number);
  });
  ensure(taken, "sessions send no more than their client takes");
}

void RegionLoad::enter_text(Session& session, Outcome outcome) { ledger_.texts[session.text].set = outcome; }

void RegionLoad::enter_delete(Session& session, Outcome outcome) {
  ledger_.texts[session.text].deleted = outcome;
}

void RegionLoad::enter_element(Session& session, Outcome outcome) {
  ledger_.elements[session.element].added = outcome;
}

void RegionLoad::enter_count(Session& session, Outcome outcome) {
  Count& count = ledger_.counts[count_key(session)];
  if (outcome == Outcome::done) ++count.done;
  if (outcome == Outcome::unknown) ++count.unknown;
}

void RegionLoad::enter_register(Session& session, Outcome outcome) {
  Register& reg = ledger_.registers[session.number];
  if (outcome == Outcome::unknown) reg.unknown.push_back(session.value);
  if (outcome != Outcome::done) return;
  reg.done = session.value;
  reg.unknown.clear();
}

}  // namespace atolldb::tests
