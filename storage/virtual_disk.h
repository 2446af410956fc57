#pragma once
// A disk in memory that fails as disks do: at a power cut it loses what was not synced, sector by sector, in
// any subset; syncs and writes fail; space runs out; bits flip; it can be copied, rolled back, lost. It holds
// the log's files, and the table that stands where the daemon has LMDB. It outlives the stores on it, as a
// disk outlives processes. Everything is a function of what is called in which order, and of the Prng handed
// in: no clock, no address and no hash order decides anything.
//
//   VirtualDisk disk;
//   { VirtualStore store(disk, ...); ... }   // destroying the store kills the process: all that was written,
//                                            // synced or not, is in the page cache and still there
//   disk.cut_power(prng);                    // the machine: of what was not synced, any part is gone
//   VirtualDisk older = disk;                // a copy: for rolled back and cloned disks
//   disk = older;  disk = {};                // rolled back; lost
//
// What a sync that fails does is what kernels do: the pages count as clean afterwards, later reads see them,
// later syncs succeed without writing them, and a power cut may lose them. The table is LMDB as seen from
// outside: a checkpoint is there whole or not at all; its rows verify or do not.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crdt/base/prng.h"
#include "storage/dirty_pages.h"
#include "storage/file_system.h"
#include "storage/table.h"

namespace atolldb::storage {

inline constexpr size_t kSectorBytes = 512;  // written as a whole or not at all

class VirtualDisk {
 public:
  // -- what happens to it; while no store is open, unless it says otherwise
  void cut_power(Prng& prng);
  // At any time. Space for files and table; Errc::full beyond it.
  uint64_t capacity_bytes = UINT64_MAX;
  // At any time: so many of the next writes and syncs of files, and of the next checkpoints, fail with
  // Errc::io.
  uint32_t failing_writes = 0, failing_syncs = 0, failing_checkpoints = 0;

  // A bit of a file, or of a record of the log wherever it lies. False: there is none.
  bool flip_bit(const std::string& path, uint64_t bit);
  bool damage_record(LogPosition at);
  // A row of the table no longer verifies, at any time. False: there is none.
  bool damage_row(BytesView row_key);
  // A bit flipped in a row's key: there it is absent, and where it now stands it does not verify.
  bool damage_row_key(BytesView row_key, size_t bit);
  // A row is gone without a trace.
  bool lose_row(BytesView row_key);
  // The same of what stands beside the rows.
  bool damage_meta(BytesView key);
  bool lose_meta(BytesView key);

  // -- what is on it
  uint64_t used_bytes() const { return file_bytes_ + table_space_; }
  bool has_unsynced() const;
  std::vector<std::pair<std::string, uint64_t>> files() const;  // with how much of each was written
  std::vector<Bytes> row_keys() const;
  std::vector<Bytes> meta_keys() const;
  LogPosition checkpoint() const { return checkpoint_; }
  // Over the disk's life: what the caller may make latencies from.
  struct Activity {
    uint64_t writes = 0, written_bytes = 0, syncs = 0, checkpoints = 0;
  };
  const Activity& activity() const { return activity_; }

 private:
  friend class VirtualFile;
  friend class VirtualFiles;
  friend class VirtualTable;
  friend class VirtualCursor;

  // What sectors held before a write that is not synced. Shorter than `count` sectors: the rest was zeros.
  struct Overwritten {
    uint64_t first = 0, count = 0;
    Bytes before;
  };
  struct Inode {
    uint64_t size = 0, synced_size = 0;
    Bytes bytes;                              // the file's beginning; zeros follow up to `size`
    std::vector<Overwritten> unsynced;        // in the order of the writes
    std::map<uint64_t, Bytes> never_written;  // sectors whose sync failed: what the disk holds
  };
  struct NameChange {
    std::string name;
    uint64_t before = 0;  // inode; 0 = none
  };
  struct Row {
    Bytes value;
    bool damaged = false;
  };
  using Rows = std::map<Bytes, Row, std::less<>>;

  static Bytes sector(const Inode& inode, uint64_t index);
  static void set_sector(Inode& inode, uint64_t index, BytesView bytes);
  static void cut_power(Inode& inode, Prng& prng);
  void cut_power_of_names(Prng& prng);
  void forget_unnamed();
  void recount();
  bool has_space(uint64_t more) const;
  bool spend(uint32_t& failing);

  std::map<uint64_t, Inode> inodes_;
  uint64_t next_inode_ = 1;
  std::map<std::string, uint64_t, std::less<>> names_;
  std::vector<NameChange> unsynced_names_;
  bool take_for_table(uint64_t more);
  bool damage(Rows& rows, BytesView key);
  bool lose(Rows& rows, BytesView key);
  uint64_t file_bytes_ = 0;
  uint64_t table_bytes_ = 0;  // of rows
  uint64_t table_space_ = 0;  // that the table has taken, and keeps: rows use again what others left

  Rows rows_, meta_;
  LogPosition checkpoint_;
  Activity activity_;
};

// The disk as files. Errc::io for a file that was removed: whoever holds one of those has a bug.
class VirtualFiles final : public FileSystem {
 public:
  explicit VirtualFiles(VirtualDisk& disk) : disk_(disk) {}
  Result<std::unique_ptr<File>> open(const std::string& path) override;
  Result<std::unique_ptr<File>> create(const std::string& path) override;
  Status remove(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Status sync_directory(const std::string& directory) override;

 private:
  VirtualDisk& disk_;
};

// The disk's table. `map_bytes`: how large it may get before it asks to be grown.
class VirtualTable final : public Table {
 public:
  explicit VirtualTable(VirtualDisk& disk, uint64_t map_bytes = UINT64_MAX)
      : disk_(disk), map_bytes_(map_bytes) {}
  Found get(Part part, BytesView key, Bytes& value) override;
  void end_read() override {}
  LogPosition checkpoint() const override { return disk_.checkpoint_; }
  Status grow() override;
  uint64_t used_bytes() const override { return disk_.table_bytes_; }
  uint64_t tree_pages() override { return disk_.table_bytes_ / kTreePageBytes; }
  std::unique_ptr<Cursor> cursor(Part part) override;
  bool reserve(const Load& largest) override;
  Written write(const MemtablePair& changes, LogPosition position, std::optional<Error>& error) override;

 private:
  VirtualDisk& disk_;
  uint64_t map_bytes_;
};

}  // namespace atolldb::storage
