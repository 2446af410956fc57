#include "region/core/router.h"

#include <algorithm>
#include <utility>

#include "crdt/base/canary.h"
#include "region/core/look.h"
#include "region/core/request_codec.h"

namespace atolldb::region {

namespace {
constexpr Duration kAwaitedMax = Duration::seconds(1);

// A retry that is refused so was decided upon before, and found that nobody had counted it.
bool tells_that_it_never_ran(Errc code) { return code == Errc::wrong_type || code == Errc::overflow; }

bool is_read(Op op) { return reads_key(op) || op == Op::route; }

PartitionId partition_of(const Placement& placement, const Request& request) {
  if (request.op != Op::keys) return placement.place(request.key).partition;
  const auto hash = place_of(request);
  return placement.partition_of(hash ? *hash : 0);
}
}  // namespace

void Router::reject(const ReplyTo& to, Errc code, std::string message, NodeNumber coordinator) {
  Response response;
  response.outcome = Outcome::rejected;
  response.code = code;
  response.message = std::move(message);
  response.node = node_.self;
  response.coordinator = coordinator;
  node_.out.reply(to, std::move(response));
}

void Router::handle(const ReplyTo& to, Request&& request) {
  take_returned();  // of what waited at a coordinator: this comes behind it
  if (request.key.size() > crdt::kKeyBytesMax)
    return reject(to, Errc::too_large,
                  "the key has " + std::to_string(request.key.size()) + " bytes; at most " +
                      std::to_string(crdt::kKeyBytesMax) + " are allowed");
  for (const SeenIn& seen : request.seen)
    if (raw(seen.region) >= node_.topology.regions.size())
      return reject(to, Errc::invalid,
                    "the session names region number " + std::to_string(raw(seen.region)) +
                        ", but the topology has " + std::to_string(node_.topology.regions.size()) +
                        " regions");
  if (in_work() >= kInWorkMax)
    return reject(to, Errc::busy, "this node has too many requests in work; try again soon");
  if (node_.leaving) return reject(to, Errc::unavailable, "this node is stopping; use another one");
  const uint32_t deadline_ms =
      std::min(request.deadline_ms == 0 ? kDeadlineDefaultMs : request.deadline_ms, kDeadlineMaxMs);
  Job job;
  job.to = to;
  job.to.turn = ++turns_;
  job.deadline = node_.now.monotonic + Duration::millis(deadline_ms);
  job.partition = partition_of(node_.topology.placement, request);
  job.request = std::move(request);
  // What this replica lacks of all that a session has seen, it cannot tell: the coordinator can.
  if (job.request.local && !job.request.seen.empty() && job.request.on_behind != OnBehind::stale)
    job.request.local = false;
  if (job.request.local) return answer_locally(job);
  if (waits_behind(job)) return park_or_hold(std::move(job));
  // A connection's commands for a key stay in their order: nobody overtakes what is parked.
  if (parked_.contains(job.partition)) return park(std::move(job));
  const Placed placed = place(job);
  job.no_room = placed == Placed::no_room;
  if (job.no_room) ++node_.slowed;
  if (placed != Placed::yes) park(std::move(job));
}

void Router::take_returned() {
  for (NodeState::Returned& one : std::exchange(node_.returned, {})) {
    Job job;
    job.partition = partition_of(node_.topology.placement, one.request);
    job.to = std::move(one.to);
    job.request = std::move(one.request);
    job.deadline = one.deadline;
    if (std::exchange(job.to.unsure, false)) {
      job.named = true;
      wait_again(std::move(job));
    } else {
      park(std::move(job));
    }
  }
}

void Router::park(Job&& job) {
  const size_t bytes = bytes_of(job.request);
  if (parked_bytes_ + bytes > kParkedBytesMax)
    return reject(job.to, Errc::busy, "this node has too many requests in work; try again soon");
  parked_bytes_ += bytes;
  ++parked_count_;
  auto& jobs = parked_[job.partition];
  const uint64_t turn = job.to.turn;
  jobs.emplace(turn, std::move(job));
}

// Nothing overtakes an increment of its connection and key that may be counted yet.
void Router::park_or_hold(Job&& job) {
  if (std::exchange(job.named, false)) job.request.id.reset();  // nothing has happened under that name
  if (!waits_behind(job)) return park(std::move(job));
  const size_t bytes = bytes_of(job.request);
  if (parked_bytes_ + bytes > kParkedBytesMax)
    return reject(job.to, Errc::busy, "this node has too many requests in work; try again soon");
  parked_bytes_ += bytes;
  ++behind_;
  const uint64_t turn = job.to.turn;
  undecided_.at(from(job)).behind.emplace(turn, std::move(job));
}

void Router::left(const Job& parked) {
  parked_bytes_ -= bytes_of(parked.request);
  --parked_count_;
}

void Router::answer_locally(const Job& job) {
  Partition* partition = partition_(job.partition);
  if (partition == nullptr) return reject(job.to, Errc::refused, "this node holds no replica of the key");
  if (!reads_key(job.request.op))
    return reject(job.to, Errc::invalid, "only reads may ask for this node alone");
  if (node_.standing != Standing::vote)  // it has no vote in R, and this would be R=1
    return reject(job.to, Errc::unavailable,
                  node_.standing == Standing::lost
                      ? "this node has lost its memory, and gets it back from others now"
                      : "this node is starting, and does not know yet whether its disk is its latest");
  Response response = look(node_, *partition, job.request);
  response.stale = true;
  response.node = node_.self;
  node_.out.reply(job.to, std::move(response));
}

std::optional<NodeNumber> Router::believed_coordinator(PartitionId partition) const {
  const Partition* mine = partition_(partition);
  const Epoch highest = mine != nullptr ? mine->highest() : Epoch{};
  const auto way = ways_.find(partition);
  if (way != ways_.end() && raw(way->second.hint) != 0 && way->second.hint_at == highest &&
      node_.peers.up(way->second.hint))
    return way->second.hint;
  if (highest.number > 0 && highest.node != node_.self && node_.peers.up(highest.node) &&
      !node_.peers.find(highest.node)->leaving)
    return highest.node;
  for (const NodeNumber replica : node_.ring().replicas(partition)) {
    if (replica == node_.self) continue;
    const Peer* peer = node_.peers.find(replica);
    if (peer->up && peer->vote && !peer->leaving) return replica;
  }
  return std::nullopt;
}

void Router::note_hint(PartitionId partition, const Response& response) {
  const NodeNumber said = response.coordinator;
  Way& way = ways_[partition];
  way.hint = said == node_.self ? NodeNumber{} : said;
  const Partition* mine = partition_(partition);
  way.hint_at = mine != nullptr ? mine->highest() : Epoch{};
}

// Whether something may go another way than what is under way.
bool Router::may_go(Way& way) const {
  if (way.under_way.empty()) return true;
  if (!way.awaited_since) way.awaited_since = node_.now.monotonic;
  return false;
}

Router::Placed Router::place(Job& job) {
  const PartitionId partition = job.partition;
  if (Coordinator* coordinator = coordinator_(partition)) {
    if (!coordinator->active() || coordinator->handing_over() || partition_(partition)->applying())
      return Placed::nobody;
    // Writers that are faster than checkpoints are slowed. A full disk is theirs to hear of.
    const auto wanted = removes(job.request) ? storage::Room::reserve : storage::Room::plenty;
    if (!is_read(job.request.op) && node_.store.room() < wanted && !node_.store.disk_full(wanted))
      return Placed::no_room;
    if (job.unsure && !coordinator->can_tell(*job.request.id)) return Placed::nobody;
    if (const auto way = ways_.find(partition);
        way != ways_.end() && !job.request.forwarded && !may_go(way->second))
      return Placed::nobody;
    if (job.unsure) decided(job);  // or told anew, where it is handed back
    job.to.unsure = job.unsure;
    coordinator->execute(job.request, job.to, job.deadline);
    take_returned();
    return Placed::yes;
  }
  const auto to = believed_coordinator(partition);
  if (job.request.forwarded) {
    reject(job.to, Errc::unavailable, "this node does not coordinate the key's partition",
           to.value_or(NodeNumber{}));
    return Placed::yes;
  }
  return to ? forward(job, *to) : Placed::nobody;
}

Router::Placed Router::forward(Job& job, NodeNumber to) {
  Way& way = ways_[job.partition];
  if ((way.sent_back || way.to != to) && !may_go(way)) return Placed::nobody;
  way.to = to;
  if (takes_request_id(job.request.op) && !job.request.id) name(job);
  job.request.forwarded = true;  // while it is encoded: it may yet be placed here
  job.request.deadline_ms =
      static_cast<uint32_t>(std::max<int64_t>(1, (job.deadline - node_.now.monotonic).as_millis()));
  const Request* const one[] = {&job.request};
  const Bytes bytes = encode_requests(one);
  job.request.forwarded = false;
  const uint64_t token = ++next_token_;
  way.under_way.push_back(token);
  node_.out.send(to, Forward{token, bytes, way.refused});
  job.sent_to = to;
  forwarded_.emplace(token, std::move(job));
  return Placed::yes;
}

// A write of its connection and key that was sent behind this read may have happened: whether it was among
// those whose answers had come when something was sent back, nobody knows any more, and any may have been.
bool Router::overtaken(const Way& way, const Job& job) const {
  return is_read(job.request.op) && job.to.turn < way.written && is_ordered(job);
}

void Router::note_written(Way& way, const Job& job) {
  if (is_read(job.request.op) || !is_ordered(job)) return;
  if (!way.sent_back) {
    way.written = std::max(way.written, job.to.turn);
    return;
  }
  uint64_t& latest = way.written_by[from(job)];
  latest = std::max(latest, job.to.turn);
}

Response Router::read_again() const {
  Response response;
  response.outcome = Outcome::rejected;
  response.code = Errc::timeout;
  response.message =
      "the coordinator changed, and a write that was sent behind this read may have happened: read again";
  response.node = node_.self;
  return response;
}

// Reads that were sent back, and would show now what their connection wrote after them.
void Router::reject_overtaken(PartitionId partition, const std::map<From, uint64_t>& written) {
  if (written.empty()) return;
  const auto overtaken = [&](const Job& job) {
    if (!is_read(job.request.op)) return false;
    const auto by = written.find(from(job));
    return by != written.end() && job.to.turn < by->second;
  };
  if (const auto of = parked_.find(partition); of != parked_.end()) {
    std::erase_if(of->second, [&](const auto& parked) {
      if (!overtaken(parked.second)) return false;
      node_.out.reply(parked.second.to, read_again());
      left(parked.second);
      return true;
    });
    if (of->second.empty()) parked_.erase(of);
  }
  for (const auto& [where, turn] : written) {
    const auto undecided = undecided_.find(where);
    if (undecided == undecided_.end()) continue;
    auto& behind = undecided->second.behind;
    for (auto at = behind.begin(); at != behind.end();) {
      const auto one = at++;
      if (!overtaken(one->second)) continue;
      node_.out.reply(one->second.to, read_again());
      parked_bytes_ -= bytes_of(one->second.request);
      --behind_;
      behind.erase(one);
    }
  }
}

// What was sent after this one will come back, too. What was sent before it is carried out where it is.
void Router::sent_back(PartitionId partition, uint64_t token) {
  Way& way = ways_.at(partition);
  if (way.sent_back && way.from_token <= token) return;
  way.sent_back = true;
  way.from_token = token;
  const auto behind = std::upper_bound(way.under_way.begin(), way.under_way.end(), token);
  way.to_come_back = static_cast<size_t>(way.under_way.end() - behind);
}

void Router::came_back(PartitionId partition, uint64_t token) {
  Way& way = ways_.at(partition);
  way.under_way.erase(std::lower_bound(way.under_way.begin(), way.under_way.end(), token));
  if (way.sent_back) {
    if (token > way.from_token) --way.to_come_back;
    if (way.to_come_back > 0) return;
    way.sent_back = false;
    reject_overtaken(partition, std::exchange(way.written_by, {}));
  } else if (!way.under_way.empty()) {
    return;
  }
  if (way.awaited_since.has_value()) {
    way.awaited_since.reset();
    take_returned();
    retry_unsure(partition);
    go_on_behind();
    while (retry_first(partition)) continue;
  }
}

void Router::on_forward(NodeNumber from, uint32_t process, const Forward& forward) {
  const bool fresh = seen_[from].take(process, forward.token);
  if (!fresh && !canary(Canary::forwarded_twice)) return;
  auto requests = decode_requests(forward.request);
  if (!requests || requests->size() != 1) return;
  Request& request = requests->front();
  request.forwarded = true;
  ReplyTo to;
  to.correlation = request.correlation;
  to.via = from;
  to.token = forward.token;
  to.process = process;
  to.partition = partition_of(node_.topology.placement, request);
  to.in_order = request.attempt <= 1;  // who asks again makes what comes behind wait by itself
  to.heard = forward.refused;
  if (node_.out.refused_forwards().overtakes(to))
    return reject(to, Errc::unavailable, kWouldOvertake, node_.self);
  handle(to, std::move(request));
}

void Router::on_forward_reply(NodeNumber from, const ForwardReply& reply) {
  const auto at = forwarded_.find(reply.token);
  if (at == forwarded_.end() || at->second.sent_to != from) return;
  auto responses = decode_responses(reply.response);
  if (!responses || responses->size() != 1) return;
  const PartitionId partition = at->second.partition;
  Job job = std::move(at->second);
  forwarded_.erase(at);
  Response& response = responses->front();
  Way& way = ways_.at(partition);
  if (is_sent_back(response)) {
    way.refused = std::max(way.refused, reply.token);
    sent_back(partition, reply.token);
    note_hint(partition, response);
    if (overtaken(way, job)) response = read_again();
  } else if (response.outcome != Outcome::rejected) {
    note_written(way, job);
  }
  heard(std::move(job), std::move(response));
  came_back(partition, reply.token);
  go_on_behind();
}

void Router::heard(Job&& job, Response&& response) {
  if (job.named && node_.now.monotonic < job.deadline && ask_again(job, response)) return;
  if (response.outcome == Outcome::rejected && response.code == Errc::unavailable &&
      node_.now.monotonic < job.deadline)
    return park_or_hold(std::move(job));  // certainly nothing happened
  if (job.unsure && response.outcome == Outcome::rejected && !tells_that_it_never_ran(response.code))
    return answer_unknown(job);  // so much for this attempt
  node_.out.reply(job.to, std::move(response));
  if (job.unsure) decided(job);
}

void Router::on_peer_down(NodeNumber node) {
  for (auto& [partition, way] : ways_)
    if (way.hint == node) way.hint = {};
  give_up([node](const Job& job) { return job.sent_to == node; },
          "node " + node_.name_of(node) + " went down while it had the write in work; it may have happened");
}

void Router::give_up(const std::function<bool(const Job&)>& which, const std::string& why) {
  std::vector<std::pair<uint64_t, Job>> jobs;  // with their tokens
  for (auto at = forwarded_.begin(); at != forwarded_.end();) {
    const auto one = at++;
    if (!which(one->second)) continue;
    jobs.emplace_back(one->first, std::move(one->second));
    forwarded_.erase(one);
  }
  for (const auto& [token, job] : jobs) {  // some go again; what a partition has under way is at one node
    Way& way = ways_.at(job.partition);
    way.sent_back = true;
    way.from_token = 0;
    way.to_come_back = way.under_way.size();
  }
  for (auto& [token, job] : jobs) {
    const PartitionId partition = job.partition;
    Way& way = ways_.at(partition);
    if (!is_read(job.request.op)) note_written(way, job);
    if (overtaken(way, job)) {
      Response response = read_again();
      node_.out.reply(job.to, std::move(response));
    } else if (is_read(job.request.op)) {
      park_or_hold(std::move(job));
    } else if (job.named) {
      wait_again(std::move(job));
    } else {
      Response response;
      response.outcome = Outcome::unknown;
      response.code = Errc::unavailable;
      response.message = why;
      response.node = node_.self;
      node_.out.reply(job.to, std::move(response));
    }
    came_back(partition, token);
  }
}

// All partitions' in turn: what there is room for goes to those that have waited longest.
void Router::retry_parked() {
  take_returned();
  std::vector<PartitionId> unsure;
  for (const auto& [partition, jobs] : unsure_) unsure.push_back(partition);
  for (const PartitionId partition : unsure) retry_unsure(partition);
  go_on_behind();
  std::set<std::pair<uint64_t, PartitionId>> first;
  for (const auto& [partition, jobs] : parked_) first.emplace(jobs.begin()->first, partition);
  while (!first.empty()) {
    const PartitionId partition = first.begin()->second;
    first.erase(first.begin());
    if (!retry_first(partition)) continue;
    if (const auto of = parked_.find(partition); of != parked_.end())
      first.emplace(of->second.begin()->first, partition);
  }
}

// False: nothing of the partition is parked, or its first request, and with it all others, cannot go yet.
bool Router::retry_first(PartitionId partition) {
  const auto of = parked_.find(partition);
  if (of == parked_.end()) return false;
  auto taken = of->second.extract(of->second.begin());
  if (of->second.empty()) parked_.erase(of);
  Job& job = taken.mapped();
  left(job);  // who is placed may be parked anew in there, behind its likes
  if (waits_behind(job)) {
    park_or_hold(std::move(job));
    return true;
  }
  const uint64_t turn = taken.key();
  const Placed placed = place(job);
  if (placed == Placed::yes) {
    const auto again = parked_.find(partition);  // it came back at once, for lack of room
    return again == parked_.end() || !again->second.contains(turn);
  }
  job.no_room = placed == Placed::no_room;
  parked_bytes_ += bytes_of(job.request);
  ++parked_count_;
  parked_[partition].insert(std::move(taken));
  return false;
}

void Router::tick() {
  expire_unsure();
  retry_parked();
  expire_parked();
  expire_forwarded();
  go_on_behind();
}

void Router::expire_parked() {
  const auto expired = [&](const auto& parked) {
    const Job& job = parked.second;
    if (node_.now.monotonic < job.deadline) return false;
    if (job.no_room)
      reject(job.to, Errc::busy, "checkpoints do not keep up with the writes of this node; try again soon");
    else
      reject(job.to, Errc::unavailable,
             "the key's partition has no coordinator in this region now: too few of its replicas are up");
    left(job);
    return true;
  };
  for (auto of = parked_.begin(); of != parked_.end();) {
    std::erase_if(of->second, expired);
    of = of->second.empty() ? parked_.erase(of) : std::next(of);
  }
}

void Router::expire_forwarded() {
  const Instant now = node_.now.monotonic;
  std::set<PartitionId> stuck;
  for (const auto& [partition, way] : ways_)
    if (way.awaited_since && *way.awaited_since + kAwaitedMax <= now) stuck.insert(partition);
  if (!stuck.empty())
    give_up(
        [&stuck](const Job& job) { return stuck.contains(job.partition); },
        "the node that was to coordinate the key does not answer, and another one takes over; the write may "
        "have happened");
  std::vector<std::pair<PartitionId, uint64_t>> answered;
  for (auto at = forwarded_.begin(); at != forwarded_.end();) {
    // The coordinator answers at its own deadline; this one is for answers that were lost.
    if (now < at->second.deadline + Duration::millis(200)) {
      ++at;
      continue;
    }
    Response response;
    response.outcome = is_read(at->second.request.op) ? Outcome::rejected : Outcome::unknown;
    response.code = Errc::timeout;
    response.message = "the coordinator did not answer before the deadline";
    response.node = node_.self;
    note_written(ways_.at(at->second.partition), at->second);
    node_.out.reply(at->second.to, std::move(response));
    if (at->second.unsure) decided(at->second);
    answered.emplace_back(at->second.partition, at->first);
    at = forwarded_.erase(at);
  }
  for (const auto& [partition, token] : answered) came_back(partition, token);
}

}  // namespace atolldb::region
