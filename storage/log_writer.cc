#include "storage/log_writer.h"

#include <algorithm>
#include <iterator>

#include "crdt/base/canary.h"

namespace atolldb::storage {
namespace {

constexpr Duration kPeriod = Duration::millis(100);
constexpr size_t kReadAhead = 4096;

Error not_kept(LogPosition at) {
  return {Errc::not_found, "log position " + std::to_string(at.value) + " is not kept"};
}
Error not_a_record(LogPosition at) {
  return {Errc::corrupt, "no record that verifies begins at log position " + std::to_string(at.value)};
}

}  // namespace

LogWriter::LogWriter(const Options& options, std::deque<std::shared_ptr<Segment>> kept, uint64_t begin,
                     uint64_t next_sequence, SegmentPool& pool, Hooks hooks)
    : options_(options),
      pool_(pool),
      hooks_(std::move(hooks)),
      start_(begin),
      next_sequence_(next_sequence),
      written_(begin),
      end_(begin),
      kept_(std::move(kept)),
      synced_(begin),
      durable_(begin) {
  waiting_.start(begin);
  writing_.start(begin);
}

bool LogWriter::has_room() const {
  if (full_) return false;
  const std::lock_guard lock(mutex_);
  return end_ - waiting_.begin() < options_.waiting_bytes_max;
}

std::vector<LogPosition> LogWriter::append(const std::vector<Bytes>& records) {
  std::vector<LogPosition> positions;
  if (records.empty()) return positions;
  hooks_.wake();  // a thread needs longer to wake up than the records to be put there
  positions.reserve(records.size());
  {
    const std::lock_guard lock(mutex_);
    for (const Bytes& record : records) positions.push_back(waiting_.add(record, options_.incarnation));
    end_ = waiting_.end();
  }
  hooks_.wake();
  return positions;
}

uint64_t LogWriter::space() const {
  uint64_t capacity = start_;
  {
    const std::lock_guard lock(mutex_);
    if (!kept_.empty() && kept_.back()->header.incarnation == options_.incarnation) {
      const Segment& last = *kept_.back();
      capacity = last.header.begin + last.segment.bytes - kSegmentHeaderBytes;
    }
  }
  const uint64_t ready = pool_.ready_bytes() + capacity;
  return ready - std::min(ready, end_);
}

LogPosition LogWriter::begin() const {
  const std::lock_guard lock(mutex_);
  if (!kept_.empty()) return {kept_.front()->header.begin};
  for (const LogGroup* group : {&writing_, &waiting_})
    if (!group->empty()) return {group->begin()};
  return {end_};
}

Result<Bytes> LogWriter::read(LogPosition at) const {
  std::shared_ptr<Segment> segment;
  {
    const std::lock_guard lock(mutex_);
    if (at.value >= end_) return not_kept(at);
    for (const LogGroup* group : {&writing_, &waiting_}) {
      if (at.value < group->begin() || at.value >= group->end()) continue;
      const auto record = group->find(at);
      return record ? Result<Bytes>(Bytes(*record)) : not_a_record(at);
    }
    for (const auto& kept : kept_)
      if (at.value >= kept->header.begin && at.value < kept->end) segment = kept;
  }
  if (!segment) return not_kept(at);
  const uint64_t offset = kSegmentHeaderBytes + (at.value - segment->header.begin);
  Bytes bytes(kReadAhead, '\0');
  const File& file = *segment->segment.file;
  const Result<size_t> got = file.read_at(bytes.data(), bytes.size(), offset);
  if (!got) return got.error();
  bytes.resize(*got);
  const auto head = read_record_head(bytes, at.value, segment->header.incarnation);
  if (!head) return not_a_record(at);
  const size_t had = bytes.size();
  bytes.resize(kRecordHeadBytes + head->size);
  if (bytes.size() > had) {
    const Result<size_t> more = file.read_at(bytes.data() + had, bytes.size() - had, offset + had);
    if (!more) return more.error();
    if (*more < bytes.size() - had) return not_a_record(at);
  }
  bytes.erase(0, kRecordHeadBytes);
  if (!verify_record(*head, bytes, at.value, segment->header.incarnation)) return not_a_record(at);
  return bytes;
}

void LogWriter::drop_below(LogPosition position) { drop_to_size(0, position); }

void LogWriter::drop_to_size(uint64_t bytes, LogPosition limit) {
  const uint64_t kept_now = kept_bytes();
  std::vector<std::shared_ptr<Segment>> dropped;
  {
    const std::lock_guard lock(mutex_);
    uint64_t left = kept_now;
    // One that was synced always stays: with the first sync of the next one outstanding, a power cut could
    // otherwise leave no log at all.
    while (kept_.size() > 1 && left > bytes && kept_.front()->end <= limit.value &&
           kept_[1]->header.previous_end <= limit.value && kept_[1]->header.begin < synced_) {
      left -= kept_.front()->segment.bytes;
      dropped.push_back(std::move(kept_.front()));
      kept_.pop_front();
    }
  }
  for (const auto& segment : dropped) pool_.give_back(std::move(segment->segment));
}

uint64_t LogWriter::kept_bytes() const {
  const std::lock_guard lock(mutex_);
  uint64_t bytes = 0;
  for (const auto& segment : kept_) bytes += segment->segment.bytes;
  return bytes;
}

std::optional<Error> LogWriter::failed() const {
  if (!broken_) return std::nullopt;
  const std::lock_guard lock(mutex_);
  return failed_;
}

LogPosition LogWriter::synced() const {
  const std::lock_guard lock(mutex_);
  return {synced_};
}

void LogWriter::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
}

