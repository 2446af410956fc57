#include "storage/lmdb_table.h"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "storage/dirty_pages.h"
#include "storage/file_system.h"
#include "storage/lmdb_checkpoint.h"
#include "storage/row_format.h"

namespace atolldb::storage {
namespace {

constexpr uint64_t kMapBytesMin = 64u << 20;
constexpr uint64_t kMapBytesUsual = uint64_t{256} << 30;  // address space, not memory
constexpr unsigned kNamedTables = 2;
constexpr MDB_dbi kFreePages = 0;  // LMDB's table of them: each record begins with their number
constexpr uint64_t kReservedWrites = 2;
constexpr uint64_t kReserveStep = 1u << 20;
// Longer values are not read only to be certain of a key.
constexpr size_t kVerifiedBytesMax = 16u << 10;

bool verifies(const MDB_val& key, const MDB_val& data) {
  return data.mv_size > kVerifiedBytesMax || decode_row(to_view(key), to_view(data)).has_value();
}

Error lmdb_error(const std::string& what, int rc) {
  if (rc == ENOSPC || rc == EDQUOT) return system_error(what, rc);
  const bool corrupt = rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND || rc == MDB_INVALID;
  const Errc code = corrupt ? Errc::corrupt : rc == MDB_VERSION_MISMATCH ? Errc::version : Errc::io;
  return {code, what + ": " + mdb_strerror(rc)};
}

// As far as the file system says.
bool has_space(const std::string& path, uint64_t bytes) {
  struct statvfs info {};
  return ::statvfs(path.c_str(), &info) != 0 || uint64_t{info.f_bavail} * info.f_frsize >= bytes;
}

// LMDB calls a write that the disk cut short EIO. It leaves the last commit as it was, and a retry writes
// every page again; what cannot be retried, LMDB answers with MDB_PANIC.
bool nearly_full(const std::string& path) {
  constexpr uint64_t kWriteBytesMax = 4u << 20;  // more than LMDB hands over in one call
  return !has_space(path, kWriteBytesMax);
}

}  // namespace

struct LmdbTable::Impl {
  MDB_env* env = nullptr;
  MDB_dbi dbis[2] = {};
  MDB_txn* read_txn = nullptr;
  bool reading = false;
  uint64_t map_bytes = 0;
  uint64_t page_bytes = 0;
  uint64_t reserved_end = 0;  // of the file: up to here space was taken
  LogPosition checkpoint;
  std::string path;
  const DiskFaults* faults = nullptr;

  ~Impl() {
    for (const Probe& probe : probes)
      if (probe.cursor) mdb_cursor_close(probe.cursor);
    if (read_txn) mdb_txn_abort(read_txn);
    if (env) mdb_env_close(env);
  }
  MDB_dbi dbi(Part part) const { return dbis[static_cast<size_t>(part)]; }

  // A cursor for points, in the present read transaction.
  struct Probe {
    MDB_cursor* cursor = nullptr;
    uint64_t reader = 0;
  };
  Probe probes[2];
  uint64_t readers = 0;
  std::optional<Error> failed;

  MDB_cursor* probe(Part part) {
    MDB_txn* txn = reader();
    Probe& probe = probes[static_cast<size_t>(part)];
    if (probe.reader == readers) return probe.cursor;
    const int rc =
        probe.cursor ? mdb_cursor_renew(txn, probe.cursor) : mdb_cursor_open(txn, dbi(part), &probe.cursor);
    if (rc != 0) return nullptr;
    probe.reader = readers;
    return probe.cursor;
  }

  bool is_absent(MDB_cursor* at, BytesView key, int found, MDB_val next, MDB_val data);
  bool disordered() {
    failed =
        Error{Errc::corrupt, "the order of the rows in " + path +
                                 " is damaged: move this node's data directory away and start the node with "
                                 "an empty one, it fetches everything from the others; or restore a backup"};
    return false;
  }

  // Nothing: LMDB has no read transaction to give.
  MDB_txn* reader() {
    if (reading) return read_txn;
    const int rc = read_txn ? mdb_txn_renew(read_txn) : mdb_txn_begin(env, nullptr, MDB_RDONLY, &read_txn);
    ensure(rc == 0, "LMDB gives its only reader a transaction");
    reading = true;
    ++readers;
    return read_txn;
  }

