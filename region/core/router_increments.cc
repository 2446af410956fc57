// Increments that this node has named for clients that do not name theirs, as those of Redis and HTTP: rule
// 14 and docs/decisions/0005-request-ids.md. What the client library does for its own, a node does here for
// those that it sends to another one.

#include <algorithm>

#include "region/core/router.h"

namespace atolldb::region {

namespace {
constexpr int64_t kAgainFirstMs = 20, kAgainMostMs = 500;

bool may_pass(Errc code) {
  return code == Errc::busy || code == Errc::full || code == Errc::unavailable || code == Errc::behind ||
         code == Errc::timeout;
}
}  // namespace

// Whose it is: of the names that doors give requests of one connection, all but the last eight bytes are the
// same (resp_server.h). Shorter names are of requests that have no order among themselves.
Router::From Router::from(const Job& job) {
  constexpr size_t kRequestBytes = 8, kDoorBytes = 1;
  const Bytes& name = job.to.client;
  const bool ordered = job.to.token == 0 && name.size() > kDoorBytes + kRequestBytes;
  return {ordered ? name.substr(0, name.size() - kRequestBytes) : Bytes(), job.request.key};
}

bool Router::waits_behind(const Job& job) const {
  if (undecided_.empty() || job.unsure) return false;
  const From mine = from(job);
  return !mine.first.empty() && undecided_.contains(mine);
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
    const NodeNumber hint = response.coordinator;
    const bool hinted = raw(hint) != 0 && hint != job.sent_to;
    wait_again(std::move(job));
    unsure_.back().hint = hint;
    unsure_.back().hinted = hinted;
    return true;
  }
  // A first attempt under another epoch than the coordinator's: nothing happened.
  if (response.code != Errc::behind || response.behind || job.unsure) return false;
  job.request.id.reset();
  job.named = false;
  if (std::exchange(job.renamed, true) || waits_behind(job) || parked_of_.contains(job.partition) ||
      place(job) != Placed::yes)
    park_or_hold(std::move(job));
  return true;
}

void Router::wait_again(Job&& job) {
  if (!std::exchange(job.unsure, true)) ++undecided_[from(job)];
  ++job.request.attempt;
  job.hinted = false;
  const int64_t pause_ms = std::min(kAgainFirstMs << std::min<uint32_t>(job.tries++, 10), kAgainMostMs);
  job.again = node_.now.monotonic + Duration::millis(pause_ms);
  unsure_.push_back(std::move(job));
}

// It is known what became of it, or nobody will ask any more: what came behind it may go on.
void Router::decided(const Job& job) {
  const auto of = undecided_.find(from(job));
  if (--of->second == 0) undecided_.erase(of);
}

void Router::retry_unsure() {
  const Instant now = node_.now.monotonic;
  std::list<Job> jobs = std::move(unsure_);
  unsure_.clear();
  for (auto at = jobs.begin(); at != jobs.end();) {
    const auto job = at++;
    if (now >= job->again && place(*job) == Placed::yes) continue;  // moved on, or answered
    unsure_.splice(unsure_.end(), jobs, job);
  }
  go_on_behind();
}

void Router::go_on_behind() {
  if (behind_.empty()) return;
  std::list<Job> jobs = std::move(behind_);
  behind_.clear();
  while (!jobs.empty()) {
    const auto job = jobs.begin();
    if (waits_behind(*job)) {
      behind_.splice(behind_.end(), jobs, job);
      continue;
    }
    parked_bytes_ -= bytes_of(job->request);
    if (parked_of_.contains(job->partition) || place(*job) != Placed::yes) park(std::move(*job));
    jobs.erase(job);
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
  for (auto at = unsure_.begin(); at != unsure_.end();) {
    const auto job = at++;
    if (now < job->deadline) continue;
    answer_unknown(*job);
    unsure_.erase(job);
  }
  for (auto at = behind_.begin(); at != behind_.end();) {
    const auto job = at++;
    if (now < job->deadline) continue;
    reject(job->to, Errc::unavailable,
           "an increment of this key is not decided yet, whose coordinator went down: too few of the key's "
           "replicas are up");
    parked_bytes_ -= bytes_of(job->request);
    behind_.erase(job);
  }
}

}  // namespace atolldb::region
