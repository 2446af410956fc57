#include "storage/memory_store.h"

#include <algorithm>

#include "storage/batch_check.h"
#include "storage/log_position.h"
#include "storage/merged_walk.h"

namespace atolldb::storage {

// -- MemoryDisk

size_t MemoryDisk::unsynced_records() const {
  return static_cast<size_t>(
      std::count_if(log_.begin(), log_.end(), [&](const Record& r) { return r.at >= synced_; }));
}

void MemoryDisk::crash(size_t unsynced_kept) {
  size_t unsynced = unsynced_records();
  while (unsynced > unsynced_kept) {
    end_ = log_.back().at;
    log_.pop_back();
    --unsynced;
  }
}

bool MemoryDisk::damage_record(LogPosition at) {
  for (Record& record : log_)
    if (record.at == at) return record.damaged = true;
  return false;
}

bool MemoryDisk::damage_row(BytesView row_key) {
  if (rows_.find(row_key) == rows_.end()) return false;
  damaged_rows_.emplace(row_key);
  return true;
}

// A cursor over the checkpointed rows for merged_walk().
class MemoryRows {
 public:
  MemoryRows(const MemoryDisk& disk, const MemoryDisk::Table& table)
      : disk_(disk), table_(table), at_(table.end()) {}
  void seek(BytesView from) { at_ = table_.lower_bound(from); }
  bool valid() const { return at_ != table_.end(); }
  BytesView key() const { return at_->first; }
  void next() { ++at_; }
  Found read(BytesView& value) const {
    if (&table_ == &disk_.rows_ && disk_.damaged_rows_.count(at_->first) > 0) return Found::damaged;
    value = at_->second;
    return Found::yes;
  }

