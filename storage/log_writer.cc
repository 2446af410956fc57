#include "storage/log_writer.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace atolldb::storage {
namespace {

constexpr auto kPeriod = std::chrono::milliseconds(100);
constexpr size_t kReadAhead = 4096;
constexpr size_t kBufferKeptBytes = 4u << 20;

size_t extent_at(const Bytes& bytes, size_t offset) {
  uint32_t size;
  std::memcpy(&size, bytes.data() + offset, sizeof size);
  return record_extent(size);
}

Error not_kept(LogPosition at) {
  return {Errc::not_found, "log position " + std::to_string(at.value) + " is not kept"};
}
Error not_a_record(LogPosition at) {
  return {Errc::corrupt, "no record that verifies begins at log position " + std::to_string(at.value)};
}

}  // namespace

LogWriter::LogWriter(const Options& options, std::deque<std::shared_ptr<Segment>> kept, uint64_t begin,
                     uint64_t next_sequence, SegmentPool& pool, std::function<void()> notify)
    : options_(options),
      pool_(pool),
      notify_(std::move(notify)),
      next_sequence_(next_sequence),
      written_(begin),
      end_(begin),
      kept_(std::move(kept)),
      synced_(begin),
      durable_(begin) {
  waiting_.begin = begin;
  thread_ = std::thread([this] { run(); });
}

LogWriter::~LogWriter() {
  stop();
  if (thread_.joinable()) thread_.join();
}

void LogWriter::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

bool LogWriter::has_room() const {
  const std::lock_guard lock(mutex_);
  return waiting_.bytes.size() < options_.waiting_bytes_max;
}

LogPosition LogWriter::append(BytesView record) {
  const LogPosition at{end_};
  const RecordHead head{static_cast<uint32_t>(record.size())};
  const std::lock_guard lock(mutex_);
  waiting_.starts.push_back(static_cast<uint32_t>(waiting_.bytes.size()));
  waiting_.bytes.append(reinterpret_cast<const char*>(&head), sizeof head);
  waiting_.bytes.append(record);
  waiting_.bytes.resize((waiting_.bytes.size() + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment);
  end_ += record_extent(record.size());
  return at;
}

void LogWriter::flush() {
  const std::lock_guard lock(mutex_);
  if (waiting_.bytes.empty())
    return;  // a wake-up for nothing would be taken for the one that the next record needs
  if (std::exchange(idle_, false)) changed_.notify_all();
}

LogPosition LogWriter::begin() const {
  const std::lock_guard lock(mutex_);
  return {kept_.empty() ? end_ : kept_.front()->header.begin};
}

std::optional<BytesView> LogWriter::find_in(const Group& group, uint64_t at) {
  const uint64_t offset = at - group.begin;
  if (!std::binary_search(group.starts.begin(), group.starts.end(), offset)) return std::nullopt;
  uint32_t size;
  std::memcpy(&size, group.bytes.data() + offset, sizeof size);
  return BytesView(group.bytes).substr(offset + kRecordHeadBytes, size);
}

Result<Bytes> LogWriter::read(LogPosition at) const {
  std::shared_ptr<Segment> segment;
  {
    const std::lock_guard lock(mutex_);
    if (at.value >= end_) return not_kept(at);
    for (const Group* group : {&writing_, &waiting_})
      if (at.value >= group->begin && at.value < group->begin + group->bytes.size()) {
        if (const auto found = find_in(*group, at.value)) return Bytes(*found);
        return not_a_record(at);
      }
    for (const auto& kept : kept_)
      if (at.value >= kept->header.begin && at.value < kept->end) segment = kept;
  }
  if (!segment) return not_kept(at);
  const uint64_t offset = kSegmentHeaderBytes + (at.value - segment->header.begin);
  Bytes bytes(kReadAhead, '\0');
  const File& file = segment->segment.file;
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
    while (kept_.size() > 1 && left > bytes && kept_.front()->end <= limit.value &&
           kept_[1]->header.previous_end <= limit.value) {
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
  const std::lock_guard lock(mutex_);
  return failed_;
}

bool LogWriter::wait_synced(LogPosition position) const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stopped_ || failed_ || synced_ >= position.value; });
  return synced_ >= position.value && !failed_;
}

