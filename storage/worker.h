#pragma once
// Background work of a store, in pieces that somebody else decides when to do: a thread each in the daemon
// (worker_thread.h), events of virtual time in the simulator (virtual_store.h).

#include "crdt/base/time.h"

namespace atolldb::storage {

// The store's workers. Each does one piece at a time; pieces of different workers may overlap.
enum class Job : unsigned char {
  log,         // writes and syncs what was committed
  segments,    // makes and recycles the log's segments
  checkpoint,  // writes a frozen memtable into the table
};
inline constexpr Job kJobs[] = {Job::log, Job::segments, Job::checkpoint};

class Worker {
 public:
  virtual ~Worker() = default;
  // Takes up the next piece and does what needs no wait for the disk. False: there is nothing to do before
  // something changes, or before wake_at().
  virtual bool begin(Instant now) = 0;
  // Ends the piece that begin() took up: syncs it and says so. A crash between the two may leave any part of
  // what was written.
  virtual void complete(Instant now) = 0;
  // When begin() is worth another call though nothing has changed: a full disk is tried again.
  virtual Instant wake_at() const = 0;
  // Nothing will ever be done again: it was stopped, or has failed.
  virtual bool ended() const = 0;
};

}  // namespace atolldb::storage