  int open_env(uint64_t bytes);
  uint64_t free_bytes() const;
  Status open(uint64_t bytes);
  Status read_checkpoint();
  Found assemble(MDB_dbi table, StoredKey& key, const StoredRow& first, Bytes& value);
};

LmdbTable::LmdbTable(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LmdbTable::~LmdbTable() = default;

int LmdbTable::Impl::open_env(uint64_t bytes) {
  if (const int rc = mdb_env_create(&env); rc != 0) return rc;
  mdb_env_set_maxdbs(env, kNamedTables);
  mdb_env_set_mapsize(env, bytes);
  // Reads are points and short ranges; read-ahead would fill memory with neighbours.
  const int rc = mdb_env_open(env, path.c_str(), MDB_NOTLS | MDB_NORDAHEAD, 0640);
  if (rc != 0) {
    mdb_env_close(env);
    env = nullptr;
  }
  map_bytes = bytes;
  return rc;
}

Status LmdbTable::Impl::open(uint64_t bytes) {
  const bool usual = bytes == 0;
  if (usual) bytes = kMapBytesUsual;
  int rc = open_env(bytes);
  while (rc == ENOMEM && usual && bytes > kMapBytesMin) rc = open_env(bytes /= 2);
  if (rc != 0) return lmdb_error("open " + path, rc);
  // LMDB raises a map that is smaller than its data.
  MDB_envinfo info;
  mdb_env_info(env, &info);
  map_bytes = info.me_mapsize;
  MDB_stat stat;
  mdb_env_stat(env, &stat);
  page_bytes = stat.ms_psize;
  int dead = 0;
  mdb_reader_check(env, &dead);
  if ((rc = mdb_env_sync(env, 1)) != 0) return lmdb_error("sync " + path, rc);

  WriteTxn txn(env);
  if ((rc = txn.begun()) != 0) return lmdb_error("open " + path, rc);
  const char* names[] = {"rows", "meta"};
  for (size_t i = 0; i < kNamedTables; ++i)
    if ((rc = mdb_dbi_open(txn.get(), names[i], MDB_CREATE, &dbis[i])) != 0)
      return lmdb_error("open table " + std::string(names[i]) + " in " + path, rc);
  if ((rc = txn.commit()) != 0) return lmdb_error("open " + path, rc);
  return read_checkpoint();
}

Status LmdbTable::Impl::read_checkpoint() {
  MDB_val key = to_val(kCheckpointKey), data;
  const int rc = mdb_get(reader(), dbi(Part::meta), &key, &data);
  if (rc == MDB_NOTFOUND) return ok();
  if (rc != 0) return lmdb_error("read the checkpoint's position in " + path, rc);
  const auto row = decode_row(kCheckpointKey, to_view(data));
  if (!row || row->payload.size() != sizeof checkpoint.value)
    return {Errc::corrupt,
            "the checkpoint's position in " + path +
                " does not verify; restore this node's directory or start it with an empty one"};
  std::memcpy(&checkpoint.value, row->payload.data(), sizeof checkpoint.value);
  return ok();
}

Result<std::unique_ptr<LmdbTable>> LmdbTable::open(const std::string& directory, const Options& options) {
  auto impl = std::make_unique<Impl>();
  impl->path = directory;
  impl->faults = options.faults;
  if (Status opened = impl->open(options.map_bytes); !opened) return opened.error();
  std::unique_ptr<LmdbTable> table(new LmdbTable(std::move(impl)));
  table->end_read();
  return table;
}

Found LmdbTable::get(Part part, BytesView key, Bytes& value) {
  if (key.empty() || key.size() > kRowKeyBytesMax) return Found::no;
  StoredKey stored(key);
  MDB_cursor* at = impl_->probe(part);
  if (!at) return Found::damaged;
  MDB_val k = to_val(stored.view()), data;
  const int rc = mdb_cursor_get(at, &k, &data, MDB_SET_RANGE);
  if (rc != 0 || to_view(k) != stored.view())
    return impl_->is_absent(at, stored.view(), rc, k, data) ? Found::no : Found::damaged;
  const auto row = decode_row(stored.view(), to_view(data));
  if (!row || row->kind == RowKind::more) return Found::damaged;
  if (row->kind == RowKind::first) return impl_->assemble(impl_->dbi(part), stored, *row, value);
  value.assign(row->payload);
  return Found::yes;
}

// What a search does not find may be there all the same, behind a key that a flipped bit has put out of
// order, or under that key. A search that is led astray ends beside what did it: so the two entries on either
// side have to stand in order, and the nearest to verify. `at` stands on `next`, where `found` says so.
bool LmdbTable::Impl::is_absent(MDB_cursor* at, BytesView key, int found, MDB_val next, MDB_val data) {
  if (found != 0 && found != MDB_NOTFOUND) return disordered();
  bool certain = true;
  MDB_val further, unused;
  if (found == 0) {
    if (to_view(next) <= key) return disordered();
    certain = verifies(next, data);
    const int rc = mdb_cursor_get(at, &further, &unused, MDB_NEXT);
    if (rc != MDB_NOTFOUND && (rc != 0 || to_view(further) <= to_view(next))) return disordered();
    if (rc == 0 && mdb_cursor_get(at, &further, &unused, MDB_PREV) != 0) return disordered();
  }
  MDB_val before;
  int rc = mdb_cursor_get(at, &before, &data, found == 0 ? MDB_PREV : MDB_LAST);
  if (rc == MDB_NOTFOUND) return certain;
  if (rc != 0 || to_view(before) >= key) return disordered();
  certain = certain && verifies(before, data);
  rc = mdb_cursor_get(at, &further, &unused, MDB_PREV);
  if (rc != MDB_NOTFOUND && (rc != 0 || to_view(further) >= to_view(before))) return disordered();
  return certain;
}

Found LmdbTable::Impl::assemble(MDB_dbi table, StoredKey& key, const StoredRow& first, Bytes& value) {
  if (first.length > kRecordBytesMax) return Found::damaged;
  Bytes whole;
  whole.reserve(first.length);
  whole.assign(first.payload);
  for (uint16_t chunk = 1; whole.size() < first.length; ++chunk) {
    key.set_chunk(chunk);
    MDB_val k = to_val(key.view()), data;
    if (mdb_get(reader(), table, &k, &data) != 0) return Found::damaged;
    const auto row = decode_row(key.view(), to_view(data));
    if (!row || row->kind != RowKind::more || row->payload.empty()) return Found::damaged;
    whole.append(row->payload);
  }
  if (whole.size() != first.length) return Found::damaged;
  value = std::move(whole);
  return Found::yes;
}

void LmdbTable::end_read() {
  if (std::exchange(impl_->reading, false)) mdb_txn_reset(impl_->read_txn);
}

std::optional<Error> LmdbTable::failed() const { return impl_->failed; }

LogPosition LmdbTable::checkpoint() const { return impl_->checkpoint; }

Status LmdbTable::grow() {
  end_read();
  const int rc = mdb_env_set_mapsize(impl_->env, impl_->map_bytes * 2);
  if (rc != 0) return lmdb_error("grow the map of " + impl_->path, rc);
  impl_->map_bytes *= 2;
  return ok();
}

uint64_t LmdbTable::used_bytes() const {
  MDB_envinfo info;
  mdb_env_info(impl_->env, &info);
  return (info.me_last_pgno + 1) * impl_->page_bytes;
}

uint64_t LmdbTable::tree_pages() {
  MDB_stat stat;
  if (mdb_stat(impl_->reader(), impl_->dbi(Part::rows), &stat) != 0) return UINT64_MAX;
  return stat.ms_branch_pages + stat.ms_leaf_pages;
}

// Of pages in the file that hold nothing. Those of the last commit are used again by the next but one.
uint64_t LmdbTable::Impl::free_bytes() const {
  MDB_txn* txn = nullptr;
  MDB_cursor* at = nullptr;
  uint64_t pages = 0;
  if (mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn) != 0) return 0;
  if (mdb_cursor_open(txn, kFreePages, &at) == 0) {
    MDB_val key, data;
    while (mdb_cursor_get(at, &key, &data, MDB_NEXT) == 0) {
      uint64_t count = 0;
      std::memcpy(&count, data.mv_data, std::min(sizeof count, data.mv_size));
      pages += count;
    }
    mdb_cursor_close(at);
  }
  mdb_txn_abort(txn);
  return pages * page_bytes;
}

// Of a small table, each page may have to be written anew. New values split pages in two.
bool LmdbTable::reserve(const Load& largest) {
  const uint64_t end = used_bytes();
  const auto pages = static_cast<uint64_t>(kDirtyAtMost * static_cast<double>(largest.pages));
  const auto wanted_for = [&](uint64_t used) {
    return kReservedWrites * (std::min(pages * impl_->page_bytes, used) + 2 * largest.bytes);
  };
  const uint64_t reserved = std::max(impl_->reserved_end, end) - end;
  if (reserved >= wanted_for(end)) return true;
  const uint64_t free = impl_->free_bytes();
  const uint64_t wanted = wanted_for(end - std::min(free, end));
  if (free + reserved >= wanted) return true;
  const uint64_t more = (wanted - free + kReserveStep - 1) / kReserveStep * kReserveStep;
  if (impl_->faults && impl_->faults->full) return false;
  // Where it does not suffice, some file systems would take what there is all the same.
  if (!has_space(impl_->path, more - std::min(reserved, more))) return false;
  mdb_filehandle_t file;
  if (mdb_env_get_fd(impl_->env, &file) != 0) return true;
  const bool taken =
      ::fallocate(file, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(end), static_cast<off_t>(more)) == 0;
  if (taken) impl_->reserved_end = end + more;
  // A file system that cannot do this keeps no reserve.
  return taken || (errno != ENOSPC && errno != EDQUOT);
}

// There is place for 131,072 dirty pages. Beyond that LMDB writes some out ahead of the commit, but only
// those of the innermost transaction, and where that one is small and new it gives up: all is written again
// in a single one.
Table::Written LmdbTable::write(const MemtablePair& changes, LogPosition position,
                                std::optional<Error>& error) {
  if (impl_->faults && impl_->faults->no_checkpoints) return Written::disk_full;
  int rc = write_checkpoint(impl_->env, impl_->dbis, changes, position, true);
  if (rc == MDB_TXN_FULL) rc = write_checkpoint(impl_->env, impl_->dbis, changes, position, false);
  if (rc == 0) return Written::done;
  if (rc == EIO && nearly_full(impl_->path)) rc = ENOSPC;
  error = lmdb_error("checkpoint into " + impl_->path, rc);
  if (rc == MDB_MAP_FULL) return Written::needs_growth;
  return error->code == Errc::full ? Written::disk_full : Written::failed;
}

// -- the cursor

class LmdbTable::LmdbCursor final : public Table::Cursor {
 public:
  LmdbCursor(Impl& table, MDB_dbi dbi) : table_(table), dbi_(dbi) {
    if (mdb_cursor_open(table.reader(), dbi, &cursor_) != 0) sound_ = table.disordered();
  }
  ~LmdbCursor() override {
    if (cursor_) mdb_cursor_close(cursor_);
  }
  LmdbCursor(const LmdbCursor&) = delete;
  LmdbCursor& operator=(const LmdbCursor&) = delete;

