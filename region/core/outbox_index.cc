#include "region/core/outbox_index.h"

#include <algorithm>

#include "crdt/base/big_endian.h"
#include "crdt/fields.h"

namespace atolldb::region {

template <typename Io>
void fields(Io& io, OutboxImage::Unsettled& u) {
  io(u.dot, u.stamp, u.key);
}
template <typename Io>
void fields(Io& io, OutboxImage& i) {
  io(i.partition, i.entries, i.carried_out, i.unsettled);
}

namespace {
constexpr uint8_t kRowVersion = 1;
constexpr char kRowTag = 'o';
// A row speaks of at least as much log as one segment, or there would be many small ones; and of not much
// more where a log was kept that no row speaks of, or it would be large.
constexpr uint64_t kSegmentsMax = 4;

struct Row {
  std::vector<OutboxImage> partitions;
};
template <typename Io>
void fields(Io& io, Row& r) {
  io(r.partitions);
}

// 'o' begin end.
Bytes row_key(storage::LogRange range) {
  Bytes key(1, kRowTag);
  append_big_endian(key, range.begin.value);
  append_big_endian(key, range.end.value);
  return key;
}

std::optional<storage::LogRange> parse_row_key(BytesView key) {
  if (key.size() != 17) return std::nullopt;
  return storage::LogRange{{read_big_endian(key.substr(1, 8))}, {read_big_endian(key.substr(9))}};
}

bool of_this_version(BytesView value) {
  crdt::Reader reader(value);
  reader.array();
  return reader.uint() == kRowVersion && reader.ok();
}
}  // namespace

// A row that does not verify is passed over by the walk, and the next one continues nothing.
void OutboxIndex::find() {
  const Bytes begin(1, kRowTag), end(1, kRowTag + 1);
  store_.walk_meta(begin, end, [this](BytesView key, BytesView value) {
    const auto range = parse_row_key(key);
    if (!range) return true;
    const bool counts = of_this_version(value);
    if (!counts || (!rows_.empty() && rows_.back().end != range->begin)) {
      stale_.insert(stale_.end(), rows_.begin(), rows_.end());
      rows_.clear();
    }
    if (counts)
      rows_.push_back(*range);
    else
      stale_.push_back(*range);
    return true;
  });
}

storage::LogRange OutboxIndex::known() const {
  return rows_.empty() ? storage::LogRange{} : storage::LogRange{rows_.front().begin, rows_.back().end};
}

Status OutboxIndex::load(const std::function<Status(const OutboxImage&)>& visit) const {
  for (const storage::LogRange& range : rows_) {
    Bytes value;
    if (store_.get_meta(row_key(range), value) != storage::Found::yes)
      return {Errc::corrupt, "the index of the log from " + std::to_string(range.begin.value) + " to " +
                                 std::to_string(range.end.value) + " was there and cannot be read any more"};
    crdt::Reader reader(value);
    const size_t elements = reader.array();
    reader.uint(kRowVersion);
    Row row;
    if (!crdt::decode_typed(reader, elements, row) || !reader.done()) return reader.error("index of the log");
    for (const OutboxImage& image : row.partitions)
      if (Status visited = visit(image); !visited) return visited;
  }
  return ok();
}

std::optional<storage::LogRange> OutboxIndex::due(
    const std::function<std::optional<storage::LogPosition>(storage::LogPosition)>& waits_from) const {
  const storage::LogPosition from = known().end, end = store_.log_end();
  if (end.value - from.value < store_.log_segment_bytes()) return std::nullopt;
  const auto lowest = waits_from(from);
  if (!lowest) return storage::LogRange{from, end};
  return storage::LogRange{from,
                           {std::min(end.value, lowest->value + kSegmentsMax * store_.log_segment_bytes())}};
}

void OutboxIndex::write(storage::LogRange range, const std::vector<OutboxImage>& images,
                        std::vector<storage::Batch::Change>& meta) const {
  Bytes value;
  crdt::encode_typed(kRowVersion, Row{images}, value);
  for (const storage::LogRange& row : stale_) meta.push_back({row_key(row), std::nullopt});
  for (const storage::LogRange& row : rows_)
    if (row.end <= store_.log_begin()) meta.push_back({row_key(row), std::nullopt});
  meta.push_back({row_key(range), std::move(value)});
}

void OutboxIndex::written(storage::LogRange range) {
  stale_.clear();
  while (!rows_.empty() && rows_.front().end <= store_.log_begin()) rows_.pop_front();
  rows_.push_back(range);
}

}  // namespace atolldb::region
