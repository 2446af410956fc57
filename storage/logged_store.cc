#include "storage/logged_store.h"

#include <algorithm>

#include "storage/batch_check.h"
#include "storage/checkpointer.h"
#include "storage/dirty_pages.h"
#include "storage/log_recovery.h"
#include "storage/log_writer.h"
#include "storage/merged_walk.h"
#include "storage/segment_pool.h"

namespace atolldb::storage {
namespace {

constexpr uint64_t kSegmentBytesMin = 64u << 10;
// A start applies again what no checkpoint contains. Few keys with many updates fill no memtable: then it is
// the log that asks for a checkpoint, while applying it takes a fraction of a second.
constexpr uint64_t kReplayBytesMax = 16u << 20;

LoggedStoreOptions sensible(LoggedStoreOptions options) {
  options.log_segment_bytes = std::max(options.log_segment_bytes, kSegmentBytesMin);
  return options;
}

}  // namespace

LoggedStore::LoggedStore(const LoggedStoreOptions& options, Parts&& parts)
    : options_(sensible(options)),
      files_(std::move(parts.files)),
      log_directory_(std::move(parts.log_directory)),
      incarnation_(parts.incarnation),
      table_(std::move(parts.table)),
      checkpoint_(table_->checkpoint()) {}

LoggedStore::~LoggedStore() = default;

Status LoggedStore::recover(const RecordVisitor& old, const RecordVisitor& apply, LogRange known) {
  ensure(!recovered(), "recover() is called once");
  Result<RecoveredLog> found =
      recover_log(*files_, log_directory_, checkpoint_, incarnation_, old, apply, known);
  if (const auto error = table_->failed()) return *error;
  if (!found) return found.error();
  start(std::move(*found));
  return ok();
}

void LoggedStore::start(RecoveredLog&& found) {
  damaged_ = found.damaged;
  durable_ = {found.end};
  SegmentPool::Options pool_options;
  pool_options.directory = log_directory_;
  pool_options.segment_bytes = options_.log_segment_bytes;
  pool_ = std::make_unique<SegmentPool>(pool_options, *files_, found.next_slot,
                                        SegmentPool::Hooks{[this] { wake(Job::segments); },
                                                           [this] {
                                                             wake(Job::log);
                                                             notify();
                                                           }});
  for (SegmentFile& segment : found.unused) pool_->give_back(std::move(segment));
  LogWriter::Options log_options;
  log_options.incarnation = incarnation_;
  log_options.periodic = options_.durability == Durability::periodic;
  log_ =
      std::make_unique<LogWriter>(log_options, std::move(found.kept), found.end, found.next_sequence, *pool_,
                                  LogWriter::Hooks{[this] { wake(Job::log); },
                                                   [this] {
                                                     checkpointer_->handle_synced();
                                                     notify();
                                                   }});
  checkpointer_ = std::make_unique<Checkpointer>(
      *log_, *table_, Table::Load{options_.memtable_pages, options_.memtable_bytes},
      Checkpointer::Hooks{[this] { wake(Job::checkpoint); }, [this] { notify(); }});
  disk_full_ = !checkpointer_->has_reserve();
  tree_pages_ = table_->tree_pages();
}

Worker& LoggedStore::worker(Job job) {
  ensure(recovered(), "there is background work after recover()");
  switch (job) {
    case Job::log:
      return *log_;
    case Job::segments:
      return *pool_;
    case Job::checkpoint:
      break;
  }
  return *checkpointer_;
}

void LoggedStore::stop_log() { log_->stop(); }
void LoggedStore::stop_segments() { pool_->stop(); }
void LoggedStore::stop_checkpoints() { checkpointer_->stop(); }

std::optional<Error> LoggedStore::failed() const {
  if (const auto error = log_->failed()) return error;
  if (const auto error = pool_->failed()) return error;
  if (const auto error = table_->failed()) return error;
  return checkpointer_->failed();
}

// Whether the active memtable would be full if it had `parts` times as much in it for each `part` of today.
bool LoggedStore::filled(size_t part, size_t parts) const {
  if (active_.bytes() * parts >= options_.memtable_bytes * part) return true;
  const double times = static_cast<double>(parts) / static_cast<double>(part);
  const double rows = times * static_cast<double>(active_.rows.size());
  const double bytes = times * static_cast<double>(active_.bytes());
  return dirties(static_cast<double>(options_.memtable_pages), rows, bytes, tree_pages_);
}

Result<std::vector<LogPosition>> LoggedStore::commit(Batch&& batch) {
  ensure(recovered() || batch.records.empty(), "records are committed after recover()");
  if (Status sound = check_batch(batch); !sound) return sound.error();
  if (recovered()) {
    if (const auto error = failed()) return Error{Errc::io, error->message};
    if (disk_full_ && !batch.from_reserve)
      return Error{Errc::full, "the disk is full: only what makes room is taken"};
    if (filled(2, 1))
      return Error{Errc::full, checkpointer_->has_room() ? "both memtables are full"
                                                         : "both memtables are full, and so is the disk"};
  }
  std::vector<LogPosition> positions;
  if (recovered()) positions = log_->append(batch.records);
  records_ += positions.size();
  for (Batch::Range& range : batch.erased)
    active_.rows.erase_range(std::move(range.from), std::move(range.to));
  for (Batch::Change& change : batch.rows) active_.rows.change(change.key, std::move(change.value));
  for (Batch::Change& change : batch.meta) active_.meta.change(change.key, std::move(change.value));
  return positions;
}

Found LoggedStore::find(BytesView key, Bytes& value, Memtable MemtablePair::*part, Table::Part below) {
  auto entry = (active_.*part).find(key);
  if (!entry && frozen_) entry = ((*frozen_).*part).find(key);
  if (!entry) {
    const Found found = table_->get(below, key, value);
    if (found == Found::damaged && table_->failed()) notify();
    return found;
  }
  if (entry->erased) return Found::no;
  value.assign(entry->value);
  return Found::yes;
}

bool LoggedStore::walk(BytesView from, BytesView to, const RowVisitor& visit, Memtable MemtablePair::*part,
                       Table::Part below) {
  const std::unique_ptr<Table::Cursor> base = table_->cursor(below);
  const bool intact =
      merged_walk(active_.*part, frozen_ ? &((*frozen_).*part) : nullptr, *base, from, to, visit);
  if (!intact && table_->failed()) notify();
  return intact;
}

Found LoggedStore::get(BytesView row_key, Bytes& value) {
  return find(row_key, value, &MemtablePair::rows, Table::Part::rows);
}
Found LoggedStore::get_meta(BytesView key, Bytes& value) {
  return find(key, value, &MemtablePair::meta, Table::Part::meta);
}
bool LoggedStore::walk(BytesView from, BytesView to, const RowVisitor& visit) {
  return walk(from, to, visit, &MemtablePair::rows, Table::Part::rows);
}
bool LoggedStore::walk_meta(BytesView from, BytesView to, const RowVisitor& visit) {
  return walk(from, to, visit, &MemtablePair::meta, Table::Part::meta);
}

Result<Bytes> LoggedStore::read_log(LogPosition at) { return log_->read(at); }
LogPosition LoggedStore::log_begin() const { return log_->begin(); }
LogPosition LoggedStore::log_end() const { return log_->end(); }

void LoggedStore::release_log(LogPosition keep_from) {
  released_ = std::max(released_, keep_from);
  drop_log();
}

void LoggedStore::drop_log() {
  log_->drop_below(std::min(released_, checkpoint_));
  log_->drop_to_size(options_.log_bytes_max, checkpoint_);
  if (pool_->has_room()) return;
  // There is no space for more log than this: streams to those who are away fall back to the rows.
  const uint64_t kept = log_->kept_bytes();
  log_->drop_to_size(kept - std::min(kept, options_.log_segment_bytes), checkpoint_);
}

bool LoggedStore::wants_checkpoint() const {
  const uint64_t log_bytes = log_->end().value - checkpoint_.value;
  if (frozen_) return false;
  // On a full disk, because it may make room: rows that were removed, and log that it contains.
  if (disk_full_ && (active_.bytes() > 0 || log_bytes > options_.log_segment_bytes)) return true;
  return filled(1, 2) || log_bytes >= std::min(options_.log_bytes_max / 2, kReplayBytesMax);
}

bool LoggedStore::begin_checkpoint(std::vector<Batch::Change>&& meta) {
  if (frozen_ || failed()) return false;
  for (Batch::Change& change : meta) active_.meta.change(change.key, std::move(change.value));
  frozen_ = std::make_shared<MemtablePair>(std::exchange(active_, {}));
  frozen_at_ = log_->end();
  checkpointer_->freeze(frozen_, frozen_at_);
  return true;
}

// What is taken has its place in the log: a checkpoint waits for its records, and records that wait for a
// segment would wait for a checkpoint to give one back. The threshold is for what one event commits and for a
// segment's end that stays unused.
bool LoggedStore::log_nearly_full(uint64_t parts) const {
  return log_->space() < options_.log_segment_bytes / parts;
}

Room LoggedStore::room() const {
  if (!log_->has_room() || failed()) return Room::none;
  if (!disk_full_) return filled(1, 1) || log_nearly_full(2) ? Room::none : Room::plenty;
  return filled(3, 2) || log_nearly_full(4) ? Room::none : Room::reserve;
}

bool LoggedStore::disk_full(Room wanted) const {
  if (!checkpointer_->has_room()) return true;
  if (!disk_full_ || wanted == Room::plenty) return disk_full_;
  return !log_->has_room() || (log_nearly_full(4) && !frozen_ && !wants_checkpoint());
}

Events LoggedStore::poll() {
  table_->end_read();
  Events events;
  if (checkpointer_->poll()) {
    frozen_.reset();
    checkpoint_ = frozen_at_;
    tree_pages_ = table_->tree_pages();
    table_->end_read();
    ++checkpoints_;
    events.checkpoint_done = true;
    drop_log();
  }
  disk_full_ = !pool_->has_room() || !checkpointer_->has_reserve();
  if (!pool_->has_room()) drop_log();
  events.failed = failed();
  if (!events.failed) durable_ = log_->durable();
  events.durable = durable_;
  return events;
}

Usage LoggedStore::usage() const {
  Usage usage;
  usage.log_bytes = log_->kept_bytes();
  usage.memtable_bytes = active_.bytes() + (frozen_ ? frozen_->bytes() : 0);
  usage.map_bytes = table_->used_bytes();
  usage.records = records_;
  usage.syncs = log_->syncs();
  usage.checkpoints = checkpoints_;
  return usage;
}

}  // namespace atolldb::storage
