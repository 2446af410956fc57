#pragma once
// How far apart two records of the log are. Shared by both stores, so that the simulator sees the positions
// that a disk would give.

#include <cstddef>
#include <cstdint>

#include "storage/store.h"

namespace atolldb::storage {

inline constexpr size_t kRecordHeadBytes = 24;
inline constexpr size_t kRecordAlignment = 8;

// Bytes that a record of `size` bytes takes in the log: head, record, padding.
constexpr uint64_t record_extent(size_t size) {
  return (kRecordHeadBytes + size + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
}

constexpr LogPosition record_end(LogPosition at, size_t size) { return {at.value + record_extent(size)}; }

}  // namespace atolldb::storage
