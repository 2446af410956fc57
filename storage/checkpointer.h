#pragma once
// Applies frozen memtables to the table, one at a time.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "storage/log_writer.h"
#include "storage/table.h"
#include "storage/worker.h"

namespace atolldb::storage {

class Checkpointer final : public Worker {
 public:
  struct Hooks {
    std::function<void()> wake;    // there is something to do
    std::function<void()> notify;  // poll(), has_room() or failed() has news; from the worker
  };
  // `log` and `table` outlive it. `largest`: a memtable at its limit; the table's reserve is made for those.
  Checkpointer(const LogWriter& log, Table& table, const Table::Load& largest, Hooks hooks);

  // -- the protocol thread
  // Every change whose record lies below `position` is in `frozen` or was checkpointed earlier.
  void freeze(std::shared_ptr<const MemtablePair> frozen, LogPosition position);
  // Grows the table when the running checkpoint needs it. True: a checkpoint is done since the last call.
  bool poll();

  // -- any thread
  // False: the running checkpoint found the disk full. It is tried again every fifth of a second.
  bool has_room() const;
  // False: the disk is full, and the table has no reserve for what may wait. Looked at after every checkpoint
  // and, while it is so, every fifth of a second.
  bool has_reserve() const;
  std::optional<Error> failed() const;
  void handle_synced();  // the log is synced further than before
  void stop();           // a checkpoint that is not being written yet is given up

  // -- the worker. A piece is one checkpoint, or a look at the reserve.
  bool begin(Instant now) override;
  void complete(Instant now) override;
  Instant wake_at() const override;
  bool ended() const override;

 private:
  Table::Written write();
  const LogWriter& log_;
  Table& table_;
  const Table::Load largest_;
  const Hooks hooks_;

  bool writing_ = false;  // the worker's own: the piece that begin() took up is a checkpoint

  mutable std::mutex mutex_;
  std::shared_ptr<const MemtablePair> frozen_;
  LogPosition position_;
  Instant retry_at_{INT64_MIN}, reserve_at_{INT64_MIN};
  bool waits_for_log_ = false, needs_growth_ = false, done_ = false, full_ = false, stopped_ = false;
  bool reserved_;
  std::optional<Error> failed_;
  std::atomic<bool> broken_{false};  // failed_ is there: asked for with every write
};

}  // namespace atolldb::storage
