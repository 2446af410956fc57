#pragma once
// The log-first store of the daemon: files, LMDB, and a thread for each worker.

#include <array>
#include <memory>
#include <string>

#include "crdt/base/ids.h"
#include "storage/directory.h"
#include "storage/disk_faults.h"
#include "storage/logged_store.h"
#include "storage/worker_thread.h"

namespace atolldb::storage {

struct DiskStoreOptions : LoggedStoreOptions {
  std::string directory;
  std::string cluster;  // digest of what the cluster is, printable and without spaces; kept in the directory
  NodeNumber node{};
  uint64_t map_bytes = 0;              // address space of LMDB to begin with; 0 = as much as is sensible
  const DiskFaults* faults = nullptr;  // tests only
};

class DiskStore final : public LoggedStore {
 public:
  // Opens the directory, or makes it where it is absent or empty. Errc::refused: it belongs to another node
  // or cluster, or another process has it open. Errc::version: its format is newer. Errc::corrupt, Errc::io.
  static Result<std::unique_ptr<DiskStore>> open(const DiskStoreOptions& options);
  // Writes what was committed, if there is room, and stops the threads. A running checkpoint is given up.
  ~DiskStore() override;

  Status recover(const RecordVisitor& old, const RecordVisitor& apply, LogRange known = {}) override;
  Events poll() override;
  int event_fd() const override { return bell_; }

 private:
  DiskStore(const DiskStoreOptions& options, Directory&& directory, Parts&& parts, int bell);
  void wake(Job job) override;
  void notify() override;
  WorkerThread& thread(Job job) { return *threads_[static_cast<size_t>(job)]; }

  Directory directory_;
  const int bell_;  // an eventfd: what the threads wake the protocol thread with
  std::array<std::unique_ptr<WorkerThread>, std::size(kJobs)> threads_;
};

}  // namespace atolldb::storage
