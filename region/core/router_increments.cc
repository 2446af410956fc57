// Increments that this node has named for clients that do not name theirs, as those of Redis and HTTP: rule
// 14 and docs/decisions/0005-request-ids.md. What the client library does for its own, a node does here for
// those that it sends to another one.

#include <algorithm>

#include "region/core/router.h"

namespace atolldb::region {

namespace {
constexpr int64_t kAgainFirstMs = 20, kAgainMostMs = 500;
constexpr size_t kRequestBytes = 8, kDoorBytes = 1;

bool may_pass(Errc code) {
  return code == Errc::busy || code == Errc::full || code == Errc::unavailable || code == Errc::behind ||
         code == Errc::timeout;
}
}  // namespace

// Of the names that doors give requests of one connection, all but the last eight bytes are the same
// (resp_server.h). Shorter names are of requests that have no order among themselves.
bool Router::is_ordered(const Job& job) {
  return job.to.token == 0 && job.to.client.size() > kDoorBytes + kRequestBytes;
}

Router::From Router::from(const Job& job) {
  const Bytes& name = job.to.client;
  return {is_ordered(job) ? name.substr(0, name.size() - kRequestBytes) : Bytes(), job.request.key};
}

bool Router::waits_behind(const Job& job) const {
  return !undecided_.empty() && !job.unsure && is_ordered(job) && undecided_.contains(from(job));
}

// Under the epoch that the partition's coordinator most likely has. Where that is another one, the first
// attempt is rejected, and the answer says which.
void Router::name(Job& job) {
  Told told;
  if (const auto at = told_.find(job.partition); at != told_.end()) told = at->second;
  if (const Partition* mine = partition_(job.partition)) {
    if (!job.renamed) told.epoch = std::max(told.epoch, mine->highest());
    told.stamp_ms = std::max(told.stamp_ms, mine->stamp.wall_ms());
  }
  job.request.id = RequestId{node_.region, told.epoch, told.stamp_ms, node_.prng.next()};
  job.request.attempt = 1;
  job.named = true;
}

void Router::note_told(const Response& response, PartitionId partition) {
  if (response.epoch.number != 0) told_[partition] = {response.epoch, response.stamp_ms};
}

// True: the answer was none yet, and the job is under way again or waits for it.
bool Router::ask_again(Job& job, const Response& response) {
  note_told(response, job.partition);
  if (response.outcome == Outcome::done) return false;
  if (response.outcome == Outcome::unknown || (job.unsure && may_pass(response.code))) {
    note_hint(job.partition, response);
    wait_again(std::move(job));
    return true;
  }
  // A first attempt under another epoch than the coordinator's: nothing happened.
  if (response.code != Errc::behind || response.behind || job.unsure) return false;
  job.request.id.reset();
  job.named = false;
  if (!std::exchange(job.renamed, true)) ways_[job.partition].awaited_since = node_.now.monotonic;
  park_or_hold(std::move(job));
  return true;
}

void Router::wait_again(Job&& job) {
  if (!std::exchange(job.unsure, true)) ++undecided_[from(job)].count;
  ++job.request.attempt;
  const int64_t pause_ms = std::min(kAgainFirstMs << std::min<uint32_t>(job.tries++, 10), kAgainMostMs);
  job.again = node_.now.monotonic + Duration::millis(pause_ms);
  ++unsure_count_;
  auto& jobs = unsure_[job.partition];
  const uint64_t turn = job.to.turn;
  jobs.emplace(turn, std::move(job));
}

// It is known what became of it, or nobody will ask any more: what came behind it may go on, once the event
// in hand has been handled.
void Router::decided(const Job& job) {
  From where = from(job);
  if (--undecided_.at(where).count == 0) decided_.push_back(std::move(where));
}

void Router::retry_unsure(PartitionId partition) {
  const auto of = unsure_.find(partition);
  if (of == unsure_.end()) return;
  const Instant now = node_.now.monotonic;
  std::set<From> still;  // nor does one of them overtake another
  for (auto at = of->second.begin(); at != of->second.end();) {
    const auto one = at++;
    From where = from(one->second);
    if (!still.contains(where) && now >= one->second.again) {
      auto taken = of->second.extract(one);
      const uint64_t turn = taken.key();
      --unsure_count_;
      if (place(taken.mapped()) != Placed::yes) {
        ++unsure_count_;
        of->second.insert(std::move(taken));
      } else if (!of->second.contains(turn)) {  // else it was handed back at once
        continue;
      }
    }
    if (!where.first.empty()) still.insert(std::move(where));
  }
  if (of->second.empty()) unsure_.erase(of);
}

void Router::go_on_behind() {
  take_returned();
  for (const From& where : std::exchange(decided_, {})) {
    const auto of = undecided_.find(where);
    if (of == undecided_.end() || of->second.count != 0) continue;
    std::map<uint64_t, Job> jobs = std::move(of->second.behind);
    undecided_.erase(of);
    behind_ -= jobs.size();
    for (auto& [turn, job] : jobs) {
      parked_bytes_ -= bytes_of(job.request);
      if (parked_.contains(job.partition) || place(job) != Placed::yes) park(std::move(job));
    }
  }
}

void Router::answer_unknown(const Job& job) {
  Response response;
  response.outcome = Outcome::unknown;
  response.code = Errc::unavailable;
  response.message =
      "the node that had the increment in work went down, and until all replicas are back nobody can tell "
      "whether it was counted";
  response.node = node_.self;
  node_.out.reply(job.to, std::move(response));
  decided(job);
}

void Router::expire_unsure() {
  const Instant now = node_.now.monotonic;
  for (auto of = unsure_.begin(); of != unsure_.end();) {
    unsure_count_ -= std::erase_if(of->second, [&](const auto& unsure) {
      if (now < unsure.second.deadline) return false;
      answer_unknown(unsure.second);
      return true;
    });
    of = of->second.empty() ? unsure_.erase(of) : std::next(of);
  }
  for (auto& [where, undecided] : undecided_)
    for (auto at = undecided.behind.begin(); at != undecided.behind.end();) {
      const auto one = at++;
      const Job& job = one->second;
      if (now < job.deadline) continue;
      reject(job.to, Errc::unavailable,
             "an increment of this key is not decided yet, whose coordinator went down: too few of the key's "
             "replicas are up");
      parked_bytes_ -= bytes_of(job.request);
      --behind_;
      undecided.behind.erase(one);
    }
}

}  // namespace atolldb::region
