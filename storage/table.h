#pragma once
// Checkpointed rows and meta entries: what lies below the memtables. LmdbTable in the daemon, the virtual
// disk's in tests and the simulator.
//
// Two threads: the protocol thread reads one state at a time, which end_read() gives up (never held across
// polls: a reader that stays keeps LMDB from reusing pages, HAZARDS 29); the checkpointer writes.

#include <memory>
#include <optional>

#include "storage/memtable.h"
#include "storage/store.h"

namespace atolldb::storage {

// What is checkpointed together.
struct MemtablePair {
  Memtable rows, meta;
  size_t bytes() const { return rows.bytes() + meta.bytes(); }
};

class Table {
 public:
  enum class Part : unsigned char { rows, meta };

  virtual ~Table() = default;

  // -- the protocol thread
  virtual Found get(Part part, BytesView key, Bytes& value) = 0;
  // The next read sees the newest checkpoint.
  virtual void end_read() = 0;
  // At the opening: the position below which every record is contained.
  virtual LogPosition checkpoint() const = 0;
  // Called when write() has answered needs_growth, and not while it runs. Ends the read.
  virtual Status grow() = 0;
  virtual uint64_t used_bytes() const = 0;
  // Of the newest checkpoint's rows, without those of large values: pages that a change of a row writes anew.
  virtual uint64_t tree_pages() = 0;
  // Damage that no row can be blamed for: nothing that is not found here can be said to be absent any more.
  virtual std::optional<Error> failed() const { return std::nullopt; }

  // A place in a part, in the order of the keys. Valid until end_read().
  class Cursor {
   public:
    virtual ~Cursor() = default;
    // To the first row with a key of at least `from`.
    virtual void seek(BytesView from) = 0;
    virtual void next() = 0;
    bool valid() const { return valid_; }
    BytesView key() const { return key_; }
    // The view lasts until the next call.
    virtual Found read(BytesView& value) = 0;
    // At the end of a walk. False: damage may have hidden rows at its beginning, between its rows or where it
    // stands now.
    virtual bool sound() { return true; }

   protected:
    bool valid_ = false;
    BytesView key_;
  };
  virtual std::unique_ptr<Cursor> cursor(Part part) = 0;

  // -- the checkpointer; before it begins, whoever makes it
  // How much one write() changes at most: what it is expected to dirty (dirty_pages.h), and bytes of new
  // values.
  struct Load {
    uint64_t pages = 0, bytes = 0;
  };
  // Sees to it that two writes of that size find space on a disk that is full by then: what is free in the
  // table counts, the rest is taken from the disk now. False: the disk is full.
  virtual bool reserve(const Load& largest) = 0;
  enum class Written : unsigned char { done, needs_growth, disk_full, failed };
  // Both memtables and the position in one synced transaction. Anything but `done` changed nothing; `error`
  // says why.
  virtual Written write(const MemtablePair& changes, LogPosition position, std::optional<Error>& error) = 0;
};

}  // namespace atolldb::storage
