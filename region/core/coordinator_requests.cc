// What clients ask of a coordinator: rules 8 to 10 and 14.

#include <algorithm>

#include "crdt/base/canary.h"
#include "crdt/context_codec.h"
#include "region/core/coordinator.h"
#include "region/core/look.h"
#include "region/core/mutate_seen.h"
#include "region/core/request_ids.h"

namespace atolldb::region {

namespace {
constexpr size_t kDeltaBytesMax = 24u << 20;  // fits a frame between nodes with room to spare
constexpr const char* kNoRoom = "this node takes no writes now: its disk or its memtables are full";
constexpr const char* kReserveOnly =
    "this node takes only removes now: its disk or its memtables are full; delete what is not needed, "
    "or give the disk more space";
constexpr size_t kUnsettledOfKeyMax = 16'384;
constexpr size_t kAnswerBytesLarge = 4096;  // smaller ones are bounded by the number of requests in work
constexpr size_t kAnswerBytesMax = 256u << 20;
constexpr uint64_t kIdAheadMaxMs = 24 * 3'600'000;  // a client cannot have been told a stamp that far ahead

Response failed(const Error& error) {
  Response response;
  response.outcome = Outcome::rejected;
  response.code = error.code;
  response.message = error.message;
  return response;
}

size_t answer_bytes(const Response& response) {
  size_t bytes = response.value.size();
  for (const Bytes& value : response.values) bytes += value.size();
  return bytes;
}
}  // namespace

Response Coordinator::filled(Response&& response) const {
  response.node = node_.self;
  response.coordinator = node_.self;
  response.epoch = epoch_;
  response.stamp_ms = present_stamp_ms();
  return std::move(response);
}

// At once, of rows that may hold what is not settled.
Response Coordinator::filled_for(const Request& request, Response&& response) {
  if (request.session && response.outcome == Outcome::done) answer_session(response, partition_.stamp);
  return filled(std::move(response));
}

void Coordinator::execute(const Request& request, const ReplyTo& to, Instant deadline) {
  if (request.op == Op::route) return node_.out.reply(to, filled(Response{}));
  const size_t n = partition_.replicas.size();
  if (request.r > n || request.w > n)
    return node_.out.reply(
        to, filled(failed(
                {Errc::invalid, "r=" + std::to_string(request.r) + " w=" + std::to_string(request.w) +
                                    " was asked for, but a key has " + std::to_string(n) + " replicas"})));
  if (!request.seen.empty() && decide_if_behind(request, to, deadline)) return;
  perform(request, to, deadline);
}

void Coordinator::perform(const Request& request, const ReplyTo& to, Instant deadline) {
  if (node_.out.refused_forwards().overtakes(to))  // what was ahead of it has been sent back since it came
    return node_.out.reply(to, filled(failed({Errc::unavailable, kWouldOvertake})));
  if (block(request, to, deadline)) return;
  if (!reads_key(request.op)) return write(request, to, deadline);
  Response response = look(node_, partition_, request);
  if (!request.seen.empty() && response.outcome == Outcome::done) response.behind = behind(request);
  if (response.behind) response.stale = true;  // as the session has chosen
  read(request, to, deadline, std::move(response));
}

Response look(NodeState& node, Partition& partition, const Request& request) {
  Response response;
  switch (request.op) {
    case Op::get: {
      auto shown = partition.data.read(request.key);
      if (!shown)
        response = failed(shown.error());
      else if (shown->type != crdt::Type::none && shown->type != crdt::Type::string)
        response = failed({Errc::wrong_type, kWrongType});
      else {
        response.found = shown->type == crdt::Type::string;
        response.value = std::move(shown->value);
        response.hidden = shown->hidden;
      }
      break;
    }
    case Op::smembers:
    case Op::sismember:
    case Op::smismember:
    case Op::scard:
    case Op::sample: {
      auto found = look_set(partition, request);
      response = found ? std::move(*found) : failed(found.error());
      break;
    }
    case Op::type:
    case Op::keys: {
      auto found = look_keys(node, partition, request);
      response = found ? std::move(*found) : failed(found.error());
      break;
    }
    case Op::hget:
    case Op::hgetall:
    case Op::hlen:
    case Op::hmget:
    case Op::siblings: {
      auto found = look_map(partition, request);
      response = found ? std::move(*found) : failed(found.error());
      break;
    }
    default:
      break;
  }
  if (node.damaged.contains(partition.id)) return failed({Errc::unavailable, kBeingRepaired});
  return response;
}

// Rule 8: the row as it stands; answered when every dot that was applied to the key is settled, and R-1
// replicas have confirmed, since the read began, that the epoch stands.
void Coordinator::read(const Request& request, const ReplyTo& to, Instant deadline, Response&& response) {
  const auto n = static_cast<uint32_t>(partition_.replicas.size());
  const uint32_t home_r = std::min(node_.home().r, n);
  // Whether one replica alone has all that the session has seen in this region, only a quorum can tell.
  const bool below_r =
      request.r != 0 && request.r < home_r && (request.seen.empty() || request.on_behind == OnBehind::stale);
  if (below_r) {  // this replica alone
    response.stale = true;
    return node_.out.reply(to, filled_for(request, std::move(response)));
  }
  const uint32_t r = std::max<uint32_t>(request.r, home_r);
  Waiting waiting;
  waiting.to = to;
  waiting.session = request.session;
  waiting.response = std::move(response);
  waiting.bulk = !partition_.unsettled_bulk().empty();
  waiting.confirmations = canary(Canary::read_without_confirming) ? 0 : r - 1;
  waiting.since = node_.now.monotonic;
  waiting.deadline = deadline;
  if (!canary(Canary::read_before_settled)) waiting.of_key = partition_.unsettled_of(request.key);
  if (canary(Canary::delete_not_waited_for) && !waiting.response.found) waiting.of_key.reset();
  waiting.up_to = partition_.last_entered();
  wait(std::move(waiting));
}

void Coordinator::answer(Waiting& waiting) {
  if (waiting.session)
    answer_session(waiting.response, waiting.stamp == crdt::Hlc{} ? shown_ : waiting.stamp);
  node_.out.reply(waiting.to, filled(std::move(waiting.response)));
}

void Coordinator::wait(Waiting&& waiting) {
  if (ripe(waiting)) return answer(waiting);
  waiting.bytes = answer_bytes(waiting.response);
  if (waiting.bytes < kAnswerBytesLarge) waiting.bytes = 0;
  if (!waiting.write && node_.answer_bytes + waiting.bytes > kAnswerBytesMax)
    return node_.out.reply(
        waiting.to,
        filled(failed({Errc::busy, "too many large answers of this node are under way; try again soon"})));
  node_.answer_bytes += waiting.bytes;
  ++node_.waiting;
  if (waiting.confirmations > 0) node_.confirm_wanted.insert(partition_.id);
  waiting_.push_back(std::move(waiting));
}

void Coordinator::forget(const Waiting& waiting) {
  --node_.waiting;
  node_.answer_bytes -= waiting.bytes;
}

bool Coordinator::ripe(const Waiting& waiting) const {
  if (waiting.own && partition_.is_unsettled(*waiting.own)) return false;
  if (waiting.of_key && !waiting.of_key->empty() && waiting.of_key->first() <= waiting.up_to) return false;
  if (waiting.bulk && !partition_.unsettled_bulk().empty()) return false;
  if (waiting.copies > 0 && holders(waiting.dot) < waiting.copies) return false;
  if (waiting.confirmations == 0) return true;
  if (waiting.round == 0 && !canary(Canary::confirmed_before_the_read)) return false;
  uint32_t standing = 0;
  for (const Follower& follower : followers_)
    if (follower.stands_round >= waiting.round && node_.peers.votes(follower.node)) ++standing;
  return standing >= waiting.confirmations;
}

void Coordinator::serve() {
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    if (!ripe(*at)) {
      ++at;
      continue;
    }
    answer(*at);
    forget(*at);
    at = waiting_.erase(at);
  }
  if (!blocked_.empty()) run_blocked();
  try_mark();
}