  void seek(BytesView from) override {
    if (!cursor_) return;
    if (!from.empty()) {
      MDB_val next = to_val(from), data;
      const int rc = mdb_cursor_get(cursor_, &next, &data, MDB_SET_RANGE);
      const bool exact = rc == 0 && to_view(next) == from;
      if (!exact && !table_.is_absent(cursor_, from, rc, next, data)) sound_ = false;
    }
    stored_key_ = to_val(from);
    move(from.empty() ? MDB_FIRST : MDB_SET_RANGE);
    // A key that `from` continues with zeros lies behind it here, because of its chunk number.
    while (valid_ && key_ < from) next();
  }
  void next() override { move(MDB_NEXT); }

  Found read(BytesView& value) override {
    const auto row = decode_row(to_view(stored_key_), to_view(data_));
    if (!row || row->kind == RowKind::more) return Found::damaged;
    if (row->kind == RowKind::whole) {
      value = row->payload;
      return Found::yes;
    }
    StoredKey stored(key_);
    const Found found = table_.assemble(dbi_, stored, *row, assembled_);
    if (found == Found::yes) value = assembled_;
    return found;
  }

  // The row that a walk ends at is not read, and yet it has to be what it says.
  bool sound() override {
    if (valid_ && !verifies(stored_key_, data_)) sound_ = false;
    return sound_;
  }