void LogWriter::run() {
  std::unique_lock lock(mutex_);
  auto sync_at = std::chrono::steady_clock::time_point::max();  // periodic only
  Status status = ok();
  while (status) {
    const auto ready = [&] { return stopped_ || !waiting_.bytes.empty(); };
    idle_ = true;
    if (synced_ == written_)
      changed_.wait(lock, ready);
    else
      changed_.wait_until(lock, sync_at, ready);
    idle_ = false;
    const bool stopping = stopped_ && waiting_.bytes.empty();
    std::swap(waiting_, writing_);
    waiting_.begin = writing_.begin + writing_.bytes.size();
    lock.unlock();
    const auto now = std::chrono::steady_clock::now();
    if (synced_ == written_) sync_at = now + kPeriod;
    status = write(writing_);
    if (status && (stopping || now >= sync_at)) status = sync_segment();
    lock.lock();
    writing_.bytes.clear();
    writing_.starts.clear();
    if (writing_.bytes.capacity() > kBufferKeptBytes) Bytes().swap(writing_.bytes);
    if (stopping) break;
  }
  if (!status) failed_ = status.error();
  stopped_ = true;
  changed_.notify_all();
  lock.unlock();
  notify_();
}

// A group is written segment by segment, and a segment gets nothing before the one ahead of it is synced:
// recovery relies on that.
Status LogWriter::write(Group& group) {
  size_t from = 0;
  while (from < group.bytes.size()) {
    const uint64_t position = group.begin + from;
    const size_t first = extent_at(group.bytes, from);
    const auto room = [&] {
      return current_ ? current_->segment.bytes - kSegmentHeaderBytes - (position - current_->header.begin)
                      : 0;
    };
    if (room() < first)
      if (Status begun = begin_segment(first, position); !begun) return begun;
    size_t to = from;
    while (to < group.bytes.size() && to - from + extent_at(group.bytes, to) <= room())
      to += extent_at(group.bytes, to);
    if (Status written = write_part(group, from, to); !written) return written;
    from = to;
  }
  return ok();
}

Status LogWriter::begin_segment(uint64_t bytes, uint64_t position) {
  if (current_)
    if (Status synced = sync_segment(); !synced) return synced;
  auto segment = pool_.take(bytes + kSegmentHeaderBytes);
  if (!segment) {
    if (const auto failed = pool_.failed()) return *failed;
    return {Errc::full, "the log was stopped while the disk was full"};
  }
  auto begun = std::make_shared<Segment>();
  begun->segment = std::move(*segment);
  begun->header.sequence = next_sequence_++;
  begun->header.begin = position;
  begun->header.incarnation = options_.incarnation;
  begun->end = position;
  {
    const std::lock_guard lock(mutex_);
    begun->header.previous_end = kept_.empty() ? position : kept_.back()->end;
  }
  if (Status written = begun->segment.file.write_at(encode_segment_header(begun->header), 0); !written)
    return written;
  const std::lock_guard lock(mutex_);
  current_ = begun;
  kept_.push_back(std::move(begun));
  return ok();
}

Status LogWriter::write_part(Group& group, size_t from, size_t to) {
  char* bytes = group.bytes.data();
  for (size_t at = from; at < to; at += extent_at(group.bytes, at))
    seal_record(bytes + at, group.begin + at, options_.incarnation, synced_);
  const uint64_t position = group.begin + from;
  const uint64_t offset = kSegmentHeaderBytes + (position - current_->header.begin);
  if (Status written = current_->segment.file.write_at({bytes + from, to - from}, offset); !written)
    return written;
  written_ = group.begin + to;
  if (!options_.periodic) return sync_segment();
  publish(written_);
  return ok();
}

Status LogWriter::sync_segment() {
  if (synced_ == written_) return ok();
  if (options_.faults && options_.faults->fail_log_sync)
    return system_error("sync " + current_->segment.file.path(), EIO);
  if (Status synced = current_->segment.file.sync_data(); !synced) return synced;
  syncs_.fetch_add(1, std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    synced_ = written_;
    changed_.notify_all();
  }
  publish(written_);
  return ok();
}

void LogWriter::publish(uint64_t durable) {
  {
    const std::lock_guard lock(mutex_);
    current_->end = durable;
  }
  if (durable_.exchange(durable, std::memory_order_release) != durable) notify_();
}

}  // namespace atolldb::storage