void Coordinator::assign_round(uint64_t round) {
  for (Waiting& waiting : waiting_)
    if (waiting.confirmations > 0 && waiting.round == 0) waiting.round = round;
  ask_everybody_ = false;
}

std::vector<NodeNumber> Coordinator::confirmers() const {
  uint32_t wanted = 0;
  for (const Waiting& waiting : waiting_) wanted = std::max(wanted, waiting.confirmations);
  std::vector<NodeNumber> out;
  for (const Follower& follower : followers_) {
    if (!ask_everybody_ && out.size() >= wanted) break;
    if (node_.peers.up(follower.node) && node_.peers.votes(follower.node)) out.push_back(follower.node);
  }
  return out;
}

void Coordinator::resign(const char* why) {
  for (Waiting& waiting : waiting_) {
    Response response;
    const bool open = waiting.write && !canary(Canary::deposed_is_rejected);
    response.outcome = open ? Outcome::unknown : Outcome::rejected;
    response.code = Errc::unavailable;
    response.message = why;
    node_.out.reply(waiting.to, std::move(response));
    forget(waiting);
  }
  waiting_.clear();
  reject_blocked(Errc::unavailable, why, Instant::never());
  for (Waiter& waiter : behind_) {  // not begun: whoever coordinates now takes them
    leave_behind(waiter);
    node_.returned.push_back({std::move(waiter.to), std::move(waiter.request), waiter.deadline});
  }
  behind_.clear();
}

