#include "storage/log_recovery.h"

#include <algorithm>
#include <cstdlib>

#include "crdt/base/canary.h"

namespace atolldb::storage {
namespace {

// After damage, positions go on this much later: what the lost records were called is never used again.
constexpr uint64_t kDamageJump = uint64_t{1} << 40;

constexpr uint64_t round_up(uint64_t n, uint64_t to) { return (n + to - 1) / to * to; }

class Recovery {
 public:
  Recovery(FileSystem& files, const std::string& directory, uint64_t checkpoint,
           const Store::RecordVisitor& old, const Store::RecordVisitor& apply, LogRange known)
      : files_(files),
        directory_(directory),
        checkpoint_(checkpoint),
        known_(known),
        old_(old),
        apply_(apply) {}

  Status find_segments();
  Status read_chain();
  Status make_durable(uint64_t incarnation);
  RecoveredLog take() { return std::move(log_); }

 private:
  Status add_file(const std::string& path);
  bool may_skip(const Segment& segment, const SegmentHeader& next) const;
  Status read_segment(Segment& segment, uint64_t limit);
  Status visit(uint64_t position, BytesView record);
  bool begins_in_time() const;
  bool synced_behind(const Segment& segment) const;
  Status write_marker(uint64_t incarnation, uint64_t seen_end);
  Status erase_discarded();
  Status keep_unproven_tail();
  void discard_from(size_t index);

  FileSystem& files_;
  const std::string& directory_;
  const uint64_t checkpoint_;
  const LogRange known_;
  const Store::RecordVisitor& old_;
  const Store::RecordVisitor& apply_;

  std::vector<std::shared_ptr<Segment>> found_;  // by sequence
  RecoveredLog log_;
  bool header_damaged_ = false, new_damage_ = false;
  uint64_t seen_end_ = 0;  // no position from here on was ever written

