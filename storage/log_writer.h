#pragma once
// The log while it is written: group commit (DeWitt et al., SIGMOD 1984). The protocol thread appends to a
// buffer and goes on; the writer thread takes all that waits, writes it with one pwrite and one fdatasync,
// and says how far the log is synced. With one record waiting it starts at once; while it syncs, the next
// group gathers.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "storage/disk_faults.h"
#include "storage/log_format.h"
#include "storage/segment_pool.h"

namespace atolldb::storage {

// A kept part of the log.
struct Segment {
  SegmentFile segment;
  SegmentHeader header;
  uint64_t end = 0;  // position behind its last record
};

class LogWriter {
 public:
  struct Options {
    uint64_t incarnation = 0;
    uint64_t waiting_bytes_max = 64u << 20;  // appended and not yet written
    bool periodic = false;                   // publish what is written, sync every tenth of a second
    DiskFaults* faults = nullptr;
  };
  // Continues behind `kept`, whose records are all synced. `begin` is where the next record goes: the end of
  // the last kept segment, or further after damage. `notify` is called from the writer's thread when
  // durable() or failed() changes.
  LogWriter(const Options& options, std::deque<std::shared_ptr<Segment>> kept, uint64_t begin,
            uint64_t next_sequence, SegmentPool& pool, std::function<void()> notify);
  ~LogWriter();

  // -- the protocol thread
  bool has_room() const;  // for more bytes in the buffer
  // The record's position. The buffer takes records of any number; the caller asks has_room() first.
  LogPosition append(BytesView record);
  void flush();  // wakes the writer for what was appended
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
  std::optional<Error> failed() const;
  // Waits until everything below is synced. False: the writer failed or was stopped.
  bool wait_synced(LogPosition position) const;
  // Writes what waits, if it can without waiting for space, and ends the thread.
  void stop();

 private:
  struct Group {
    uint64_t begin = 0;
    Bytes bytes;
    std::vector<uint32_t> starts;  // of its records, from `begin`: streams read what is not written yet, too
  };

  void run();
  Status write(Group& group);
  Status write_part(Group& group, size_t from, size_t to);
  Status begin_segment(uint64_t bytes, uint64_t position);
  Status sync_segment();
  void publish(uint64_t durable);
  static std::optional<BytesView> find_in(const Group& group, uint64_t at);

  const Options options_;
  SegmentPool& pool_;
  const std::function<void()> notify_;

  // The writer thread's own.
  std::shared_ptr<Segment> current_;
  uint64_t next_sequence_;
  uint64_t written_ = 0;  // end of what is in the file

  // The protocol thread's own.
  uint64_t end_;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  Group waiting_, writing_;
  bool idle_ = false, stopped_ = false;
  std::deque<std::shared_ptr<Segment>> kept_;
  uint64_t synced_ = 0;
  std::optional<Error> failed_;

  std::atomic<uint64_t> durable_, syncs_{0};
  std::thread thread_;
};

}  // namespace atolldb::storage
