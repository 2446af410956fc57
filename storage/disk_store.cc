#include "storage/disk_store.h"

#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>

#include "storage/lmdb_table.h"

namespace atolldb::storage {
namespace {

Result<uint64_t> random_number() {
  uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) return system_error("getrandom", errno);
  return number;
}

const char* name_of(Job job) {
  switch (job) {
    case Job::log:
      return "log";
    case Job::segments:
      return "segments";
    case Job::checkpoint:
      break;
  }
  return "checkpoint";
}

}  // namespace

Result<std::unique_ptr<DiskStore>> DiskStore::open(const DiskStoreOptions& options) {
  if (options.cluster.empty() || options.cluster.find_first_of(" \n\r\t") != std::string::npos)
    return Error{Errc::invalid,
                 "the cluster's digest has to be a printable word, found \"" + options.cluster + "\""};
  Result<Directory> directory = Directory::open(options.directory, {options.cluster, options.node});
  if (!directory) return directory.error();
  auto table = LmdbTable::open(directory->rows_path(), {options.map_bytes, options.faults});
  if (!table) return table.error();
  const Result<uint64_t> incarnation = random_number();
  if (!incarnation) return incarnation.error();
  const int bell = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (bell < 0) return system_error("eventfd", errno);
  Parts parts{std::make_unique<PosixFiles>(options.faults), directory->log_path(), std::move(*table),
              *incarnation};
  return std::unique_ptr<DiskStore>(new DiskStore(options, std::move(*directory), std::move(parts), bell));
}

DiskStore::DiskStore(const DiskStoreOptions& options, Directory&& directory, Parts&& parts, int bell)
    : LoggedStore(options, std::move(parts)), directory_(std::move(directory)), bell_(bell) {}

// The pool outlives the log, which may need a segment for what is left to write.
DiskStore::~DiskStore() {
  if (recovered()) {
    stop_checkpoints();
    thread(Job::checkpoint).join();
    stop_log();
    thread(Job::log).join();
    stop_segments();
    thread(Job::segments).join();
  }
  ::close(bell_);
}

Status DiskStore::recover(const RecordVisitor& old, const RecordVisitor& apply, LogRange known) {
  if (Status recovered = LoggedStore::recover(old, apply, known); !recovered) return recovered;
  for (const Job job : kJobs)
    threads_[static_cast<size_t>(job)] =
        std::make_unique<WorkerThread>(worker(job), name_of(job), job == Job::log);
  for (const Job job : kJobs) thread(job).start();
  return ok();
}

Events DiskStore::poll() {
  uint64_t rings;
  [[maybe_unused]] const ssize_t n = ::read(bell_, &rings, sizeof rings);
  return LoggedStore::poll();
}

void DiskStore::wake(Job job) {
  if (const auto& thread = threads_[static_cast<size_t>(job)]) thread->wake();
}

void DiskStore::notify() {
  const uint64_t one = 1;
  // It fails only when the counter is full, and then it rings already.
  [[maybe_unused]] const ssize_t n = ::write(bell_, &one, sizeof one);
}

}  // namespace atolldb::storage
