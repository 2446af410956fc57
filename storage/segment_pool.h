#pragma once
// Preallocated log segments, made ready before they are needed. Space is taken and filled with zeros ahead of
// time, so that a sync of the log writes data and no metadata, and so that a full disk shows here, where
// nothing is lost yet, and not in the middle of a record.
//
// Its worker makes and recycles; the log writer's takes segments, the protocol thread gives them back.

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "storage/file_system.h"
#include "storage/worker.h"

namespace atolldb::storage {

// From finding the disk full to trying it again.
inline constexpr Duration kFullRetry = Duration::millis(200);

// A segment's file; what lies in it is LogWriter's business.
struct SegmentFile {
  std::unique_ptr<File> file;
  uint64_t bytes = 0;  // of the file, header block included
};

// The path of the file in slot `slot`; names mean nothing else.
std::string segment_path(const std::string& directory, uint64_t slot);

class SegmentPool final : public Worker {
 public:
  struct Options {
    std::string directory;
    uint64_t segment_bytes = 16u << 20;
    size_t spares = 2;       // made ahead
    size_t spares_kept = 4;  // of those that come back
  };
  struct Hooks {
    std::function<void()> wake;    // there is something to do
    std::function<void()> notify;  // a segment is ready, or has_room() or failed() changed; from the worker
  };
  // `next_slot`: files are named by a number that no file in the directory has yet.
  SegmentPool(const Options& options, FileSystem& files, uint64_t next_slot, Hooks hooks);

  // -- any thread
  // A segment with a header of zeros, of at least `bytes`. Nothing: none is ready; `notify` says when.
  std::optional<SegmentFile> take(uint64_t bytes);
  // A segment that is no longer needed: kept as a spare, or deleted.
  void give_back(SegmentFile&& segment);
  // For records, in the segments that take() has, or will have: those that were given back, and the first
  // one, which is taken for granted.
  uint64_t ready_bytes() const;
  // False: no spare is left, and none could be made because the disk is full. Tried again every fifth of a
  // second. What is left of the segment at work is the log's reserve.
  bool has_room() const;
  // Anything but a full disk: the node must stop.
  std::optional<Error> failed() const;
  void stop();

  // -- the worker
  bool begin(Instant now) override;
  void complete(Instant now) override;
  Instant wake_at() const override;
  bool ended() const override;

 private:
  bool wanted() const;
  bool full() const { return short_ && (ready_.empty() || large_wanted_ > 0); }
  void recycle(SegmentFile&& segment);
  void discard(const File& file);
  Result<SegmentFile> prepare();
  void finish(Result<SegmentFile>&& made, Instant now);

  const Options options_;
  FileSystem& files_;
  const Hooks hooks_;

  // The worker's own: the piece that begin() took up.
  std::optional<SegmentFile> recycling_;
  std::unique_ptr<File> preparing_;
  uint64_t preparing_bytes_ = 0;

  mutable std::mutex mutex_;
  std::deque<SegmentFile> ready_;
  std::deque<SegmentFile> returned_;
  size_t coming_ = 0;          // of the usual size, given back and not ready yet
  uint64_t large_wanted_ = 0;  // bytes of a segment larger than usual that take() asked for
  uint64_t next_slot_;
  Instant retry_at_{INT64_MIN};
  bool short_ = false;  // the disk had no space for a segment
  bool stopped_ = false, made_one_ = false;
  std::optional<Error> failed_;
  std::atomic<bool> broken_{false};  // failed_ is there: asked for with every write
};

}  // namespace atolldb::storage
