#pragma once
// Checkpointed rows and meta entries in LMDB. The only room's corner that knows LMDB.
//
// Two threads: the protocol thread reads, under one read transaction that end_read() gives up (never held
// across polls: a reader that stays keeps LMDB from reusing pages, HAZARDS 29); the checkpointer writes.

#include <memory>
#include <optional>
#include <string>

#include "storage/memtable.h"
#include "storage/store.h"

namespace atolldb::storage {

class RowTable {
 public:
  enum class Part : unsigned char { rows, meta };

  struct Options {
    uint64_t map_bytes = 0;  // address space to begin with; 0 = as much as is sensible
  };
  // Opens or creates the environment in an existing directory. Syncs it: what an earlier process had written
  // and not synced counts from now on.
  static Result<std::unique_ptr<RowTable>> open(const std::string& directory, const Options& options);
  ~RowTable();

  // -- the protocol thread
  Found get(Part part, BytesView key, Bytes& value);
  // Gives the read transaction up; the next read sees the newest checkpoint.
  void end_read();
  // The position below which every record is contained.
  LogPosition checkpoint() const;
  // Doubles the map. No transaction may be open: end_read() is called, the checkpointer is waiting.
  Status grow();
  uint64_t used_bytes() const;

  // A cursor for merged_walk(). Valid until end_read().
  class Cursor {
   public:
    Cursor(RowTable& table, Part part);
    ~Cursor();
    Cursor(const Cursor&) = delete;
    Cursor& operator=(const Cursor&) = delete;
    void seek(BytesView from);
    bool valid() const;
    BytesView key() const;
    Found read(BytesView& value);
    void next();

   private:
    struct State;
    std::unique_ptr<State> state_;
  };

  // -- the checkpointer's thread
  enum class Written : unsigned char { done, map_full, disk_full, failed };
  // Both memtables and the position in one synced transaction, in key order. Anything but `done` changed
  // nothing; `error` says why.
  Written write(const Memtable& rows, const Memtable& meta, LogPosition position,
                std::optional<Error>& error);

 private:
  struct Impl;
  explicit RowTable(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace atolldb::storage
