#pragma once
// The one door to a node's disk: commit a batch and hear when it is durable; read a row; walk a range; read
// the log from a position. LoggedStore stands behind it: log, memtables and checkpoints, over files and LMDB
// in the daemon (DiskStore), over a virtual disk in tests and the simulator (VirtualStore).
//
// Contract
// - One thread, the protocol loop, calls everything here. Log writer and checkpointer are the store's own
// threads; what
//   they finish is collected by poll().
// - A batch is visible to get() and walk() when commit() returns, and durable when poll() says so. What must
// not be said
//   before it is durable waits for that.
// - Rows and meta entries are state; log records are history. After a crash the rows and meta are those of
// the last
//   checkpoint, and recover() hands out the log records that came after it, in order, for the caller to apply
//   again.
// - Row keys are compared as bytes. They begin with the partition, two bytes big-endian (crdt/row_key.h).

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/result.h"

namespace atolldb::storage {

// A place in a node's log: bytes since the log's first byte. Never reused, never decreasing over restarts of
// one disk.
struct LogPosition {
  uint64_t value = 0;
  friend constexpr auto operator<=>(LogPosition, LogPosition) = default;
};

struct LogRange {
  LogPosition begin, end;  // begin <= position < end
  constexpr bool contains(LogPosition at) const { return begin <= at && at < end; }
};

// A value of 16 MiB with all that it carries: siblings from every region at the same key stand in one row.
inline constexpr size_t kRecordBytesMax = 64u << 20;
inline constexpr size_t kRowKeyBytesMax = 509;  // LMDB's 511, less the chunk number

struct Batch {
  struct Change {
    Bytes key;
    std::optional<Bytes> value;  // nothing = erase
  };
  struct Range {
    Bytes from, to;  // from <= key < to
  };
  std::vector<Bytes> records;  // appended to the log in this order
  std::vector<Change> rows;    // applied after the ranges, in this order
  std::vector<Change> meta;    // small named entries beside the rows: request ids, journal cursors
  std::vector<Range>
      erased;  // all rows there vanish first, the damaged ones too; costs the same for any number
  bool from_reserve = false;  // it makes room, or is needed to: taken on a full disk, too (Room::reserve)
  bool empty() const { return records.empty() && rows.empty() && meta.empty() && erased.empty(); }
};

// What is taken now.
enum class Room : unsigned char {
  none,
  reserve,  // the disk is full: what was kept back for it takes batches with from_reserve, for a while
  plenty,
};

enum class Found : unsigned char {
  no,
  yes,
  damaged,  // the bytes are there and their checksum is wrong; nothing of them is handed out
};

struct Events {
  LogPosition durable;           // everything below is synced
  bool checkpoint_done = false;  // since the last poll()
  std::optional<Error>
      failed;  // an fsync or checkpoint failed in a way that cannot be answered for: stop the node
};

struct Usage {
  uint64_t log_bytes = 0;       // of kept segments
  uint64_t memtable_bytes = 0;  // active and frozen
  uint64_t map_bytes = 0;       // used in LMDB
  uint64_t records = 0, syncs = 0,
           checkpoints = 0;  // since start; records / syncs is the group commit's size
};

class Store {
 public:
  using RowVisitor = std::function<bool(BytesView key, BytesView value)>;  // false ends the walk
  using RecordVisitor = std::function<bool(LogPosition at, BytesView record)>;

  virtual ~Store() = default;

  // Called once, before anything but get_meta() and walk_meta(). `apply` is given the log records behind the
  // last checkpoint in order, and may commit row and meta changes (batches without records) for each; `old`
  // the kept records before it, which streams may still need, without those in `known`: the last checkpoint
  // says what the caller needs of them, and segments that hold nothing else are not even read. All that is
  // handed out has been synced again before recover() returns.
  virtual Status recover(const RecordVisitor& old, const RecordVisitor& apply, LogRange known = {}) = 0;

  // The positions at which the batch's records begin, one for each; a record is durable when Events::durable
  // is above it. What begins with room() for it and commits several times before the next poll() is taken:
  // the disk's state is looked at in poll(), and memtables may grow to twice their size. Errc::full: the disk
  // is full, or the memtables are even so, and nothing was changed. Errc::too_large: a
  // record over kRecordBytesMax. Errc::io: the log failed; the node must stop.
  virtual Result<std::vector<LogPosition>> commit(Batch&& batch) = 0;

  virtual Found get(BytesView row_key, Bytes& value) = 0;
  // Rows with from <= key < to, in order, one state throughout; the visitor must not change the store. False
  // when a damaged row was met (it is skipped and the walk goes on).
  virtual bool walk(BytesView from, BytesView to, const RowVisitor& visit) = 0;
  virtual Found get_meta(BytesView key, Bytes& value) = 0;
  virtual bool walk_meta(BytesView from, BytesView to, const RowVisitor& visit) = 0;

  // After recover(): the log did not verify at a place that had been synced, or does not reach the
  // checkpoint. What lies before the damage has been handed out, nothing behind it: the node counts as having
  // lost its memory. True again after every restart until a checkpoint has covered the damage.
  virtual bool log_damaged() const = 0;

  // One record, synced or not. Errc::not_found: its segment has been dropped. Errc::corrupt: no record that
  // verifies begins there.
  virtual Result<Bytes> read_log(LogPosition at) = 0;
  virtual LogPosition log_begin() const = 0;  // the oldest record kept
  virtual LogPosition log_end() const = 0;    // where the next record goes
  virtual uint64_t log_segment_bytes()
      const = 0;  // of the usual segment, which is kept or dropped as a whole
  // Segments whose records are all below `keep_from` may go once checkpointed.
  virtual void release_log(LogPosition keep_from) = 0;

  // True when the active memtable is full enough that a checkpoint should begin. begin_checkpoint freezes it
  // together with `meta`, the state that must be read back with exactly these rows (clocks, trees). False
  // when one is still running.
  virtual bool wants_checkpoint() const = 0;
  virtual bool begin_checkpoint(std::vector<Batch::Change>&& meta) = 0;
  // Below plenty, both memtables or the disk are full: callers refuse what is not taken, and go on reading. A
  // full disk has plenty again when somebody frees space, or when batches from the reserve have removed
  // enough.
  virtual Room room() const = 0;
  bool has_room() const { return room() == Room::plenty; }
  bool has_reserve() const { return room() != Room::none; }
  // Whether it is the disk's fault that there is less than `wanted`, and not that of a checkpoint that is
  // still running.
  virtual bool disk_full(Room wanted = Room::plenty) const = 0;

  virtual Events poll() = 0;
  virtual int event_fd()
      const = 0;  // readable when poll() has news; -1 where there are no threads (VirtualStore)
  virtual Usage usage() const = 0;
};

}  // namespace atolldb::storage
