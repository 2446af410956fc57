#pragma once
// What a node's log says (docs/formats/records.md). Replayed in order onto the state of the last checkpoint
// these give back exactly the state that was synced. Views inside a decoded record borrow from its bytes.

#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "crdt/base/result.h"
#include "crdt/dot_set.h"
#include "crdt/hlc.h"
#include "region/core/entry.h"

namespace atolldb::region {

// Persistent: numbers are never reused.
enum class RecordType : uint8_t {
  start = 1,
  delta = 2,
  promise = 3,
  known = 5,
  forgot = 6,
  standing = 7,
  pull_begin = 8,
  pull_chunk = 9,
  pull_abandon = 10,
  regained = 11,
  reset = 12,
  pull_applied = 13,
  verdict_settled = 14,
  stamp = 15,
};

struct StartRecord {  // a process began; nothing of it is older
  uint32_t start = 0, random = 0;
};
struct DeltaRecord {  // logging under an epoch promises it (rule 6)
  PartitionId partition{};
  Epoch epoch;
  crdt::Hlc stamp;
  BytesView request_id;  // encoded; empty: none
  BytesView delta;
  Verdict verdict = Verdict::none;
  Epoch judged = {};  // the epoch that gave the verdict
};
struct VerdictRecord {  // a conditional write's verdict is settled, and was carried out
  PartitionId partition{};
  Dot dot;
};
struct PromiseRecord {
  PartitionId partition{};
  Epoch epoch;
};
struct KnownRecord {  // the highest synced log position heard of a node (rule 15)
  NodeNumber node{};
  uint32_t start = 0, random = 0;
  uint64_t position = 0;
};
struct ForgotRecord {  // rule 16
  NodeNumber node{};
  uint32_t start = 0;
};
struct StandingRecord {
  uint8_t standing = 0;
};
struct PullBeginRecord {
  PartitionId partition{};
  crdt::DotSet clock;
};
struct PullChunkRecord {
  PartitionId partition{};
  BytesView cursor, units, next;
  bool last = false;
  crdt::DotSet settled;
  uint64_t ids_forgotten_ms = 0;
  std::vector<std::pair<BytesView, BytesView>> request_ids;
  std::vector<Entry> entries;
  Epoch entered = {};  // as in Promise; on the last chunk
  crdt::Hlc stamp;     // of the last chunk: the highest with which anything had entered at its sender
};
struct PullAbandonRecord {
  PartitionId partition{};
};
struct PullAppliedRecord {  // the next of the chunks that were kept aside
  PartitionId partition{};
};
struct RegainedRecord {  // every partition has been exchanged since the memory was lost
  std::vector<std::pair<PartitionId, uint64_t>> lost_epochs;
  uint64_t ids_forgotten_ms = 0;  // too few had kept theirs: ids made up to here may be known to nobody
};
struct StampRecord {  // what enters from now on has a higher one
  PartitionId partition{};
  crdt::Hlc stamp;
};
struct ResetRecord {  // a damaged row: the partition begins again with an empty clock
  PartitionId partition{};
};

void encode(const StartRecord& r, Bytes& out);
void encode(const DeltaRecord& r, Bytes& out);
void encode(const VerdictRecord& r, Bytes& out);
void encode(const PromiseRecord& r, Bytes& out);
void encode(const KnownRecord& r, Bytes& out);
void encode(const ForgotRecord& r, Bytes& out);
void encode(const StandingRecord& r, Bytes& out);
void encode(const PullBeginRecord& r, Bytes& out);
void encode(const PullChunkRecord& r, Bytes& out);
void encode(const PullAbandonRecord& r, Bytes& out);
void encode(const PullAppliedRecord& r, Bytes& out);
void encode(const RegainedRecord& r, Bytes& out);
void encode(const ResetRecord& r, Bytes& out);
void encode(const StampRecord& r, Bytes& out);

using Record = std::variant<StartRecord, DeltaRecord, PromiseRecord, KnownRecord, ForgotRecord,
                            StandingRecord, PullBeginRecord, PullChunkRecord, PullAbandonRecord,
                            PullAppliedRecord, RegainedRecord, ResetRecord, VerdictRecord, StampRecord>;

template <typename R>
Bytes to_bytes(const R& record) {
  Bytes out;
  encode(record, out);
  return out;
}

// Errc::version: a type or format that this version does not know. Errc::corrupt.
Result<Record> decode_record(BytesView bytes);

}  // namespace atolldb::region
