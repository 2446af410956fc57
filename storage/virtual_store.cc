#include "storage/virtual_store.h"

#include <algorithm>

namespace atolldb::storage {

VirtualStore::VirtualStore(VirtualDisk& disk, const VirtualStoreOptions& options, uint64_t incarnation)
    : LoggedStore(options, {std::make_unique<VirtualFiles>(disk), "log",
                            std::make_unique<VirtualTable>(disk, options.map_bytes), incarnation}),
      automatic_(options.automatic) {}

bool VirtualStore::begin(Job job, Instant now) {
  bool& busy = busy_[static_cast<size_t>(job)];
  return !busy && (busy = worker(job).begin(now));
}

void VirtualStore::complete(Job job, Instant now) {
  bool& busy = busy_[static_cast<size_t>(job)];
  ensure(busy, "a piece of work is completed once, after it was begun");
  busy = false;
  worker(job).complete(now);
}

Instant VirtualStore::wake_at() {
  Instant at = Instant::never();
  for (const Job job : kJobs)
    if (!busy(job)) at = std::min(at, worker(job).wake_at());
  return at;
}

void VirtualStore::run(Instant now) {
  for (bool again = true; again;) {
    again = false;
    for (const Job job : kJobs) {
      if (!busy(job) && !begin(job, now)) continue;
      complete(job, now);
      again = true;
    }
  }
}

void VirtualStore::finish_some(Prng& prng, Instant now) {
  for (const Job job : kJobs)
    if (busy(job) && prng.chance(1, 2)) complete(job, now);
}

Events VirtualStore::poll() {
  if (automatic_ && recovered()) {
    automatic_now_ = automatic_now_ + Duration::seconds(1);
    run(automatic_now_);
  }
  news_ = false;
  return LoggedStore::poll();
}

}  // namespace atolldb::storage