  // Of the segment that was read last.
  Bytes bytes_;
  uint64_t proven_ = 0;  // everything below had been synced, say its records
};

Status Recovery::find_segments() {
  const Result<std::vector<std::string>> names = files_.list(directory_);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (!name.ends_with(".log")) continue;
    if (Status added = add_file(directory_ + "/" + name); !added) return added;
    const uint64_t slot = std::strtoull(name.c_str(), nullptr, 10);
    log_.next_slot = std::max(log_.next_slot, slot + 1);
  }
  std::sort(found_.begin(), found_.end(),
            [](const auto& a, const auto& b) { return a->header.sequence < b->header.sequence; });
  if (!found_.empty()) log_.next_sequence = found_.back()->header.sequence + 1;
  return ok();
}

Status Recovery::add_file(const std::string& path) {
  Result<std::unique_ptr<File>> file = files_.open(path);
  if (!file) return file.error();
  const Result<uint64_t> size = (*file)->size();
  if (!size) return size.error();
  Bytes block(kSegmentHeaderBytes, '\0');
  const Result<size_t> got = (*file)->read_at(block.data(), block.size(), 0);
  if (!got) return got.error();
  block.resize(*got);
  SegmentHeader header;
  SegmentFile segment{std::move(*file), *size};
  switch (decode_segment_header(block, header)) {
    case HeaderFound::newer_version:
      return {Errc::version, path + " was written by a newer version of the log format than " +
                                 std::to_string(kLogFormatVersion) + "; start the version that wrote it"};
    case HeaderFound::damaged:
      header_damaged_ = true;
      log_.unused.push_back(std::move(segment));
      return ok();
    case HeaderFound::unused:
      log_.unused.push_back(std::move(segment));
      return ok();
    case HeaderFound::valid:
      break;
  }
  seen_end_ = std::max(seen_end_, header.begin + *size);
  found_.push_back(std::make_shared<Segment>(Segment{std::move(segment), header, header.begin}));
  return ok();
}

void Recovery::discard_from(size_t index) {
  for (size_t i = index; i < found_.size(); ++i) log_.unused.push_back(std::move(found_[i]->segment));
  found_.resize(index);
}

// Follows the segments in the order in which they were begun. Each says where the log ended when it was
// begun, and that end had been synced: a segment that stops short of it has lost records.
Status Recovery::read_chain() {
  for (size_t i = 0; i < found_.size(); ++i) {
    const SegmentHeader& header = found_[i]->header;
    if (!log_.kept.empty() && header.previous_end != log_.end) {
      if (header.previous_end > checkpoint_) {
        new_damage_ = true;
        discard_from(i);
        break;
      }
      // Only history that the rows contain is missing: what is kept begins here.
      for (const auto& segment : log_.kept) log_.unused.push_back(std::move(segment->segment));
      log_.kept.clear();
    }
    if (header.begin > header.previous_end && header.begin > checkpoint_) log_.damaged = true;
    const bool last = i + 1 == found_.size();
    const uint64_t limit = last ? UINT64_MAX : found_[i + 1]->header.previous_end;
    if (!last && may_skip(*found_[i], found_[i + 1]->header))
      found_[i]->end = limit;
    else if (Status read = read_segment(*found_[i], limit); !read)
      return read;
    log_.kept.push_back(found_[i]);
    log_.end = found_[i]->end;
    if (last && synced_behind(*found_[i])) new_damage_ = true;
  }
  if (header_damaged_) new_damage_ = true;
  // An empty log is that of a fresh directory, and nothing else's.
  const bool reaches = log_.kept.empty() ? checkpoint_ == 0 : log_.end >= checkpoint_ && begins_in_time();
  if (!reaches) new_damage_ = true;
  if (new_damage_) log_.damaged = true;
  return ok();
}

// The first kept record is not behind the checkpoint, or is known to be.
bool Recovery::begins_in_time() const {
  const SegmentHeader& first = log_.kept.front()->header;
  return std::min(first.begin, first.previous_end) <= checkpoint_;
}

// It holds nothing that anybody wants to see, and the very next one says where it ended. A bit that flipped
// in it is found by whoever reads that record.
bool Recovery::may_skip(const Segment& segment, const SegmentHeader& next) const {
  const uint64_t begin = segment.header.begin, end = next.previous_end;
  if (next.sequence != segment.header.sequence + 1) return false;
  if (end < begin || end - begin > segment.segment.bytes - kSegmentHeaderBytes) return false;
  if (end > checkpoint_) return false;
  return !old_ || (known_.begin.value <= begin && end <= known_.end.value);
}

Status Recovery::read_segment(Segment& segment, uint64_t limit) {
  bytes_.resize(segment.segment.bytes);
  const Result<size_t> got = segment.segment.file->read_at(bytes_.data(), bytes_.size(), 0);
  if (!got) return got.error();
  bytes_.resize(*got);
  const SegmentHeader& header = segment.header;
  proven_ = header.begin;
  for (uint64_t at = header.begin; at < limit;) {
    const BytesView rest = BytesView(bytes_).substr(
        std::min<uint64_t>(kSegmentHeaderBytes + (at - header.begin), bytes_.size()));
    const auto head = read_record_head(rest, at, header.incarnation);
    if (!head) break;
    const BytesView record = rest.substr(kRecordHeadBytes, head->size);
    if (!verify_record(*head, record, at, header.incarnation)) break;
    if (Status visited = visit(at, record); !visited) return visited;
    proven_ = std::max(proven_, head->synced_below);
    at += record_extent(head->size);
    segment.end = at;
  }
  return ok();
}

Status Recovery::visit(uint64_t position, BytesView record) {
  const bool history = position < checkpoint_;
  if (history && known_.contains({position})) return ok();
  const Store::RecordVisitor& visitor = history ? old_ : apply_;
  if (visitor && !visitor({position}, record))
    return {Errc::corrupt, "recovery was stopped at log position " + std::to_string(position)};
  return ok();
}

// Behind the place where the last segment's records stop verifying: is there one that was written when this
// place had been synced already? Then it is damage; otherwise the tail was torn.
bool Recovery::synced_behind(const Segment& segment) const {
  const SegmentHeader& header = segment.header;
  for (uint64_t at = segment.end;; at += kRecordAlignment) {
    const uint64_t offset = kSegmentHeaderBytes + (at - header.begin);
    if (offset + kRecordHeadBytes > bytes_.size()) return false;
    const BytesView rest = BytesView(bytes_).substr(offset);
    const auto head = read_record_head(rest, at, header.incarnation);
    if (head && head->synced_below > segment.end &&
        verify_record(*head, rest.substr(kRecordHeadBytes, head->size), at, header.incarnation))
      return true;
  }
}

// What was handed out counts as durable from now on. The last group may be in the page cache alone, and after
// a failed sync a page may be clean there and not on the disk: so it is written once more, and with a
// segment's first group its header.
Status Recovery::keep_unproven_tail() {
  Segment& last = *log_.kept.back();
  const uint64_t from = std::max(proven_, last.header.begin);
  if (last.end <= from || canary(Canary::tail_not_synced)) return ok();
  if (from == last.header.begin)
    if (Status kept = last.segment.file->write_at(encode_segment_header(last.header), 0); !kept) return kept;
  const uint64_t offset = kSegmentHeaderBytes + (from - last.header.begin);
  return last.segment.file->write_at(BytesView(bytes_).substr(offset, last.end - from), offset);
}

Status Recovery::make_durable(uint64_t incarnation) {
  const uint64_t seen_end = std::max({seen_end_, log_.end, checkpoint_});
  if (!log_.kept.empty()) {
    if (Status kept = keep_unproven_tail(); !kept) return kept;
    for (const auto& segment : log_.kept)
      if (Status synced = segment->segment.file->sync_data(); !synced) return synced;
  }
  if (new_damage_) {
    if (Status marked = write_marker(incarnation, seen_end); !marked) return marked;
    if (Status erased = erase_discarded(); !erased) return erased;
  }
  // Each process writes segments of its own; the unused rest of the last one goes back to the disk.
  for (const auto& segment : log_.kept) {
    const uint64_t used =
        round_up(kSegmentHeaderBytes + (segment->end - segment->header.begin), kSegmentHeaderBytes);
    if (used >= segment->segment.bytes) continue;
    if (Status cut = segment->segment.file->truncate(used); !cut) return cut;
    if (Status synced = segment->segment.file->sync_all(); !synced) return synced;
    segment->segment.bytes = used;
  }
  return files_.sync_directory(directory_);
}

// What lies behind damage must not come back, once positions have gone on elsewhere: a power cut would bring
// back a header that was only overwritten. The marker stands first, or a crash here would hide the damage.
Status Recovery::erase_discarded() {
  for (const SegmentFile& segment : log_.unused) {
    if (Status erased = segment.file->write_at(Bytes(kSegmentHeaderBytes, '\0'), 0); !erased) return erased;
    if (Status synced = segment.file->sync_all(); !synced) return synced;
  }
  return ok();
}

// Remembers the damage for the next starts, and where positions go on: a segment without records.
Status Recovery::write_marker(uint64_t incarnation, uint64_t seen_end) {
  const SegmentHeader header{log_.next_sequence++, seen_end + kDamageJump, log_.end, incarnation};
  Result<std::unique_ptr<File>> file = files_.create(segment_path(directory_, log_.next_slot++));
  if (!file) return file.error();
  if (Status written = (*file)->write_at(encode_segment_header(header), 0); !written) return written;
  if (Status synced = (*file)->sync_all(); !synced) return synced;
  if (Status synced = files_.sync_directory(directory_); !synced) return synced;
  log_.end = header.begin;
  log_.kept.push_back(std::make_shared<Segment>(
      Segment{SegmentFile{std::move(*file), kSegmentHeaderBytes}, header, header.begin}));
  return ok();
}

}  // namespace

Result<RecoveredLog> recover_log(FileSystem& files, const std::string& directory, LogPosition checkpoint,
                                 uint64_t incarnation, const Store::RecordVisitor& old,
                                 const Store::RecordVisitor& apply, LogRange known) {
  Recovery recovery(files, directory, checkpoint.value, old, apply, known);
  if (Status found = recovery.find_segments(); !found) return found.error();
  if (Status read = recovery.read_chain(); !read) return read.error();
  if (Status durable = recovery.make_durable(incarnation); !durable) return durable.error();
  return recovery.take();
}

}  // namespace atolldb::storage
