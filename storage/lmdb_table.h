#pragma once
// The table in LMDB (docs/formats/lmdb.md). With lmdb_checkpoint.h the only corner that knows LMDB.

#include <memory>
#include <string>

#include "storage/disk_faults.h"
#include "storage/table.h"

namespace atolldb::storage {

class LmdbTable final : public Table {
 public:
  struct Options {
    uint64_t map_bytes = 0;              // address space to begin with; 0 = as much as is sensible
    const DiskFaults* faults = nullptr;  // tests only
  };
  // Opens or creates the environment in an existing directory. Syncs it: what an earlier process had written
  // and not synced counts from now on.
  static Result<std::unique_ptr<LmdbTable>> open(const std::string& directory, const Options& options);
  ~LmdbTable() override;

  Found get(Part part, BytesView key, Bytes& value) override;
  void end_read() override;
  LogPosition checkpoint() const override;
  Status grow() override;  // doubles the map
  uint64_t used_bytes() const override;
  uint64_t tree_pages() override;
  std::optional<Error> failed() const override;
  std::unique_ptr<Cursor> cursor(Part part) override;
  // Takes space behind the file's end, which is LMDB's as the file grows.
  bool reserve(const Load& largest) override;
  Written write(const MemtablePair& changes, LogPosition position, std::optional<Error>& error) override;

 private:
  struct Impl;
  class LmdbCursor;
  explicit LmdbTable(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace atolldb::storage
