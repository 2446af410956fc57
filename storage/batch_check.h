#pragma once
// What every store refuses in a batch, before anything is changed.

#include <algorithm>

#include "storage/store.h"

namespace atolldb::storage {

inline Status check_batch(const Batch& batch) {
  for (const Bytes& record : batch.records)
    if (record.size() > kRecordBytesMax)
      return {Errc::too_large, "a log record of " + std::to_string(record.size()) +
                                   " bytes is over the limit of " + std::to_string(kRecordBytesMax)};
  for (const Batch::Range& range : batch.erased)
    if (range.from.size() > kRowKeyBytesMax || range.to.size() > kRowKeyBytesMax)
      return {Errc::too_large, "a bound of " + std::to_string(std::max(range.from.size(), range.to.size())) +
                                   " bytes for a range of rows; at most " + std::to_string(kRowKeyBytesMax) +
                                   " can be stored"};
  for (const auto* changes : {&batch.rows, &batch.meta})
    for (const Batch::Change& change : *changes) {
      if (change.key.empty() || change.key.size() > kRowKeyBytesMax)
        return {Errc::too_large, "a row key of " + std::to_string(change.key.size()) + " bytes; 1 to " +
                                     std::to_string(kRowKeyBytesMax) + " can be stored"};
      if (change.value && change.value->size() > kRecordBytesMax)
        return {Errc::too_large, "a row of " + std::to_string(change.value->size()) +
                                     " bytes is over the limit of " + std::to_string(kRecordBytesMax)};
    }
  return ok();
}

}  // namespace atolldb::storage
