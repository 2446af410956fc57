#pragma once
// The store's twin without a disk, for tests and the simulator: same contract, same positions, and a crash
// loses what was not synced. A MemoryDisk outlives the stores that run on it, as a disk outlives processes.
//
//   MemoryDisk disk;
//   { MemoryStore store(disk); ... }   // the process dies: unsynced records may still be in the page cache
//   disk.crash();                      // the power failed too: only what was synced is there
//   MemoryStore store(disk);           // the next start: recover() and on
//   MemoryDisk older = disk;           // a copy of the disk: for rollbacks and clones

#include <deque>
#include <map>
#include <memory>
#include <set>

#include "storage/memtable.h"
#include "storage/store.h"

namespace atolldb::storage {

// The state of one disk. Plain data: copy it to save, clone or roll back.
class MemoryDisk {
 public:
  // Power loss: of the records that were written and not synced, the first `unsynced_kept` happen to be there
  // and the rest is gone (a torn record is a lost one).
  void crash(size_t unsynced_kept = 0);
  size_t unsynced_records() const;

  // Faults. `full`: commits answer Errc::full and checkpoints wait. `fail_sync`: the next sync fails, and
  // with it the store that asked for it.
  bool full = false;
  bool fail_sync = false;
  // The record at `at` no longer verifies. False: there is none.
  bool damage_record(LogPosition at);
  // A checkpointed row no longer verifies. False: there is none.
  bool damage_row(BytesView row_key);

 private:
  friend class MemoryStore;
  friend class MemoryRows;
  struct Record {
    LogPosition at;
    Bytes bytes;
    bool damaged = false;
  };
  using Table = std::map<Bytes, Bytes, std::less<>>;

  Table rows_, meta_;  // as of the last checkpoint
  std::set<Bytes, std::less<>> damaged_rows_;
  std::deque<Record> log_;
  LogPosition checkpoint_;  // the rows contain every record below
  LogPosition begin_, end_, synced_;
  LogPosition lost_below_;  // of a damaged log: a checkpoint from here on covers the damage
};

struct MemoryStoreOptions {
  size_t memtable_bytes = 8u << 20;
  uint64_t log_bytes_max = 1u << 30;
  // Automatic: poll() makes durable what was committed before it and finishes a running checkpoint. Otherwise
  // the test decides, with sync() and finish_checkpoint().
  bool automatic = true;
  bool periodic = false;  // durability = "periodic": durable means written
};

class MemoryStore : public Store {
 public:
  explicit MemoryStore(MemoryDisk& disk, const MemoryStoreOptions& options = {});
  // On a disk of its own.
  explicit MemoryStore(const MemoryStoreOptions& options = {});
  ~MemoryStore() override;

  // -- the test's side
  // All that was committed becomes durable; the next poll() says so.
  void sync();
  // Ends the running checkpoint. False: none is running, the disk is full, or records below the checkpoint
  // are not synced yet.
  bool finish_checkpoint();
  bool checkpointing() const { return frozen_ != nullptr; }
  // poll() would report something.
  bool has_news() const;
  MemoryDisk& disk() { return *disk_; }

  // -- Store
  Status recover(const RecordVisitor& old, const RecordVisitor& apply) override;
  Result<std::vector<LogPosition>> commit(Batch&& batch) override;
  Found get(BytesView row_key, Bytes& value) override;
  bool walk(BytesView from, BytesView to, const RowVisitor& visit) override;
  Found get_meta(BytesView key, Bytes& value) override;
  bool walk_meta(BytesView from, BytesView to, const RowVisitor& visit) override;
  bool log_damaged() const override { return damaged_; }
  Result<Bytes> read_log(LogPosition at) override;
  LogPosition log_begin() const override;
  LogPosition log_end() const override;
  void release_log(LogPosition keep_from) override;
  bool wants_checkpoint() const override;
  bool begin_checkpoint(std::vector<Batch::Change>&& meta) override;
  bool has_room() const override;
  Events poll() override;
  int event_fd() const override { return -1; }
  Usage usage() const override;

 private:
  struct Tables {
    Memtable rows, meta;
    size_t bytes() const { return rows.bytes() + meta.bytes(); }
  };

  Found find(BytesView key, Bytes& value, Memtable Tables::*table, const MemoryDisk::Table& below) const;
  void drop_log();
  bool discard_unverified();

  std::unique_ptr<MemoryDisk> own_disk_;
  MemoryDisk* disk_;
  MemoryStoreOptions options_;
  Tables active_;
  std::unique_ptr<Tables> frozen_;
  LogPosition frozen_at_;
  LogPosition reported_, released_;
  bool recovered_ = false, damaged_ = false, checkpoint_done_ = false;
  std::optional<Error> failed_;
  Usage counts_;
};

}  // namespace atolldb::storage
