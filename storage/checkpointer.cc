#include "storage/checkpointer.h"

#include <cerrno>
#include <chrono>

namespace atolldb::storage {
namespace {

constexpr auto kFullRetry = std::chrono::milliseconds(200);

}  // namespace

Checkpointer::Checkpointer(LogWriter& log, RowTable& table, DiskFaults* faults, std::function<void()> notify)
    : log_(log), table_(table), faults_(faults), notify_(std::move(notify)), thread_([this] { run(); }) {}

Checkpointer::~Checkpointer() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void Checkpointer::begin(std::shared_ptr<const MemtablePair> frozen, LogPosition position) {
  const std::lock_guard lock(mutex_);
  frozen_ = std::move(frozen);
  position_ = position;
  changed_.notify_all();
}

bool Checkpointer::poll() {
  std::unique_lock lock(mutex_);
  if (need_ == Need::larger_map) {
    if (Status grown = table_.grow(); !grown) failed_ = grown.error();
    need_ = Need::nothing;
    changed_.notify_all();
  }
  return std::exchange(done_, false);
}

bool Checkpointer::has_room() const {
  const std::lock_guard lock(mutex_);
  return !full_;
}

std::optional<Error> Checkpointer::failed() const {
  const std::lock_guard lock(mutex_);
  return failed_;
}

void Checkpointer::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopped_ || frozen_; });
    if (stopped_) return;
    std::shared_ptr<const MemtablePair> frozen = std::move(frozen_);
    frozen_ = nullptr;
    const LogPosition position = position_;
    lock.unlock();
    const bool done = write(*frozen, position);
    lock.lock();
    if (!done) return;
    done_ = true;
    lock.unlock();
    notify_();
    lock.lock();
  }
}

// False: the store is stopping, or failed.
bool Checkpointer::write(const MemtablePair& frozen, LogPosition position) {
  // Rows must not outlive the records that they come from.
  if (!log_.wait_synced(position)) return false;
  for (;;) {
    std::optional<Error> error;
    RowTable::Written written = RowTable::Written::disk_full;
    if (!faults_ || !faults_->full) written = table_.write(frozen.rows, frozen.meta, position, error);
    std::unique_lock lock(mutex_);
    const bool was_full = std::exchange(full_, written == RowTable::Written::disk_full);
    if (written == RowTable::Written::failed) failed_ = error;
    if (written == RowTable::Written::map_full) need_ = Need::larger_map;
    if (written == RowTable::Written::done) return !stopped_;
    if (full_ != was_full || !full_) {
      lock.unlock();
      notify_();
      lock.lock();
    }
    if (failed_) return false;
    if (full_)
      changed_.wait_for(lock, kFullRetry, [&] { return stopped_; });
    else
      changed_.wait(lock, [&] { return stopped_ || failed_ || need_ == Need::nothing; });
    if (stopped_ || failed_) return false;
  }
}

}  // namespace atolldb::storage