 private:
  const MemoryDisk& disk_;
  const MemoryDisk::Table& table_;
  MemoryDisk::Table::const_iterator at_;
};

// -- MemoryStore

MemoryStore::MemoryStore(MemoryDisk& disk, const MemoryStoreOptions& options)
    : disk_(&disk), options_(options) {}

MemoryStore::MemoryStore(const MemoryStoreOptions& options)
    : own_disk_(std::make_unique<MemoryDisk>()), disk_(own_disk_.get()), options_(options) {}

MemoryStore::~MemoryStore() = default;

Status MemoryStore::recover(const RecordVisitor& old, const RecordVisitor& apply) {
  ensure(!recovered_, "recover() is called once");
  damaged_ = discard_unverified();
  for (const MemoryDisk::Record& record : disk_->log_) {
    const RecordVisitor& visit = record.at < disk_->checkpoint_ ? old : apply;
    if (visit && !visit(record.at, record.bytes))
      return {Errc::corrupt, "recovery was stopped at log position " + std::to_string(record.at.value)};
  }
  if (disk_->fail_sync) return {Errc::io, "sync of the recovered log failed"};
  disk_->synced_ = disk_->end_;
  reported_ = disk_->end_;
  recovered_ = true;
  return ok();
}

// A damaged record that had been synced is lost memory, unless the rows contain it already: then only streams
// miss it, and the kept log begins behind it.
bool MemoryStore::discard_unverified() {
  auto& log = disk_->log_;
  size_t first_kept = 0;
  for (size_t i = 0; i < log.size(); ++i) {
    if (!log[i].damaged) continue;
    if (log[i].at < disk_->checkpoint_) {
      first_kept = i + 1;
      continue;
    }
    if (log[i].at < disk_->synced_)
      disk_->lost_below_ = disk_->end_;
    else
      disk_->end_ = log[i].at;
    log.resize(i);
  }
  log.erase(log.begin(), log.begin() + static_cast<ptrdiff_t>(first_kept));
  disk_->begin_ = log.empty() ? disk_->end_ : log.front().at;
  return disk_->checkpoint_ < disk_->lost_below_;
}

Result<std::vector<LogPosition>> MemoryStore::commit(Batch&& batch) {
  ensure(recovered_ || batch.records.empty(), "records are committed after recover()");
  if (failed_) return *failed_;
  if (Status sound = check_batch(batch); !sound) return sound.error();
  if (recovered_ && (disk_->full || active_.bytes() >= 2 * options_.memtable_bytes))
    return {Errc::full, disk_->full ? "the disk is full" : "both memtables are full"};
  std::vector<LogPosition> positions;
  positions.reserve(batch.records.size());
  for (Bytes& record : batch.records) {
    positions.push_back(disk_->end_);
    const size_t size = record.size();
    disk_->log_.push_back({disk_->end_, std::move(record)});
    disk_->end_ = record_end(disk_->end_, size);
  }
  counts_.records += positions.size();
  for (Batch::Range& range : batch.erased)
    active_.rows.erase_range(std::move(range.from), std::move(range.to));
  for (Batch::Change& change : batch.rows)
    active_.rows.change(std::move(change.key), std::move(change.value));
  for (Batch::Change& change : batch.meta)
    active_.meta.change(std::move(change.key), std::move(change.value));
  return positions;
}

Found MemoryStore::find(BytesView key, Bytes& value, Memtable Tables::*table,
                        const MemoryDisk::Table& below) const {
  const std::optional<Bytes>* entry = (active_.*table).find(key);
  if (!entry && frozen_) entry = ((*frozen_).*table).find(key);
  if (entry) {
    if (!*entry) return Found::no;
    value = **entry;
    return Found::yes;
  }
  const auto it = below.find(key);
  if (it == below.end()) return Found::no;
  if (&below == &disk_->rows_ && disk_->damaged_rows_.count(key) > 0) return Found::damaged;
  value = it->second;
  return Found::yes;
}

Found MemoryStore::get(BytesView row_key, Bytes& value) {
  return find(row_key, value, &Tables::rows, disk_->rows_);
}

Found MemoryStore::get_meta(BytesView key, Bytes& value) {
  return find(key, value, &Tables::meta, disk_->meta_);
}

bool MemoryStore::walk(BytesView from, BytesView to, const RowVisitor& visit) {
  MemoryRows base(*disk_, disk_->rows_);
  return merged_walk(active_.rows, frozen_ ? &frozen_->rows : nullptr, base, from, to, visit);
}

bool MemoryStore::walk_meta(BytesView from, BytesView to, const RowVisitor& visit) {
  MemoryRows base(*disk_, disk_->meta_);
  return merged_walk(active_.meta, frozen_ ? &frozen_->meta : nullptr, base, from, to, visit);
}

Result<Bytes> MemoryStore::read_log(LogPosition at) {
  const auto it = std::lower_bound(disk_->log_.begin(), disk_->log_.end(), at,
                                   [](const MemoryDisk::Record& r, LogPosition p) { return r.at < p; });
  if (at < disk_->begin_ || at >= disk_->end_)
    return {Errc::not_found, "log position " + std::to_string(at.value) + " is not kept"};
  if (it == disk_->log_.end() || it->at != at || it->damaged)
    return {Errc::corrupt, "no record begins at log position " + std::to_string(at.value)};
  return it->bytes;
}

LogPosition MemoryStore::log_begin() const { return disk_->begin_; }
LogPosition MemoryStore::log_end() const { return disk_->end_; }

void MemoryStore::release_log(LogPosition keep_from) {
  released_ = std::max(released_, keep_from);
  drop_log();
}

void MemoryStore::drop_log() {
  auto& log = disk_->log_;
  const auto gone = [&](const MemoryDisk::Record& r) {
    const uint64_t behind = disk_->end_.value - r.at.value;
    return r.at < disk_->checkpoint_ && (r.at < released_ || behind > options_.log_bytes_max);
  };
  while (!log.empty() && gone(log.front())) log.pop_front();
  disk_->begin_ = log.empty() ? disk_->end_ : log.front().at;
}

bool MemoryStore::wants_checkpoint() const {
  return !frozen_ && active_.bytes() >= options_.memtable_bytes / 2;
}

bool MemoryStore::begin_checkpoint(std::vector<Batch::Change>&& meta) {
  if (frozen_ || failed_) return false;
  for (Batch::Change& change : meta) active_.meta.change(std::move(change.key), std::move(change.value));
  frozen_ = std::make_unique<Tables>(std::move(active_));
  active_ = Tables{};
  frozen_at_ = disk_->end_;
  return true;
}

bool MemoryStore::finish_checkpoint() {
  // Rows must not outlive the records that they come from.
  if (!frozen_ || failed_ || disk_->full || disk_->synced_ < frozen_at_) return false;
  const auto merge = [&](const Memtable& changes, MemoryDisk::Table& into) {
    for (const auto& [from, to] : changes.ranges()) {
      into.erase(into.lower_bound(from), into.lower_bound(to));
      disk_->damaged_rows_.erase(disk_->damaged_rows_.lower_bound(from),
                                 disk_->damaged_rows_.lower_bound(to));
    }
    for (const auto& [key, value] : changes.entries())
      if (value)
        into.insert_or_assign(key, *value);
      else
        into.erase(key);
  };
  merge(frozen_->rows, disk_->rows_);
  merge(frozen_->meta, disk_->meta_);
  for (const auto& [key, value] : frozen_->rows.entries()) disk_->damaged_rows_.erase(key);
  disk_->checkpoint_ = frozen_at_;
  frozen_.reset();
  checkpoint_done_ = true;
  ++counts_.checkpoints;
  drop_log();
  return true;
}

bool MemoryStore::has_room() const {
  return !failed_ && !disk_->full && active_.bytes() < options_.memtable_bytes;
}

void MemoryStore::sync() {
  if (failed_ || disk_->synced_ == disk_->end_) return;
  if (disk_->fail_sync) {
    failed_ = Error{Errc::io, "sync of the log failed"};
    return;
  }
  disk_->synced_ = disk_->end_;
  ++counts_.syncs;
}

bool MemoryStore::has_news() const {
  const LogPosition durable = options_.periodic || options_.automatic ? disk_->end_ : disk_->synced_;
  return checkpoint_done_ || failed_.has_value() || durable != reported_ ||
         (options_.automatic && frozen_ && !disk_->full);
}

Events MemoryStore::poll() {
  if (options_.automatic) {
    sync();
    finish_checkpoint();
  }
  Events events;
  if (!failed_) reported_ = options_.periodic ? disk_->end_ : disk_->synced_;
  events.durable = reported_;
  events.checkpoint_done = std::exchange(checkpoint_done_, false);
  events.failed = failed_;
  return events;
}

Usage MemoryStore::usage() const {
  Usage usage = counts_;
  usage.log_bytes = disk_->end_.value - disk_->begin_.value;
  usage.memtable_bytes = active_.bytes() + (frozen_ ? frozen_->bytes() : 0);
  for (const auto& [key, value] : disk_->rows_) usage.map_bytes += key.size() + value.size();
  return usage;
}

}  // namespace atolldb::storage
