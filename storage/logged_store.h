#pragma once
// The log-first store over any disk: log, memtables, checkpoints, recovery (docs/storage.md). It owns no
// thread. What takes time is done by three workers, in pieces that whoever derives from it decides when to
// do: DiskStore gives each a thread over files and LMDB, VirtualStore lets the simulator do them in virtual
// time.

#include <memory>
#include <string>

#include "storage/file_system.h"
#include "storage/store.h"
#include "storage/table.h"
#include "storage/worker.h"

namespace atolldb::storage {

class Checkpointer;
class LogWriter;
class SegmentPool;
struct RecoveredLog;

enum class Durability : unsigned char {
  strict,    // durable means synced
  periodic,  // durable means written; synced every tenth of a second
};

struct LoggedStoreOptions {
  Durability durability = Durability::strict;
  size_t memtable_bytes = 8u << 20;  // of each of the two
  size_t memtable_pages = 14'500;    // the same in pages that its checkpoint dirties (storage/dirty_pages.h)
  uint64_t log_segment_bytes = 16u << 20;  // of one file, at least 64 KiB; a larger record gets a larger file
  uint64_t log_bytes_max = uint64_t{1} << 30;  // kept for streams; what is not checkpointed is kept anyway
};

class LoggedStore : public Store {
 public:
  ~LoggedStore() override;

  Status recover(const RecordVisitor& old, const RecordVisitor& apply, LogRange known = {}) override;
  Result<std::vector<LogPosition>> commit(Batch&& batch) override;
  Found get(BytesView row_key, Bytes& value) override;
  bool walk(BytesView from, BytesView to, const RowVisitor& visit) override;
  Found get_meta(BytesView key, Bytes& value) override;
  bool walk_meta(BytesView from, BytesView to, const RowVisitor& visit) override;
  bool log_damaged() const override { return damaged_; }
  Result<Bytes> read_log(LogPosition at) override;
  LogPosition log_begin() const override;
  LogPosition log_end() const override;
  uint64_t log_segment_bytes() const override { return options_.log_segment_bytes; }
  void release_log(LogPosition keep_from) override;
  bool wants_checkpoint() const override;
  bool begin_checkpoint(std::vector<Batch::Change>&& meta) override;
  Room room() const override;
  bool disk_full(Room wanted = Room::plenty) const override;
  Events poll() override;
  int event_fd() const override { return -1; }
  Usage usage() const override;

 protected:
  struct Parts {
    std::unique_ptr<FileSystem> files;
    std::string log_directory;
    std::unique_ptr<Table> table;
    uint64_t incarnation = 0;  // random, of this process: no other one has written with it
  };
  LoggedStore(const LoggedStoreOptions& options, Parts&& parts);

  // After recover().
  bool recovered() const { return log_ != nullptr; }
  Worker& worker(Job job);
  // The workers end when they have done what they can without waiting.
  void stop_log();
  void stop_segments();
  void stop_checkpoints();

 private:
  // Called from any thread: a worker may have something to do; poll() has news.
  virtual void wake(Job job) = 0;
  virtual void notify() = 0;

  void start(RecoveredLog&& found);
  std::optional<Error> failed() const;
  Found find(BytesView key, Bytes& value, Memtable MemtablePair::*part, Table::Part below);
  bool walk(BytesView from, BytesView to, const RowVisitor& visit, Memtable MemtablePair::*part,
            Table::Part below);
  void drop_log();
  bool filled(size_t part, size_t parts) const;
  bool log_nearly_full(uint64_t parts) const;  // less than such a part of a segment is left

  const LoggedStoreOptions options_;
  const std::unique_ptr<FileSystem> files_;
  const std::string log_directory_;
  const uint64_t incarnation_;
  const std::unique_ptr<Table> table_;

  MemtablePair active_;
  std::shared_ptr<const MemtablePair> frozen_;
  LogPosition frozen_at_, checkpoint_, released_, durable_;
  uint64_t tree_pages_ = 0;  // of the table, as of its newest checkpoint
  bool disk_full_ = false;   // as of the last poll()
  bool damaged_ = false;
  uint64_t records_ = 0, checkpoints_ = 0;

  // Each uses those above it.
  std::unique_ptr<SegmentPool> pool_;
  std::unique_ptr<LogWriter> log_;
  std::unique_ptr<Checkpointer> checkpointer_;
};

}  // namespace atolldb::storage
