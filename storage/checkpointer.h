#pragma once
// Applies frozen memtables to LMDB on a thread of its own. One at a time.

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "storage/disk_faults.h"
#include "storage/log_writer.h"
#include "storage/row_table.h"

namespace atolldb::storage {

struct MemtablePair {
  Memtable rows, meta;
  size_t bytes() const { return rows.bytes() + meta.bytes(); }
};

class Checkpointer {
 public:
  // `log`, `table` and `faults` outlive it. `notify` is called from its thread when poll() has news.
  Checkpointer(LogWriter& log, RowTable& table, DiskFaults* faults, std::function<void()> notify);
  ~Checkpointer();

  // -- the protocol thread
  // Every change whose record lies below `position` is in `frozen` or was checkpointed earlier.
  void begin(std::shared_ptr<const MemtablePair> frozen, LogPosition position);
  // Grows the map when the running checkpoint needs it. True: a checkpoint is done since the last call.
  bool poll();
  // False: the running checkpoint found the disk full. It is tried again every fifth of a second.
  bool has_room() const;
  std::optional<Error> failed() const;

 private:
  enum class Need : unsigned char { nothing, larger_map };

  void run();
  bool write(const MemtablePair& frozen, LogPosition position);

  LogWriter& log_;
  RowTable& table_;
  DiskFaults* const faults_;
  const std::function<void()> notify_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<const MemtablePair> frozen_;
  LogPosition position_;
  Need need_ = Need::nothing;
  bool done_ = false, full_ = false, stopped_ = false;
  std::optional<Error> failed_;

  std::thread thread_;
};

}  // namespace atolldb::storage
