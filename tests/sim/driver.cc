#include "tests/sim/driver.h"

#include <algorithm>

#include "region/core/request_ids.h"
#include "tests/sim/claim.h"
#include "tests/sim/field_key.h"

namespace atolldb::sim {

using region::Op;
using region::Outcome;

Driver::Driver(World& world, const Plan& plan, History& history)
    : world_(world), plan_(plan), history_(history), clients_(plan.clients) {
  history_.reserve(plan.operations.size());
  if (!plan.operations.empty()) world_.at(plan.operations[0].at, [this] { due(plan_.operations[0]); });
}

bool Driver::idle() const {
  return next_ == plan_.operations.size() &&
         std::all_of(clients_.begin(), clients_.end(),
                     [](const Client& c) { return c.current < 0 && c.queue.empty(); });
}

void Driver::due(const PlannedOperation& planned) {
  if (++next_ < plan_.operations.size())
    world_.at(plan_.operations[next_].at, [this, next = next_] { due(plan_.operations[next]); });
  Client& client = clients_[planned.client];
  if (client.current < 0)
    begin(planned.client, planned);
  else if (client.queue.size() < kQueueMax)
    client.queue.push_back(&planned);
}

void Driver::begin(uint32_t index, const PlannedOperation& planned) {
  Client& client = clients_[index];
  client.current = static_cast<int64_t>(history_.size());
  client.routed = client.may_have_happened = false;
  client.refused = 0;
  client.dice = planned.dice;
  Operation operation;
  operation.id = planned.id;
  operation.client = planned.client;
  operation.region = planned.region;
  operation.op = planned.op;
  operation.key = planned.key;
  operation.value = planned.value;
  operation.elements = planned.elements;
  operation.amount = planned.amount;
  operation.local = planned.local;
  operation.condition = planned.condition;
  operation.session = planned.session;
  operation.session_number = client.session_number;
  operation.on_behind = planned.on_behind;
  for (const region::SeenIn& one : client.seen)
    if (planned.session && raw(one.region) != planned.region) operation.carries = true;
  operation.invoked = last_news_ = world_.now();
  history_.push_back(std::move(operation));
  send(index);
}

// A node of the region; its dice, so that a shorter plan leaves the choices of others alone.
uint32_t Driver::choose(Client& client, uint32_t region) {
  Prng dice(client.dice);
  client.dice = dice.next();
  return world_.machine(region, static_cast<uint32_t>(dice.below(world_.options().nodes)));
}

// Some retries of what may have happened go to another region, which must not run them.
uint32_t Driver::where(Client& client, uint32_t home) {
  if (!client.may_have_happened || world_.options().regions == 1) return home;
  Prng dice(client.dice);
  client.dice = dice.next();
  if (!dice.chance(1, 8)) return home;
  const uint32_t other = static_cast<uint32_t>(dice.below(world_.options().regions - 1));
  return other < home ? other : other + 1;
}

region::Request Driver::request_of(const Client& client, const Operation& operation) const {
  region::Request request;
  request.key = key_of(operation.key);
  request.deadline_ms = kDeadlineMs;
  if (operation.op == Op::add && !client.routed) {
    request.op = Op::route;
    return request;
  }
  request.op = operation.op;
  request.value = operation.value;
  request.args = operation.elements;
  request.amount = operation.amount;
  request.local = operation.local;
  request.condition = operation.condition;
  if (operation.session) {
    request.session = true;
    request.seen = client.seen;
    request.on_behind = operation.on_behind;
  }
  if (operation.op == Op::add) {
    request.id = client.id;
    request.attempt = client.may_have_happened ? 2 : 1;
  }
  if (is_field_key(operation.key)) {
    request.args = {field_of(operation.key)};
    if (operation.op == Op::set) request.args.push_back(std::exchange(request.value, {}));
    request.op = operation.op == Op::set   ? Op::hset
                 : operation.op == Op::get ? Op::hget
                 : operation.op == Op::del ? Op::hdel
                                           : Op::hadd;
  }
  return request;
}

void Driver::send(uint32_t index) {
  Client& client = clients_[index];
  Operation& operation = history_[static_cast<size_t>(client.current)];
  ++operation.attempts;
  operation.machine = choose(client, where(client, operation.region));
  const uint64_t attempt = client.attempt = ++attempts_;
  if (!world_.running(operation.machine)) {  // refused: certainly nothing happened
    if (++client.refused < 10) return again(index, Duration::millis(20));
    region::Response response;
    response.outcome = client.may_have_happened ? Outcome::unknown : Outcome::rejected;
    response.code = Errc::unavailable;
    return end(index, &response);
  }
  world_.request(operation.machine, request_of(client, operation),
                 [this, index, attempt](const region::Response* response) {
                   if (clients_[index].attempt == attempt) answered(index, response);
                 });
  world_.at(world_.now() + kPatience, [this, index, attempt] {
    if (clients_[index].attempt == attempt) answered(index, nullptr);
  });
}

void Driver::again(uint32_t index, Duration pause) {
  Client& client = clients_[index];
  const uint64_t attempt = client.attempt = ++attempts_;
  if (history_[static_cast<size_t>(client.current)].attempts >= kAttemptsMax) {
    region::Response response;
    response.outcome = client.may_have_happened ? Outcome::unknown : Outcome::rejected;
    return end(index, &response);
  }
  world_.at(world_.now() + pause, [this, index, attempt] {
    if (clients_[index].attempt == attempt) send(index);
  });
}

void Driver::answered(uint32_t index, const region::Response* response) {
  Client& client = clients_[index];
  const Operation& operation = history_[static_cast<size_t>(client.current)];
  if (operation.op != Op::add) return end(index, response);
  if (!client.routed) return answered_route(index, response);
  answered_add(index, response);
}

// An increment is named after the partition's present epoch and stamp.
void Driver::answered_route(uint32_t index, const region::Response* response) {
  Client& client = clients_[index];
  if (response == nullptr || response->outcome != Outcome::done) return again(index, Duration::millis(50));
  Operation& operation = history_[static_cast<size_t>(client.current)];
  client.routed = true;
  client.id = {RegionId{static_cast<uint16_t>(operation.region)}, response->epoch, response->stamp_ms,
               uint64_t{operation.id} << 20 | operation.attempts};
  operation.request_id = region::RequestIds::encode(client.id);
  send(index);
}

void Driver::answered_add(uint32_t index, const region::Response* response) {
  Client& client = clients_[index];
  Operation& operation = history_[static_cast<size_t>(client.current)];
  if (response != nullptr && response->outcome == Outcome::done) {
    if (client.may_have_happened) world_.probes().hit(Probe::retry_found);
    return end(index, response);
  }
  if (response != nullptr && response->outcome == Outcome::rejected) {
    if (response->code == Errc::behind) world_.probes().hit(Probe::request_id_behind);
    const bool lasting = response->code == Errc::wrong_type || response->code == Errc::invalid ||
                         response->code == Errc::overflow || response->code == Errc::too_large;
    if (!client.may_have_happened && lasting) return end(index, response);
    if (!client.may_have_happened) client.routed = false;  // nothing happened: a new name
    // What a retry is told of the type or the number says nothing of the attempt before it.
    if (client.may_have_happened && lasting) {
      region::Response open;
      return open.outcome = Outcome::unknown, end(index, &open);
    }
    return again(index, Duration::millis(50));
  }
  client.may_have_happened = operation.retried = true;
  again(index, Duration::millis(100));
}

void Driver::end(uint32_t index, const region::Response* response) {
  Client& client = clients_[index];
  Operation& operation = history_[static_cast<size_t>(client.current)];
  client.attempt = ++attempts_;
  last_news_ = world_.now();
  if (response != nullptr) {
    operation.answered = true;
    operation.returned = world_.now();
    operation.outcome = response->outcome;
    operation.code = response->code;
    operation.found = response->found;
    operation.stale = response->stale;
    operation.values = response->values;
    operation.whole = operation.op == Op::smembers && response->value.empty();
    if (operation.op == Op::get || operation.op == Op::add) operation.shown = response->value;
    operation.number = response->number;
    operation.hidden = response->hidden;
    operation.by = response->node;
    if (operation.session) {
      region::join(client.seen,
                   {RegionId{static_cast<uint16_t>(world_.region_of(operation.machine))}, response->seen});
      client.behinds = operation.rejected() && response->behind ? client.behinds + 1 : 0;
      if (client.behinds >= kBehindsMax) {
        client.seen.clear();
        client.behinds = 0;
        ++client.session_number;
      }
    }
    if (operation.hidden > 0) world_.probes().hit(Probe::sibling_kept);
    if (response->code == Errc::full && operation.rejected()) world_.probes().hit(Probe::write_refused_full);
    if (response->outcome != Outcome::done &&
        response->message.find("another node has taken over") != std::string::npos && operation.writes())
      world_.probes().hit(Probe::write_deposed);
    if (operation.done() && operation.writes()) claim(operation);
  }
  client.current = -1;
  if (client.queue.empty()) return;
  const PlannedOperation& next = *client.queue.front();
  client.queue.pop_front();
  begin(index, next);
}

void Driver::claim(Operation& operation) {
  if ((operation.op == Op::del || operation.op == Op::srem) && operation.number == 0)
    return;  // nothing was there
  if (operation.condition_failed()) return;
  Facts& facts = world_.facts();
  const auto index = update_of(operation, facts, world_.topology(), std::min(plan_.world.w, plan_.world.n));
  if (!index) return;
  Update& update = facts.updates()[*index];
  update.op = static_cast<int32_t>(&operation - history_.data());
  operation.update = *index;
  operation.holders = facts.holders(update);
}

}  // namespace atolldb::sim
