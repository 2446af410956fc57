#include "storage/disk_store.h"

#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "storage/batch_check.h"
#include "storage/checkpointer.h"
#include "storage/directory.h"
#include "storage/log_recovery.h"
#include "storage/log_writer.h"
#include "storage/merged_walk.h"
#include "storage/row_table.h"
#include "storage/segment_pool.h"

namespace atolldb::storage {
namespace {

constexpr uint64_t kSegmentBytesMin = 64u << 10;

// What the store's threads wake the protocol thread with.
class Bell {
 public:
  Bell() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) { ensure(fd_ >= 0, "an eventfd can be made"); }
  ~Bell() { ::close(fd_); }
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;
  int fd() const { return fd_; }
  void ring() const {
    const uint64_t one = 1;
    // It fails only when the counter is full, and then it rings already.
    [[maybe_unused]] const ssize_t n = ::write(fd_, &one, sizeof one);
  }
  void clear() const {
    uint64_t count;
    [[maybe_unused]] const ssize_t n = ::read(fd_, &count, sizeof count);
  }

 private:
  int fd_;
};

Result<uint64_t> random_number() {
  uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) return system_error("getrandom", errno);
  return number;
}

}  // namespace

struct DiskStore::Impl {
  DiskStoreOptions options;
  Directory directory;
  std::unique_ptr<RowTable> table;
  Bell bell;

  MemtablePair active;
  std::shared_ptr<const MemtablePair> frozen;
  LogPosition frozen_at, checkpoint, released, durable;
  bool recovered = false, damaged = false;
  uint64_t records = 0, checkpoints = 0;

  // Threads; each uses those above it, and stops before them.
  std::unique_ptr<SegmentPool> pool;
  std::unique_ptr<LogWriter> log;
  std::unique_ptr<Checkpointer> checkpointer;

  ~Impl() {
    if (!recovered) return;
    log->stop();
    pool->close();
    checkpointer.reset();
    log.reset();
    pool.reset();
  }

  void start(RecoveredLog&& found, uint64_t incarnation);
  std::optional<Error> failed() const;
  Found find(BytesView key, Bytes& value, Memtable MemtablePair::*part, RowTable::Part below);
  bool walk(BytesView from, BytesView to, const RowVisitor& visit, Memtable MemtablePair::*part,
            RowTable::Part below);
  void drop_log();
  // How full the active memtable is, as a share of `parts`.
  bool filled(size_t part, size_t parts) const {
    return active.bytes() * parts >= options.memtable_bytes * part ||
           active.rows.size() * parts >= options.memtable_rows * part;
  }
};

DiskStore::DiskStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DiskStore::~DiskStore() = default;

Result<std::unique_ptr<DiskStore>> DiskStore::open(const DiskStoreOptions& options) {
  if (options.cluster.empty() || options.cluster.find_first_of(" \n\r\t") != std::string::npos)
    return Error{Errc::invalid,
                 "the cluster's digest has to be a printable word, found \"" + options.cluster + "\""};
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->options.log_segment_bytes = std::max(options.log_segment_bytes, kSegmentBytesMin);
  Result<Directory> directory = Directory::open(options.directory, {options.cluster, options.node});
  if (!directory) return directory.error();
  impl->directory = std::move(*directory);
  RowTable::Options table_options;
  table_options.map_bytes = options.map_bytes;
  Result<std::unique_ptr<RowTable>> table = RowTable::open(impl->directory.rows_path(), table_options);
  if (!table) return table.error();
  impl->table = std::move(*table);
  impl->checkpoint = impl->table->checkpoint();
  return std::unique_ptr<DiskStore>(new DiskStore(std::move(impl)));
}

Status DiskStore::recover(const RecordVisitor& old, const RecordVisitor& apply) {
  ensure(!impl_->recovered, "recover() is called once");
  const Result<uint64_t> incarnation = random_number();
  if (!incarnation) return incarnation.error();
  Result<RecoveredLog> found =
      recover_log(impl_->directory.log_path(), impl_->checkpoint, *incarnation, old, apply);
  if (!found) return found.error();
  impl_->start(std::move(*found), *incarnation);
  return ok();
}

void DiskStore::Impl::start(RecoveredLog&& found, uint64_t incarnation) {
  damaged = found.damaged;
  durable = {found.end};
  const auto ring = [this] { bell.ring(); };
  SegmentPool::Options pool_options;
  pool_options.directory = directory.log_path();
  pool_options.segment_bytes = options.log_segment_bytes;
  pool_options.faults = options.faults;
  pool = std::make_unique<SegmentPool>(pool_options, found.next_slot, ring);
  for (SegmentFile& segment : found.unused) pool->give_back(std::move(segment));
  LogWriter::Options log_options;
  log_options.incarnation = incarnation;
  log_options.periodic = options.durability == Durability::periodic;
  log_options.faults = options.faults;
  log = std::make_unique<LogWriter>(log_options, std::move(found.kept), found.end, found.next_sequence, *pool,
                                    ring);
  checkpointer = std::make_unique<Checkpointer>(*log, *table, options.faults, ring);
  recovered = true;
}

std::optional<Error> DiskStore::Impl::failed() const {
  if (const auto error = log->failed(); error && error->code != Errc::full) return error;
  if (const auto error = pool->failed()) return error;
  return checkpointer->failed();
}

