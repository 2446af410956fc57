#pragma once
// What checkpoints keep of the outboxes, so that a start need not read the log for them: about six bytes for
// each delta that still waited for somebody when the part of the log that holds it was indexed. A row of the
// meta entries speaks of a range of the log, and stands there in the same transaction as the rows of that
// range or a later one: it is never ahead of them, never half written, and positions are never used twice.
// The rows that continue each other up to the newest one count; where they say nothing, the log is read.
// docs/formats/records.md has the bytes.

#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "crdt/base/result.h"
#include "crdt/dot_set.h"
#include "crdt/hlc.h"
#include "storage/store.h"

namespace atolldb::region {

// Of one partition, within a row's range.
struct OutboxImage {
  struct Unsettled {
    Dot dot;
    crdt::Hlc stamp;  // with which it entered
    Bytes key;
  };
  PartitionId partition{};
  Bytes entries;             // packed (storage/packed_entries.h)
  crdt::DotSet carried_out;  // by verdicts whose records stand in the range
  std::vector<Unsettled> unsettled;
  bool empty() const { return entries.empty() && carried_out.empty(); }
};

class OutboxIndex {
 public:
  explicit OutboxIndex(storage::Store& store) : store_(store) {}

  // -- at a start. Before the store's recovery: which rows there are.
  void find();
  // What they cover.
  storage::LogRange known() const;
  // What they say, oldest first. Errc::corrupt: a row that find() has seen is gone, or no such row.
  Status load(const std::function<Status(const OutboxImage&)>& visit) const;

  // -- at a checkpoint
  // The range that the next row is to speak of, all of it below log_end(); nothing: not yet. `waits_from`
  // gives the position of the first entry of any outbox from a position on, if there is one.
  std::optional<storage::LogRange> due(
      const std::function<std::optional<storage::LogPosition>(storage::LogPosition)>& waits_from) const;
  // Adds the row, and the erasure of those that nobody needs any more.
  void write(storage::LogRange range, const std::vector<OutboxImage>& images,
             std::vector<storage::Batch::Change>& meta) const;
  // The checkpoint with it has begun.
  void written(storage::LogRange range);

 private:
  storage::Store& store_;
  std::deque<storage::LogRange> rows_;    // each continues the one before
  std::vector<storage::LogRange> stale_;  // rows that are not continued up to the newest one
};

}  // namespace atolldb::region
