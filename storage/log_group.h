#pragma once
// Records that are written together, as they will lie in the file.

#include <memory>
#include <vector>

#include "storage/log_format.h"

namespace atolldb::storage {

class LogGroup {
 public:
  // An empty group, whose first record will stand at `begin`.
  void start(uint64_t begin);
  bool empty() const { return places_.empty(); }
  size_t size() const { return places_.size(); }
  uint64_t begin() const { return begin_; }
  uint64_t end() const { return end_; }

  // Returns where it stands: at end(). Its head says that the log will be synced up to begin() when the group
  // is written, which holds where every group is synced before the next one is begun.
  LogPosition add(BytesView record, uint64_t incarnation);
  // Makes the heads of the records from `first` up to `last`, exclusive, say `synced_below` instead.
  void seal(size_t first, size_t last, uint64_t incarnation, uint64_t synced_below);

  uint64_t end_of(size_t record) const {
    return record + 1 < places_.size() ? places_[record + 1].at.value : end_;
  }
  // What the file holds from one position to another.
  BytesView bytes(uint64_t from, uint64_t to) const { return {bytes_.get() + (from - begin_), to - from}; }
  // The record at a position; nothing: none begins there. Any thread may look while another one seals.
  std::optional<BytesView> find(LogPosition at) const;

 private:
  struct Place {
    LogPosition at;
    size_t bytes = 0;  // of the record alone
  };
  char* head(const Place& place) const { return bytes_.get() + (place.at.value - begin_); }
  BytesView record(const Place& place) const { return {head(place) + kRecordHeadBytes, place.bytes}; }
  void grow(size_t bytes);

  struct Free {
    void operator()(char* bytes) const;
  };
  std::unique_ptr<char[], Free> bytes_;  // grows in place where it can
  size_t capacity_ = 0;
  std::vector<Place> places_;
  uint64_t begin_ = 0, end_ = 0;
};

}  // namespace atolldb::storage
