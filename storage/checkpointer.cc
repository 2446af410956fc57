#include "storage/checkpointer.h"

#include <algorithm>

#include "crdt/base/canary.h"

namespace atolldb::storage {
Checkpointer::Checkpointer(const LogWriter& log, Table& table, const Table::Load& largest, Hooks hooks)
    : log_(log),
      table_(table),
      largest_(largest),
      hooks_(std::move(hooks)),
      reserved_(table.reserve(largest)) {}

void Checkpointer::freeze(std::shared_ptr<const MemtablePair> frozen, LogPosition position) {
  {
    const std::lock_guard lock(mutex_);
    frozen_ = std::move(frozen);
    position_ = position;
  }
  hooks_.wake();
}

bool Checkpointer::poll() {
  bool done, grow;
  {
    const std::lock_guard lock(mutex_);
    done = std::exchange(done_, false);
    grow = needs_growth_;
  }
  if (!grow) return done;
  const Status grown = table_.grow();
  {
    const std::lock_guard lock(mutex_);
    if (!grown) failed_ = grown.error();
    broken_ = failed_.has_value();
    needs_growth_ = false;
  }
  hooks_.wake();
  return done;
}

bool Checkpointer::has_room() const {
  const std::lock_guard lock(mutex_);
  return !full_;
}

bool Checkpointer::has_reserve() const {
  const std::lock_guard lock(mutex_);
  return reserved_;
}

std::optional<Error> Checkpointer::failed() const {
  if (!broken_) return std::nullopt;
  const std::lock_guard lock(mutex_);
  return failed_;
}

void Checkpointer::handle_synced() {
  {
    const std::lock_guard lock(mutex_);
    if (!waits_for_log_) return;
  }
  hooks_.wake();
}

void Checkpointer::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
}

bool Checkpointer::ended() const {
  const std::lock_guard lock(mutex_);
  return stopped_ || failed_;
}

Instant Checkpointer::wake_at() const {
  const std::lock_guard lock(mutex_);
  return std::min(full_ ? retry_at_ : Instant::never(), reserved_ ? Instant::never() : reserve_at_);
}

bool Checkpointer::begin(Instant now) {
  const std::lock_guard lock(mutex_);
  if (failed_ || needs_growth_) return false;
  writing_ = frozen_ && !(full_ && now < retry_at_);
  if (writing_) {
    // Rows must not outlive the records that they come from.
    waits_for_log_ = log_.synced() < position_ && !canary(Canary::rows_before_records);
    writing_ = !waits_for_log_;
  }
  return writing_ || (!reserved_ && now >= reserve_at_);
}

void Checkpointer::complete(Instant now) {
  const Table::Written written = writing_ ? write() : Table::Written::done;
  const bool reserved = written == Table::Written::done && table_.reserve(largest_);
  bool news = writing_;
  {
    const std::lock_guard lock(mutex_);
    if (writing_) {
      const bool was_full = std::exchange(full_, written == Table::Written::disk_full);
      retry_at_ = now + kFullRetry;
      needs_growth_ = written == Table::Written::needs_growth;
      if (written == Table::Written::done) {
        frozen_.reset();
        done_ = true;
      }
      news = !full_ || !was_full;
    }
    if (written == Table::Written::done) {
      news = std::exchange(reserved_, reserved) != reserved || news;
      reserve_at_ = now + kFullRetry;
    }
  }
  if (news) hooks_.notify();
}

Table::Written Checkpointer::write() {
  std::shared_ptr<const MemtablePair> frozen;
  LogPosition position;
  {
    const std::lock_guard lock(mutex_);
    frozen = frozen_;
    position = position_;
  }
  std::optional<Error> error;
  const Table::Written written = table_.write(*frozen, position, error);
  if (written == Table::Written::failed) {
    const std::lock_guard lock(mutex_);
    failed_ = error;
    broken_ = failed_.has_value();
  }
  return written;
}

}  // namespace atolldb::storage
