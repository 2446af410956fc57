#include "storage/segment_pool.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>

#include "storage/log_format.h"

namespace atolldb::storage {
namespace {

constexpr auto kFullRetry = std::chrono::milliseconds(200);
constexpr size_t kFillBytes = 1u << 20;

// Takes the space and writes it once: blocks that were never written would cost the journal a commit at the
// first sync.
Status fill(const File& file, uint64_t bytes) {
  if (::posix_fallocate(file.fd(), 0, static_cast<off_t>(bytes)) == ENOSPC)
    return system_error("preallocate " + file.path(), ENOSPC);
  const Bytes zeros(kFillBytes, '\0');
  for (uint64_t at = 0; at < bytes; at += kFillBytes) {
    const uint64_t n = std::min<uint64_t>(kFillBytes, bytes - at);
    if (Status written = file.write_at(BytesView(zeros).substr(0, n), at); !written) return written;
  }
  return file.sync_all();
}

}  // namespace

SegmentPool::SegmentPool(const Options& options, uint64_t next_slot, std::function<void()> notify)
    : options_(options), notify_(std::move(notify)), next_slot_(next_slot), thread_([this] { run(); }) {}

SegmentPool::~SegmentPool() {
  stop();
  thread_.join();
}

void SegmentPool::close() {
  const std::lock_guard lock(mutex_);
  closing_ = true;
  changed_.notify_all();
}

void SegmentPool::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

std::optional<SegmentFile> SegmentPool::take(uint64_t bytes) {
  std::unique_lock lock(mutex_);
  std::deque<SegmentFile>::iterator found;
  const auto find = [&] {
    found = std::find_if(ready_.begin(), ready_.end(), [&](const auto& s) { return s.bytes >= bytes; });
    return found != ready_.end();
  };
  if (!find() && bytes > options_.segment_bytes) large_wanted_ = bytes;
  changed_.notify_all();
  changed_.wait(lock, [&] { return stopped_ || failed_ || (closing_ && full_) || find(); });
  large_wanted_ = 0;
  if (!find()) return std::nullopt;
  SegmentFile segment = std::move(*found);
  ready_.erase(found);
  changed_.notify_all();
  return segment;
}

void SegmentPool::give_back(SegmentFile&& segment) {
  const std::lock_guard lock(mutex_);
  returned_.push_back(std::move(segment));
  changed_.notify_all();
}

bool SegmentPool::has_room() const {
  const std::lock_guard lock(mutex_);
  return !full_;
}

std::optional<Error> SegmentPool::failed() const {
  const std::lock_guard lock(mutex_);
  return failed_;
}

bool SegmentPool::wanted() const {
  if (large_wanted_ > 0)
    return std::none_of(ready_.begin(), ready_.end(),
                        [&](const auto& s) { return s.bytes >= large_wanted_; });
  return ready_.size() < options_.spares;
}

void SegmentPool::run() {
  std::unique_lock lock(mutex_);
  while (!stopped_ && !failed_) {
    if (!returned_.empty()) {
      SegmentFile segment = std::move(returned_.front());
      returned_.pop_front();
      lock.unlock();
      recycle(std::move(segment));
      lock.lock();
      continue;
    }
    if (!wanted()) {
      changed_.wait(lock);
      continue;
    }
    const uint64_t bytes = std::max(options_.segment_bytes, large_wanted_);
    const uint64_t slot = next_slot_++;
    lock.unlock();
    Result<SegmentFile> made = prepare(bytes, slot);
    lock.lock();
    const bool was_full = full_;
    full_ = !made && made.error().code == Errc::full;
    if (made)
      ready_.push_back(std::move(*made));
    else if (!full_)
      failed_ = made.error();
    changed_.notify_all();
    if (full_ != was_full || failed_) notify_();
    if (full_) changed_.wait_for(lock, kFullRetry, [&] { return stopped_ || !returned_.empty(); });
  }
}

// Only segments of the usual size are kept; the others were made for one large record, or cut short at a
// restart.
void SegmentPool::recycle(SegmentFile&& segment) {
  bool keep = segment.bytes == options_.segment_bytes;
  {
    const std::lock_guard lock(mutex_);
    keep = keep && ready_.size() < options_.spares;
  }
  // The header goes first. If a crash keeps the old one, recovery finds records that are older than the
  // checkpoint and continue nothing.
  if (keep && !segment.file.write_at(Bytes(kSegmentHeaderBytes, '\0'), 0)) keep = false;
  if (!keep) {
    ::unlink(segment.file.path().c_str());
    return;
  }
  const std::lock_guard lock(mutex_);
  const bool was_full = std::exchange(full_, false);
  ready_.push_back(std::move(segment));
  changed_.notify_all();
  if (was_full) notify_();
}

Result<SegmentFile> SegmentPool::prepare(uint64_t bytes, uint64_t slot) {
  char name[32];
  std::snprintf(name, sizeof name, "/%010llu.log", static_cast<unsigned long long>(slot));
  const std::string path = options_.directory + name;
  if (options_.faults && options_.faults->full) return system_error("preallocate " + path, ENOSPC);
  Result<File> file = File::open(path, O_RDWR | O_CREAT | O_EXCL);
  if (!file) return file.error();
  Status filled = fill(*file, bytes);
  if (filled) filled = sync_directory(options_.directory);
  if (!filled) {
    ::unlink(path.c_str());
    return filled.error();
  }
  return SegmentFile{std::move(*file), bytes};
}

}  // namespace atolldb::storage