// -- writes

// Above every stamp that entered, and above what a request id that is made now may name.
crdt::Hlc Coordinator::next_stamp() {
  const crdt::Hlc issued = node_.hlc.issue(node_.peers.clamped_wall(node_.now));
  return std::max(
      {issued, crdt::Hlc{partition_.stamp.value + 1}, crdt::Hlc::from_wall(partition_.ids_forgotten_ms + 1)});
}

uint64_t Coordinator::present_stamp_ms() const {
  return std::max(
      {partition_.stamp.wall_ms(), node_.hlc.highest().wall_ms(), partition_.ids_forgotten_ms + 1});
}

Result<crdt::Mutation> Coordinator::mutate(const Request& request, const Dot& dot, crdt::Hlc stamp) {
  std::vector<BytesView> elements(request.args.begin(), request.args.end());
  if (is_conditional(request)) return mutate_seen(partition_, request, dot, stamp);
  switch (request.op) {
    case Op::set:
      return partition_.data.set(request.key, request.value, dot, stamp);
    case Op::del:
      return partition_.data.del(request.key, dot, stamp);
    case Op::add:
      return partition_.data.add(request.key, request.amount, dot, stamp);
    case Op::sadd:
      return partition_.data.sadd(request.key, elements, dot, stamp);
    case Op::sreplace:
      return partition_.data.sreplace(request.key, elements, dot, stamp);
    case Op::srem:
      return partition_.data.srem(request.key, elements, dot, stamp);
    case Op::hset: {
      if (elements.empty() || elements.size() % 2 != 0)
        return {Errc::invalid,
                "fields and values come in pairs; found " + std::to_string(elements.size()) + " arguments"};
      std::vector<crdt::Replica::FieldValue> fields;
      for (size_t i = 0; i < elements.size(); i += 2) fields.emplace_back(elements[i], elements[i + 1]);
      return partition_.data.hset(request.key, fields, dot, stamp);
    }
    case Op::hdel:
      return partition_.data.hdel(request.key, elements, dot, stamp);
    case Op::hadd:
      if (elements.size() != 1)
        return {Errc::invalid,
                "an increment names one field; found " + std::to_string(elements.size()) + " arguments"};
      return partition_.data.hadd(request.key, elements[0], request.amount, dot, stamp);
    case Op::set_context: {
      if (elements.size() != 1)
        return {Errc::invalid, "a set with context has one context; found " +
                                   std::to_string(elements.size()) + " arguments"};
      auto context = crdt::decode_context(elements[0], request.key);
      if (!context) return context.error();
      return partition_.data.set_with_context(request.key, request.value, *context, dot, stamp);
    }
    default:
      return {Errc::invalid, "operation " + std::to_string(static_cast<int>(request.op)) +
                                 " is not one that this node knows"};
  }
}

