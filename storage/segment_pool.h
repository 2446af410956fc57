#pragma once
// Preallocated log segments, made ready before they are needed. Space is taken and filled with zeros ahead of
// time, so that a sync of the log writes data and no metadata, and so that a full disk shows here, where
// nothing is lost yet, and not in the middle of a record.
//
// One thread of its own does the work; the log writer takes segments, the protocol thread gives them back.

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "storage/disk_faults.h"
#include "storage/file.h"

namespace atolldb::storage {

// A segment's file; what lies in it is LogWriter's business.
struct SegmentFile {
  File file;
  uint64_t bytes = 0;  // of the file, header block included
};

class SegmentPool {
 public:
  struct Options {
    std::string directory;
    uint64_t segment_bytes = 16u << 20;
    size_t spares = 2;  // kept ready
    DiskFaults* faults = nullptr;
  };
  // `next_slot`: files are named by a number that no file in the directory has yet. `notify` is called from
  // the pool's thread when room() or failed() changes.
  SegmentPool(const Options& options, uint64_t next_slot, std::function<void()> notify);
  ~SegmentPool();

  // A segment with a header of zeros, of at least `bytes`. Waits for one; nothing when the pool is stopped.
  std::optional<SegmentFile> take(uint64_t bytes);
  // A segment that is no longer needed: kept as a spare, or deleted.
  void give_back(SegmentFile&& segment);

  // False: a spare could not be made because the disk is full. Tried again every fifth of a second.
  bool has_room() const;
  // Anything but a full disk: the node must stop.
  std::optional<Error> failed() const;
  void close();  // take() no longer waits for a disk that is full
  void stop();   // take() returns from now on

 private:
  void run();
  void recycle(SegmentFile&& segment);
  Result<SegmentFile> prepare(uint64_t bytes, uint64_t slot);
  bool wanted() const;

  const Options options_;
  const std::function<void()> notify_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<SegmentFile> ready_;
  std::deque<SegmentFile> returned_;
  uint64_t large_wanted_ = 0;  // bytes of a segment larger than usual that take() waits for
  uint64_t next_slot_;
  bool full_ = false, closing_ = false, stopped_ = false;
  std::optional<Error> failed_;

  std::thread thread_;
};

}  // namespace atolldb::storage
