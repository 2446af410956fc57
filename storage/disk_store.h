#pragma once
// The store on a disk: log first, memtables, checkpoints into LMDB (docs/storage.md).

#include <memory>
#include <string>

#include "crdt/base/ids.h"
#include "storage/disk_faults.h"
#include "storage/store.h"

namespace atolldb::storage {

enum class Durability : unsigned char {
  strict,    // durable means synced
  periodic,  // durable means written; synced every tenth of a second
};

struct DiskStoreOptions {
  std::string directory;
  std::string cluster;  // digest of what the cluster is, printable and without spaces; kept in the directory
  NodeNumber node{};
  Durability durability = Durability::strict;
  size_t memtable_bytes = 8u << 20;  // of each of the two
  size_t memtable_rows = 16'000;  // the same in rows: each may dirty a page of LMDB, which keeps that memory
  uint64_t log_segment_bytes = 16u << 20;      // of one file; a larger record gets a larger file
  uint64_t log_bytes_max = uint64_t{1} << 30;  // kept for streams; what is not checkpointed is kept anyway
  uint64_t map_bytes = 0;        // address space of LMDB to begin with; 0 = as much as is sensible
  DiskFaults* faults = nullptr;  // tests only
};

class DiskStore : public Store {
 public:
  // Opens the directory, or makes it where it is absent or empty. Errc::refused: it belongs to another node
  // or cluster, or another process has it open. Errc::version: its format is newer. Errc::corrupt, Errc::io.
  static Result<std::unique_ptr<DiskStore>> open(const DiskStoreOptions& options);
  // Writes what was committed, if there is room, and stops the threads. A running checkpoint is given up.
  ~DiskStore() override;

  Status recover(const RecordVisitor& old, const RecordVisitor& apply) override;
  Result<std::vector<LogPosition>> commit(Batch&& batch) override;
  Found get(BytesView row_key, Bytes& value) override;
  bool walk(BytesView from, BytesView to, const RowVisitor& visit) override;
  Found get_meta(BytesView key, Bytes& value) override;
  bool walk_meta(BytesView from, BytesView to, const RowVisitor& visit) override;
  bool log_damaged() const override;
  Result<Bytes> read_log(LogPosition at) override;
  LogPosition log_begin() const override;
  LogPosition log_end() const override;
  void release_log(LogPosition keep_from) override;
  bool wants_checkpoint() const override;
  bool begin_checkpoint(std::vector<Batch::Change>&& meta) override;
  bool has_room() const override;
  Events poll() override;
  int event_fd() const override;
  Usage usage() const override;

 private:
  struct Impl;
  explicit DiskStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace atolldb::storage