bool Coordinator::has_room_for(const Request& request) const {
  return removes(request) ? node_.store.has_reserve() : node_.store.has_room();
}

// The store's threads take room away at any moment, and bring it back: what they do not keep up with waits,
// as it does where there is none at first (Router::place). A full disk is for the client to hear of.
void Coordinator::refuse_for_room(const Request& request, const ReplyTo& to, Instant deadline) {
  const auto wanted = removes(request) ? storage::Room::reserve : storage::Room::plenty;
  if (!node_.store.disk_full(wanted)) return node_.returned.push_back({to, request, deadline});
  const bool some = node_.store.room() == storage::Room::reserve;
  node_.out.reply(to, filled(failed({Errc::full, some ? kReserveOnly : kNoRoom})));
}

void Coordinator::write(const Request& request, const ReplyTo& from, Instant deadline) {
  Bytes request_id;
  if (request.id && decide_by_id(request, from, deadline, request_id)) return;
  if (!has_room_for(request)) return refuse_for_room(request, from, deadline);
  ReplyTo sure;  // nobody has counted it: it would have been found
  if (from.unsure) (sure = from).unsure = false;
  const ReplyTo& to = from.unsure ? sure : from;
  const auto in_flight = partition_.unsettled_of(request.key);
  if (partition_.unsettled().size() >= kUnsettledMax || node_.unsettled >= kUnsettledOfNodeMax ||
      (in_flight != nullptr && in_flight->size() >= kUnsettledOfKeyMax))
    return node_.out.reply(
        to, filled(failed({Errc::busy,
                           "too many writes are not acknowledged by enough replicas yet; try again soon"})));
  const Actor actor = canary(Canary::actor_kept) ? Actor{node_.self, 1, 1} : node_.actor();
  const Dot dot{actor, partition_.last_of(actor) + 1};
  const crdt::Hlc stamp = next_stamp();
  auto mutation = mutate(request, dot, stamp);
  if (node_.damaged.contains(partition_.id))
    return node_.out.reply(to, filled(failed({Errc::unavailable, kBeingRepaired})));
  // An answer that writes nothing tells what the row is: a read.
  if (!mutation) return read(request, to, deadline, failed(mutation.error()));
  Response response;
  response.number = mutation->count;
  response.value = std::move(mutation->value);
  response.found = takes_request_id(request.op) || mutation->found;
  response.values = std::move(mutation->values);
  if (!mutation->delta) return read(request, to, deadline, std::move(response));

  const Bytes bytes = crdt::encode(*mutation->delta);
  if (bytes.size() > kDeltaBytesMax)
    return node_.out.reply(to,
                           filled(failed({Errc::too_large, "the update has " + std::to_string(bytes.size()) +
                                                               " bytes with what it supersedes; at most " +
                                                               std::to_string(kDeltaBytesMax) +
                                                               " are allowed: send it in smaller parts"})));
  Waiting waiting;
  waiting.to = to;
  waiting.response = std::move(response);
  waiting.write = true;
  waiting.session = request.session;
  waiting.stamp = stamp;
  waiting.dot = dot;
  if (request.w > node_.home().w) waiting.copies = request.w;
  waiting.since = node_.now.monotonic;
  waiting.deadline = deadline;
  const bool tells_more = request.op != Op::set && request.op != Op::set_context;  // than its delta does
  if (tells_more && !canary(Canary::sum_before_settled)) {
    waiting.of_key = in_flight;
    waiting.up_to = partition_.last_entered();
    waiting.bulk = !partition_.unsettled_bulk().empty();
  }
  waiting.own = dot;
  Entry entry{stamp, request_id, bytes};
  if (entry.verdict = verdict_of(request); entry.verdict != Verdict::none)
    entry.epoch = entry.judged = epoch_;
  const Merged merged = partition_.merge(epoch_, entry, *mutation->delta);
  if (merged == Merged::damaged)
    return node_.out.reply(to, filled(failed({Errc::unavailable, kBeingRepaired})));
  if (merged == Merged::no_room) return refuse_for_room(request, from, deadline);
  ensure(merged == Merged::merged, "a fresh delta merges");
  entered(dot, entry);
  wait(std::move(waiting));
}

