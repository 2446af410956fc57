#pragma once
// The log-first store over a virtual disk, without threads: for tests and the simulator. The log's format,
// its segments, group commit, memtables, checkpoints, recovery and what happens when there is no room are the
// daemon's own code; only files and table are virtual, and whoever drives it decides when the disk is done.
//
// How to drive it. Time is the caller's: any Instant that does not go back while a store lives.
//
//   VirtualStore store(disk, options, prng.next());
//   engine.start(now);                                   // recovers the store
//   // after every event that was given to the node:
//   for (Job job : kJobs)
//     if (store.begin(job, now)) schedule(now + latency(job), [&] {
//       store.complete(job, then);                       // then = the time of this event
//       if (store.has_news()) engine.handle_storage(then);
//     });
//   schedule(store.wake_at(), [&] { /* nothing: begin() after it does the rest */ });
//
// begin() writes, complete() syncs and publishes; what is committed between the two gathers in the next
// group. disk.activity() before and after says how much was written, if latencies are to depend on it. A slow
// disk is a late complete(); a stalled one, none. has_news() also turns true at a begin() whose write failed.
//
// A crash of the process: destroy the store (finish_some() first, if what was at work may just have been
// done). A power cut: then disk.cut_power(prng). Latencies that make sense: 100 to 200 µs for the log, a few
// milliseconds for a segment, 1 ms and 4 µs a row for a checkpoint.

#include <optional>

#include "storage/logged_store.h"
#include "storage/virtual_disk.h"

namespace atolldb::storage {

struct VirtualStoreOptions : LoggedStoreOptions {
  uint64_t map_bytes = UINT64_MAX;  // of the table, before it asks to be grown
  // poll() does all the work there is before it answers: for tests that do not look between.
  bool automatic = false;
};

class VirtualStore final : public LoggedStore {
 public:
  // `disk` outlives the store, and no other store is open on it. `incarnation`: another for every start of
  // every copy of the disk.
  VirtualStore(VirtualDisk& disk, const VirtualStoreOptions& options, uint64_t incarnation);

  // -- the driver's side, after recover()
  // Takes up the job's next piece; false when it is busy, or has nothing to do.
  bool begin(Job job, Instant now);
  void complete(Job job, Instant now);  // after a begin() that was true
  bool busy(Job job) const { return busy_[static_cast<size_t>(job)]; }
  Instant wake_at();                          // when begin() is worth a call though nothing happened
  bool has_news() const { return news_; }     // since the last poll()
  void run(Instant now);                      // all that can be done without waiting
  void finish_some(Prng& prng, Instant now);  // each piece at work is completed, or is not

  Events poll() override;

 private:
  void wake(Job) override {}
  void notify() override { news_ = true; }

  const bool automatic_;
  bool busy_[std::size(kJobs)] = {};
  bool news_ = false;
  Instant automatic_now_;
};

}  // namespace atolldb::storage
