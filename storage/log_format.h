#pragma once
// The log on disk, byte for byte (docs/formats/log.md). A segment is a preallocated file: one header block,
// then records back to back. Checksums are bound to where a record lies and to the process that wrote it, so
// that what a recycled segment held before never verifies (HAZARDS 47).

#include <optional>

#include "crdt/base/bytes.h"
#include "storage/store.h"

namespace atolldb::storage {

inline constexpr uint32_t kLogFormatVersion = 1;
inline constexpr size_t kRecordHeadBytes = 24;
inline constexpr size_t kRecordAlignment = 8;
inline constexpr size_t kSegmentHeaderBytes = 4096;       // the block that the header has to itself
inline constexpr size_t kSegmentHeaderCopyOffset = 2048;  // in another sector, against a flipped bit

// Bytes that a record of `size` bytes takes in the log: head, record, padding.
constexpr uint64_t record_extent(size_t size) {
  return (kRecordHeadBytes + size + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
}

struct SegmentHeader {
  uint64_t sequence = 0;      // counts segments as they are begun
  uint64_t begin = 0;         // log position of the first record
  uint64_t previous_end = 0;  // where the log ended before; less than `begin` after damage only
  uint64_t incarnation = 0;   // random, of the process that wrote the segment
  friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};

// The header's block, both copies in it.
Bytes encode_segment_header(const SegmentHeader& header);

enum class HeaderFound : unsigned char { unused, valid, damaged, newer_version };
HeaderFound decode_segment_header(BytesView block, SegmentHeader& header);

struct RecordHead {
  uint32_t size = 0;
  uint32_t check = 0;         // of this head at its position
  uint64_t synced_below = 0;  // every log byte below was synced before this record was written
  uint64_t checksum = 0;      // of head and record
};
static_assert(sizeof(RecordHead) == kRecordHeadBytes, "the head lies on disk as it lies in memory");

// Writes record_extent() bytes at `into`. `synced_below` is at most `position`.
void encode_record(char* into, BytesView record, uint64_t position, uint64_t incarnation,
                   uint64_t synced_below);

// Writes the head alone, in front of a record that stands there already.
void seal_record(char* head, BytesView record, uint64_t position, uint64_t incarnation,
                 uint64_t synced_below);

// The head at `bytes`, if it is one for this position.
std::optional<RecordHead> read_record_head(BytesView bytes, uint64_t position, uint64_t incarnation);
bool verify_record(const RecordHead& head, BytesView record, uint64_t position, uint64_t incarnation);

}  // namespace atolldb::storage
