#include "storage/segment_pool.h"

#include <algorithm>
#include <cstdio>

#include "storage/log_format.h"

namespace atolldb::storage {
namespace {

constexpr Instant kAtOnce{INT64_MIN};

}  // namespace

std::string segment_path(const std::string& directory, uint64_t slot) {
  char name[32];
  std::snprintf(name, sizeof name, "/%010llu.log", static_cast<unsigned long long>(slot));
  return directory + name;
}

SegmentPool::SegmentPool(const Options& options, FileSystem& files, uint64_t next_slot, Hooks hooks)
    : options_(options), files_(files), hooks_(std::move(hooks)), next_slot_(next_slot) {}

std::optional<SegmentFile> SegmentPool::take(uint64_t bytes) {
  std::optional<SegmentFile> taken;
  {
    const std::lock_guard lock(mutex_);
    const auto found =
        std::find_if(ready_.begin(), ready_.end(), [&](const auto& s) { return s.bytes >= bytes; });
    if (found != ready_.end()) {
      taken = std::move(*found);
      ready_.erase(found);
      large_wanted_ = 0;
    } else if (bytes > options_.segment_bytes) {
      large_wanted_ = bytes;
    }
  }
  hooks_.wake();
  return taken;
}

void SegmentPool::give_back(SegmentFile&& segment) {
  {
    const std::lock_guard lock(mutex_);
    if (segment.bytes == options_.segment_bytes) ++coming_;
    returned_.push_back(std::move(segment));
  }
  hooks_.wake();
}

uint64_t SegmentPool::ready_bytes() const {
  const std::lock_guard lock(mutex_);
  const uint64_t usual = options_.segment_bytes - kSegmentHeaderBytes;
  const size_t coming =
      std::min(coming_, options_.spares_kept - std::min(options_.spares_kept, ready_.size()));
  uint64_t bytes = made_one_ || short_ ? 0 : usual;
  bytes += coming * usual;
  for (const SegmentFile& segment : ready_) bytes += segment.bytes - kSegmentHeaderBytes;
  return bytes;
}

bool SegmentPool::has_room() const {
  const std::lock_guard lock(mutex_);
  return !full();
}

std::optional<Error> SegmentPool::failed() const {
  if (!broken_) return std::nullopt;
  const std::lock_guard lock(mutex_);
  return failed_;
}

void SegmentPool::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
}

bool SegmentPool::ended() const {
  const std::lock_guard lock(mutex_);
  return stopped_ || failed_;
}

Instant SegmentPool::wake_at() const {
  const std::lock_guard lock(mutex_);
  return short_ ? retry_at_ : Instant::never();
}

bool SegmentPool::wanted() const {
  if (large_wanted_ > 0)
    return std::none_of(ready_.begin(), ready_.end(),
                        [&](const auto& s) { return s.bytes >= large_wanted_; });
  return ready_.size() < options_.spares;
}

bool SegmentPool::begin(Instant now) {
  std::unique_lock lock(mutex_);
  if (failed_) return false;
  if (!returned_.empty()) {
    recycling_ = std::move(returned_.front());
    returned_.pop_front();
    return true;
  }
  if (!wanted() || now < retry_at_) return false;
  preparing_bytes_ = std::max(options_.segment_bytes, large_wanted_);
  const std::string path = segment_path(options_.directory, next_slot_++);
  lock.unlock();
  Result<std::unique_ptr<File>> file = files_.create(path);
  if (file)
    preparing_ = std::move(*file);
  else
    finish(file.error(), now);
  return preparing_ != nullptr;
}

void SegmentPool::complete(Instant now) {
  if (recycling_) {
    recycle(std::move(*std::exchange(recycling_, std::nullopt)));
    return;
  }
  finish(prepare(), now);
}

Result<SegmentFile> SegmentPool::prepare() {
  std::unique_ptr<File> file = std::move(preparing_);
  Status made = file->reserve(preparing_bytes_);
  if (made) made = files_.sync_directory(options_.directory);
  if (made) return SegmentFile{std::move(file), preparing_bytes_};
  discard(*file);
  return made.error();
}

void SegmentPool::finish(Result<SegmentFile>&& made, Instant now) {
  bool news;
  {
    const std::lock_guard lock(mutex_);
    const bool was_short = std::exchange(short_, !made && made.error().code == Errc::full);
    news = !short_ || !was_short;
    retry_at_ = short_ ? now + kFullRetry : kAtOnce;
    if (made) {
      made_one_ = true;
      ready_.push_back(std::move(*made));
    }
    if (!made && !short_) failed_ = made.error();
    broken_ = failed_.has_value();
  }
  if (news) hooks_.notify();
}

// What cannot be removed now is found unused at the next start.
void SegmentPool::discard(const File& file) {
  [[maybe_unused]] const Status removed = files_.remove(file.path());
}

// Only segments of the usual size are kept; the others were made for one large record, or cut short at a
// restart.
void SegmentPool::recycle(SegmentFile&& segment) {
  const bool usual = segment.bytes == options_.segment_bytes;
  bool keep = usual;
  {
    const std::lock_guard lock(mutex_);
    keep = keep && ready_.size() < options_.spares_kept;
  }
  // The header goes first. If a crash keeps the old one, recovery finds records that are older than the
  // checkpoint and continue nothing.
  if (keep && !segment.file->write_at(Bytes(kSegmentHeaderBytes, '\0'), 0)) keep = false;
  if (!keep) discard(*segment.file);
  {
    const std::lock_guard lock(mutex_);
    if (usual) --coming_;
    retry_at_ = kAtOnce;  // there is more space than before
    if (!keep) return;
    made_one_ = true;
    ready_.push_back(std::move(segment));
    if (ready_.size() >= options_.spares) short_ = false;
  }
  hooks_.notify();
}

}  // namespace atolldb::storage