// Of an id that is not found: all replicas have told what they have, and none has lost it since.
bool Coordinator::nobody_else_can_bring(const RequestId& id) const {
  if (id.epoch == epoch_) return true;
  uint64_t lost_epoch = partition_.lost_epoch;
  for (const Follower& follower : followers_) lost_epoch = std::max(lost_epoch, follower.lost_epoch);
  return id.epoch < epoch_ && reported_by_all() && id.epoch.number > lost_epoch;
}

bool Coordinator::can_tell(const RequestId& id) const {
  if (const auto dot = RequestIds(node_.store, partition_.id).find(RequestIds::encode(id)))
    return partition_.data.clock().contains(*dot);
  return id.made_ms > partition_.ids_forgotten_ms && nobody_else_can_bring(id);
}

// Rule 14. A first attempt that names another epoch or too old a stamp is rejected: certainly nothing
// happened, for it was sent once and is here. A retry may have predecessors anywhere.
bool Coordinator::decide_by_id(const Request& request, const ReplyTo& to, Instant deadline, Bytes& id_bytes) {
  const RequestId& id = *request.id;
  const auto answer = [&](Outcome outcome, Errc code, const char* message) {
    Response response;
    response.outcome = outcome;
    response.code = code;
    response.message = message;
    node_.out.reply(to, filled(std::move(response)));
    return true;
  };
  if (!takes_request_id(request.op))
    return answer(Outcome::rejected, Errc::invalid, "only increments take a request id");
  const bool first = request.attempt <= 1;
  if (id.region != node_.region && !canary(Canary::request_id_of_elsewhere))
    return answer(first ? Outcome::rejected : Outcome::unknown, Errc::behind,
                  "the request id was made in another region: only that one can tell whether it was counted");
  id_bytes = RequestIds::encode(id);
  if (const auto dot = RequestIds(node_.store, partition_.id).find(id_bytes)) {
    if (!partition_.data.clock().contains(*dot))  // an exchange has brought the id, and not yet what it names
      return answer(Outcome::unknown, Errc::unavailable,
                    "the increment was counted, and this replica is still fetching it: try again soon");
    Waiting waiting;
    waiting.to = to;
    waiting.bulk = !partition_.unsettled_bulk().empty();
    waiting.write = true;
    waiting.session = request.session;
    waiting.since = node_.now.monotonic;
    waiting.deadline = deadline;
    waiting.own = *dot;
    wait(std::move(waiting));
    return true;
  }
  if (id.made_ms > present_stamp_ms() + kIdAheadMaxMs)
    return answer(Outcome::rejected, Errc::invalid,
                  "the request id names a stamp that no node of this region has told");
  if (id.made_ms <= partition_.ids_forgotten_ms)
    return answer(first ? Outcome::rejected : Outcome::unknown, Errc::behind,
                  "the request id is older than this node's memory of ids");
  if (id.epoch == epoch_) return false;
  if (first)
    return answer(Outcome::rejected, Errc::behind,
                  "the partition has a new coordinator: make a new request id");
  if (canary(Canary::retry_runs_early)) return false;
  if (!nobody_else_can_bring(id))
    return answer(Outcome::unknown, Errc::unavailable,
                  "not every replica has reported since the request id was made: whether it was counted is "
                  "not known yet");
  return false;
}

}  // namespace atolldb::region