 private:
  // On to the first chunk of the next row.
  void move(MDB_cursor_op op) {
    const BytesView row = key_;
    int rc = step(op);
    for (; rc == 0; rc = step(MDB_NEXT)) {
      const BytesView stored = to_view(stored_key_);
      key_ = stored.substr(0, stored.size() - std::min(stored.size(), kChunkNumberBytes));
      if (!key_.empty() && chunk_of(stored) == 0) break;
      // The store's own entry is no row. Others are a row's later chunks, which mostly follow it.
      if (stored == kCheckpointKey || key_ == row) continue;
      const auto chunk = decode_row(stored, to_view(data_));
      if (!chunk || chunk->kind != RowKind::more) sound_ = false;
    }
    valid_ = rc == 0;
  }

  int step(MDB_cursor_op op) {
    const BytesView before = to_view(stored_key_);
    const int rc = mdb_cursor_get(cursor_, &stored_key_, &data_, op);
    if (rc != 0 && rc != MDB_NOTFOUND) sound_ = table_.disordered();
    if (rc == 0 && op == MDB_NEXT && to_view(stored_key_) <= before) sound_ = table_.disordered();
    return rc;
  }

  Impl& table_;
  MDB_dbi dbi_;
  MDB_cursor* cursor_ = nullptr;
  MDB_val stored_key_{}, data_{};
  Bytes assembled_;
  bool sound_ = true;
};

std::unique_ptr<Table::Cursor> LmdbTable::cursor(Part part) {
  return std::make_unique<LmdbCursor>(*impl_, impl_->dbi(part));
}

}  // namespace atolldb::storage
