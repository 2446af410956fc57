#include "storage/checkpointer.h"

#include "crdt/base/canary.h"

namespace atolldb::storage {
namespace {

constexpr Duration kFullRetry = Duration::millis(200);

}  // namespace

Checkpointer::Checkpointer(const LogWriter& log, Table& table, Hooks hooks)
    : log_(log), table_(table), hooks_(std::move(hooks)) {}

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
    needs_growth_ = false;
  }
  hooks_.wake();
  return done;
}

bool Checkpointer::has_room() const {
  const std::lock_guard lock(mutex_);
  return !full_;
}

std::optional<Error> Checkpointer::failed() const {
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
  return full_ ? retry_at_ : Instant::never();
}

bool Checkpointer::begin(Instant now) {
  const std::lock_guard lock(mutex_);
  if (!frozen_ || failed_ || needs_growth_ || (full_ && now < retry_at_)) return false;
  // Rows must not outlive the records that they come from.
  waits_for_log_ = log_.synced() < position_ && !canary(Canary::rows_before_records);
  return !waits_for_log_;
}

void Checkpointer::complete(Instant now) {
  std::shared_ptr<const MemtablePair> frozen;
  LogPosition position;
  {
    const std::lock_guard lock(mutex_);
    frozen = frozen_;
    position = position_;
  }
  std::optional<Error> error;
  const Table::Written written = table_.write(*frozen, position, error);
  bool news = true;
  {
    const std::lock_guard lock(mutex_);
    const bool was_full = std::exchange(full_, written == Table::Written::disk_full);
    retry_at_ = now + kFullRetry;
    needs_growth_ = written == Table::Written::needs_growth;
    if (written == Table::Written::failed) failed_ = error;
    if (written == Table::Written::done) {
      frozen_.reset();
      done_ = true;
    }
    news = !full_ || !was_full;
  }
  if (news) hooks_.notify();
}

}  // namespace atolldb::storage