bool LogWriter::ended() const {
  const std::lock_guard lock(mutex_);
  if (failed_) return true;
  if (!stopping_ || synced_ != written_) return false;
  // What waits for space now would wait for ever.
  return (waiting_.empty() && writing_.empty()) || retry_at_ || !pool_.has_room() || pool_.failed();
}

Instant LogWriter::wake_at() const { return std::min(sync_at_, retry_at_.value_or(Instant::never())); }

bool LogWriter::begin(Instant now) {
  bool stopping;
  {
    const std::lock_guard lock(mutex_);
    if (failed_) return false;
    stopping = stopping_;
    if (writing_.empty() && !waiting_.empty()) {
      std::swap(waiting_, writing_);
      waiting_.start(writing_.end());
    }
  }
  Part part = Part::nothing;
  if (!writing_.empty() && (!retry_at_ || now >= *retry_at_)) part = write_part(now);
  if (part == Part::failed) return false;
  syncing_ =
      synced_ < written_ && (!options_.periodic || stopping || part == Part::segment_full || now >= sync_at_);
  return syncing_ || part == Part::written;
}

// Writes what of the group fits into one segment. A segment gets nothing before the one ahead of it is
// synced: recovery relies on that.
LogWriter::Part LogWriter::write_part(Instant now) {
  const uint64_t first = writing_.end_of(next_) - written_;
  if (room() < first) {
    if (synced_ < written_) return Part::segment_full;
    auto segment = pool_.take(first + kSegmentHeaderBytes);
    if (!segment) return Part::nothing;
    if (Status begun = begin_segment(std::move(*segment)); !begun) return refused(begun.error(), now);
  }
  const uint64_t space = room();
  size_t end = next_ + 1;
  while (end < writing_.size() && writing_.end_of(end) - written_ <= space) ++end;
  // Their heads say that the log is synced up to the group. Behind a full segment it is further by now; where
  // durability is periodic, not so far.
  if (options_.periodic || synced_ != writing_.begin())
    writing_.seal(next_, end, options_.incarnation, synced_);
  const BytesView bytes = writing_.bytes(written_, writing_.end_of(end - 1));
  const uint64_t offset = kSegmentHeaderBytes + (written_ - current_->header.begin);
  Status done = current_->segment.file->write_at(bytes, offset);
  if (!done && !canary(Canary::refused_write_counts)) return refused(done.error(), now);
  retry_at_.reset();
  full_ = false;
  if (options_.periodic && synced_ == written_) sync_at_ = now + kPeriod;
  written_ += bytes.size();
  next_ = end;
  return Part::written;
}

uint64_t LogWriter::room() const {
  if (!current_) return 0;
  return current_->segment.bytes - kSegmentHeaderBytes - (written_ - current_->header.begin);
}

Status LogWriter::begin_segment(SegmentFile&& segment) {
  auto begun = std::make_shared<Segment>();
  begun->segment = std::move(segment);
  begun->header.sequence = next_sequence_;
  begun->header.begin = written_;
  begun->header.incarnation = options_.incarnation;
  begun->end = written_;
  {
    const std::lock_guard lock(mutex_);
    begun->header.previous_end = kept_.empty() ? written_ : kept_.back()->end;
  }
  if (Status written = begun->segment.file->write_at(encode_segment_header(begun->header), 0); !written) {
    pool_.give_back(std::move(begun->segment));
    return written;
  }
  ++next_sequence_;
  const std::lock_guard lock(mutex_);
  current_ = begun;
  kept_.push_back(std::move(begun));
  return ok();
}

// Space was taken when the segment was made, but not every file system keeps that promise.
LogWriter::Part LogWriter::refused(const Error& error, Instant now) {
  if (error.code != Errc::full) {
    fail(error);
    return Part::failed;
  }
  retry_at_ = now + kFullRetry;
  if (!full_.exchange(true)) hooks_.notify();
  return Part::nothing;
}

void LogWriter::complete(Instant) {
  if (syncing_) {
    // Whatever a failed sync says, what it covered may be lost: there is no second try.
    Status synced = current_->segment.file->sync_data();
    if (!synced && !canary(Canary::failed_sync_ignored)) return fail({Errc::io, synced.error().message});
    syncs_.fetch_add(1, std::memory_order_relaxed);
    sync_at_ = Instant::never();
  }
  {
    const std::lock_guard lock(mutex_);
    if (syncing_) synced_ = written_;
    current_->end = written_;
    if (next_ == writing_.size() && next_ > 0) {
      writing_.start(written_);
      next_ = 0;
    }
  }
  durable_.store(written_, std::memory_order_release);
  hooks_.notify();
}

void LogWriter::fail(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    failed_ = error;
    broken_ = true;
  }
  hooks_.notify();
}

}  // namespace atolldb::storage
