#pragma once
// The log while it is written: group commit (DeWitt et al., SIGMOD 1984). The protocol thread puts records
// into the waiting group as they will lie in the file, and goes on; the worker takes all that waits, writes
// it with one pwrite and one fdatasync, and says how far the log is synced. With one record waiting it starts
// at once; while it syncs, the next group gathers. The protocol thread encodes because it has the records in
// its cache, and while the worker wakes up.

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "storage/log_group.h"
#include "storage/segment_pool.h"
#include "storage/worker.h"

namespace atolldb::storage {

// A kept part of the log.
struct Segment {
  SegmentFile segment;
  SegmentHeader header;
  uint64_t end = 0;  // position behind its last record
};

class LogWriter final : public Worker {
 public:
  struct Options {
    uint64_t incarnation = 0;
    uint64_t waiting_bytes_max = 64u << 20;  // appended and not yet written
    bool periodic = false;                   // publish what is written, sync every tenth of a second
  };
  struct Hooks {
    std::function<void()> wake;    // there is something to write
    std::function<void()> notify;  // durable(), synced() or failed() changed; from the worker
  };
  // Continues behind `kept`, whose records are all synced. `begin` is where the next record goes: the end of
  // the last kept segment, or further after damage.
  LogWriter(const Options& options, std::deque<std::shared_ptr<Segment>> kept, uint64_t begin,
            uint64_t next_sequence, SegmentPool& pool, Hooks hooks);

  // -- the protocol thread
  bool has_room() const;  // for more that waits
  // The records' positions. Any number are taken; the caller asks has_room() first.
  std::vector<LogPosition> append(const std::vector<Bytes>& records);
  // Left of the segment at work and of those that are ready: what may be appended without a new one.
  uint64_t space() const;
  LogPosition end() const { return {end_}; }
  LogPosition begin() const;
  Result<Bytes> read(LogPosition at) const;
  // Gives segments that end at or below `position` back to the pool; the newest stays.
  void drop_below(LogPosition position);
  // The same for the oldest ones until at most `bytes` are kept, but none that ends above `limit`.
  void drop_to_size(uint64_t bytes, LogPosition limit);
  uint64_t kept_bytes() const;
  uint64_t syncs() const { return syncs_.load(std::memory_order_relaxed); }

  // -- any thread
  // Everything below is synced (written, where periodic).
  LogPosition durable() const { return {durable_.load(std::memory_order_acquire)}; }
  LogPosition synced() const;
  std::optional<Error> failed() const;
  // The worker ends when it has written what waits, as far as it can without waiting for space.
  void stop();

  // -- the worker. A piece is what of a group fits into one segment, and its sync.
  bool begin(Instant now) override;
  void complete(Instant now) override;
  Instant wake_at() const override;
  bool ended() const override;

 private:
  enum class Part : unsigned char { nothing, written, segment_full, failed };

  Part write_part(Instant now);
  uint64_t room() const;
  Status begin_segment(SegmentFile&& segment);
  Part refused(const Error& error, Instant now);
  void fail(const Error& error);

  const Options options_;
  SegmentPool& pool_;
  const Hooks hooks_;
  const uint64_t start_;  // everything from here on is in segments of this process

  // The worker's own.
  std::shared_ptr<Segment> current_;
  uint64_t next_sequence_;
  uint64_t written_;                    // end of what is in the file
  size_t next_ = 0;                     // of writing_: its first record that is not
  bool syncing_ = false;                // complete() is to
  Instant sync_at_ = Instant::never();  // of what is written and not synced; periodic only
  std::optional<Instant> retry_at_;     // the disk is full

  // The protocol thread's own.
  uint64_t end_;

  mutable std::mutex mutex_;
  LogGroup waiting_, writing_;  // swapped and emptied under the lock; what is being written does not change
  bool stopping_ = false;
  std::deque<std::shared_ptr<Segment>> kept_;
  uint64_t synced_;
  std::optional<Error> failed_;
  std::atomic<bool> broken_{false};  // failed_ is there: asked for with every write

  std::atomic<uint64_t> durable_, syncs_{0};
  std::atomic<bool> full_{false};
};

}  // namespace atolldb::storage
