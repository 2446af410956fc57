#pragma once
// Reading the log after a start: which segments continue each other, which records verify, and whether what
// does not verify is a torn tail (a write that no sync had covered: nobody was told of it) or damage (bytes
// that had been synced). docs/storage.md says how the two are told apart.

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "storage/log_writer.h"

namespace atolldb::storage {

struct RecoveredLog {
  std::deque<std::shared_ptr<Segment>> kept;  // synced, in order
  uint64_t end = 0;                           // where the next record goes
  bool damaged = false;
  std::vector<SegmentFile> unused;  // for the pool, after everything else is done
  uint64_t next_sequence = 1;
  uint64_t next_slot = 1;
};

// Hands out the records below `checkpoint` to `old` (may be empty), but for those in `known`, and the others
// to `apply`. Segments that hold nothing for either are not even read: their headers say that they are whole.
// Errc::version: a segment of a newer format. Errc::corrupt: a visitor said false.
Result<RecoveredLog> recover_log(FileSystem& files, const std::string& directory, LogPosition checkpoint,
                                 uint64_t incarnation, const Store::RecordVisitor& old,
                                 const Store::RecordVisitor& apply, LogRange known = {});

}  // namespace atolldb::storage