Result<std::vector<LogPosition>> DiskStore::commit(Batch&& batch) {
  Impl& s = *impl_;
  ensure(s.recovered || batch.records.empty(), "records are committed after recover()");
  if (Status sound = check_batch(batch); !sound) return sound.error();
  if (s.recovered) {
    if (const auto error = s.failed()) return Error{Errc::io, error->message};
    if (!s.pool->has_room()) return Error{Errc::full, "the disk is full: there is no room for the log"};
    if (!s.log->has_room()) return Error{Errc::full, "the log is behind: its buffer is full"};
    if (s.filled(1, 1))
      return Error{Errc::full, s.checkpointer->has_room() ? "both memtables are full"
                                                          : "both memtables are full, and so is the disk"};
  }
  std::vector<LogPosition> positions;
  positions.reserve(batch.records.size());
  for (const Bytes& record : batch.records) positions.push_back(s.log->append(record));
  if (!positions.empty()) s.log->flush();
  s.records += positions.size();
  for (Batch::Change& change : batch.rows)
    s.active.rows.change(std::move(change.key), std::move(change.value));
  for (Batch::Change& change : batch.meta)
    s.active.meta.change(std::move(change.key), std::move(change.value));
  return positions;
}

Found DiskStore::Impl::find(BytesView key, Bytes& value, Memtable MemtablePair::*part, RowTable::Part below) {
  const std::optional<Bytes>* entry = (active.*part).find(key);
  if (!entry && frozen) entry = ((*frozen).*part).find(key);
  if (!entry) return table->get(below, key, value);
  if (!*entry) return Found::no;
  value = **entry;
  return Found::yes;
}

bool DiskStore::Impl::walk(BytesView from, BytesView to, const RowVisitor& visit,
                           Memtable MemtablePair::*part, RowTable::Part below) {
  RowTable::Cursor base(*table, below);
  return merged_walk(active.*part, frozen ? &((*frozen).*part) : nullptr, base, from, to, visit);
}

Found DiskStore::get(BytesView row_key, Bytes& value) {
  return impl_->find(row_key, value, &MemtablePair::rows, RowTable::Part::rows);
}
Found DiskStore::get_meta(BytesView key, Bytes& value) {
  return impl_->find(key, value, &MemtablePair::meta, RowTable::Part::meta);
}
bool DiskStore::walk(BytesView from, BytesView to, const RowVisitor& visit) {
  return impl_->walk(from, to, visit, &MemtablePair::rows, RowTable::Part::rows);
}
bool DiskStore::walk_meta(BytesView from, BytesView to, const RowVisitor& visit) {
  return impl_->walk(from, to, visit, &MemtablePair::meta, RowTable::Part::meta);
}

bool DiskStore::log_damaged() const { return impl_->damaged; }
Result<Bytes> DiskStore::read_log(LogPosition at) { return impl_->log->read(at); }
LogPosition DiskStore::log_begin() const { return impl_->log->begin(); }
LogPosition DiskStore::log_end() const { return impl_->log->end(); }

void DiskStore::release_log(LogPosition keep_from) {
  impl_->released = std::max(impl_->released, keep_from);
  impl_->drop_log();
}

void DiskStore::Impl::drop_log() {
  log->drop_below(std::min(released, checkpoint));
  log->drop_to_size(options.log_bytes_max, checkpoint);
}

bool DiskStore::wants_checkpoint() const {
  const Impl& s = *impl_;
  const uint64_t log_bytes = s.log->end().value - s.checkpoint.value;
  return !s.frozen && (s.filled(1, 2) || log_bytes >= s.options.log_bytes_max / 2);
}

bool DiskStore::begin_checkpoint(std::vector<Batch::Change>&& meta) {
  Impl& s = *impl_;
  if (s.frozen || s.failed()) return false;
  for (Batch::Change& change : meta) s.active.meta.change(std::move(change.key), std::move(change.value));
  s.frozen = std::make_shared<MemtablePair>(std::exchange(s.active, {}));
  s.frozen_at = s.log->end();
  s.checkpointer->begin(s.frozen, s.frozen_at);
  return true;
}

bool DiskStore::has_room() const {
  const Impl& s = *impl_;
  return !s.filled(1, 1) && s.pool->has_room() && s.log->has_room() && !s.failed();
}

Events DiskStore::poll() {
  Impl& s = *impl_;
  s.bell.clear();
  s.table->end_read();
  Events events;
  if (s.checkpointer->poll()) {
    s.frozen.reset();
    s.checkpoint = s.frozen_at;
    ++s.checkpoints;
    events.checkpoint_done = true;
    s.drop_log();
  }
  events.failed = s.failed();
  if (!events.failed) s.durable = s.log->durable();
  events.durable = s.durable;
  return events;
}

int DiskStore::event_fd() const { return impl_->bell.fd(); }

Usage DiskStore::usage() const {
  const Impl& s = *impl_;
  Usage usage;
  usage.log_bytes = s.log->kept_bytes();
  usage.memtable_bytes = s.active.bytes() + (s.frozen ? s.frozen->bytes() : 0);
  usage.map_bytes = s.table->used_bytes();
  usage.records = s.records;
  usage.syncs = s.log->syncs();
  usage.checkpoints = s.checkpoints;
  return usage;
}

}  // namespace atolldb::storage
