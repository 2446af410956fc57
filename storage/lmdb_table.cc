#include "storage/lmdb_table.h"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "storage/file_system.h"
#include "storage/row_format.h"

namespace atolldb::storage {
namespace {

constexpr uint64_t kMapBytesMin = 64u << 20;
constexpr uint64_t kMapBytesUsual = uint64_t{256} << 30;  // address space, not memory
constexpr unsigned kNamedTables = 2;
// The store's own entry in `meta`. Stored keys of callers have at least three bytes.
constexpr BytesView kCheckpointKey("\0", 1);
constexpr MDB_dbi kFreePages = 0;  // LMDB's table of them: each record begins with their number
constexpr uint64_t kReservedWrites = 2;
constexpr uint64_t kReserveStep = 1u << 20;
// Longer values are not read only to be certain of a key.
constexpr size_t kVerifiedBytesMax = 16u << 10;

MDB_val to_val(BytesView bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }
BytesView to_view(const MDB_val& val) { return {static_cast<const char*>(val.mv_data), val.mv_size}; }
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

// Ends the transaction unless it was committed.
class WriteTxn {
 public:
  // `parent`: what it does becomes its parent's when it is committed.
  explicit WriteTxn(MDB_env* env, MDB_txn* parent = nullptr) : rc_(mdb_txn_begin(env, parent, 0, &txn_)) {}
  ~WriteTxn() {
    if (txn_) mdb_txn_abort(txn_);
  }
  WriteTxn(const WriteTxn&) = delete;
  WriteTxn& operator=(const WriteTxn&) = delete;
  int begun() const { return rc_; }
  MDB_txn* get() const { return txn_; }
  int commit() { return mdb_txn_commit(std::exchange(txn_, nullptr)); }

 private:
  MDB_txn* txn_ = nullptr;
  int rc_;
};

// Writes one table's changes in key order.
class TableWriter {
 public:
  TableWriter(MDB_txn* txn, MDB_dbi dbi) : txn_(txn), dbi_(dbi) {}
  ~TableWriter() {
    if (cursor_) mdb_cursor_close(cursor_);
  }
  TableWriter(const TableWriter&) = delete;
  TableWriter& operator=(const TableWriter&) = delete;

  int erase(const Memtable::Ranges& ranges) {
    int rc = ranges.empty() ? 0 : open();
    for (auto range = ranges.begin(); rc == 0 && range != ranges.end(); ++range)
      rc = erase_range(range->first, range->second);
    return rc;
  }

  // At most `most` changes; `at` moves on.
  int write(Memtable::Iterator& at, const Memtable::Iterator& end, size_t most) {
    int rc = open();
    for (; rc == 0 && most > 0 && at != end; --most, ++at) {
      at.prefetch();
      const Memtable::Entry change = *at;
      rc = change.erased ? erase(change.key) : put(change.key, change.value);
    }
    return rc;
  }

 private:
  int open() {
    if (const int rc = mdb_cursor_open(txn_, dbi_, &cursor_); rc != 0) return rc;
    MDB_val key, data;
    const int last = mdb_cursor_get(cursor_, &key, &data, MDB_LAST);
    if (last == 0) end_.assign(to_view(key));
    return last == MDB_NOTFOUND ? 0 : last;
  }

  int put(BytesView row_key, BytesView value) {
    StoredKey key(row_key);
    if (value.size() <= kChunkBytes)
      return put_chunk(key, {RowKind::whole, value, static_cast<uint32_t>(value.size())}, 1);
    const size_t chunks = (value.size() + kChunkBytes - 1) / kChunkBytes;
    for (size_t i = 0; i < chunks; ++i) {
      key.set_chunk(static_cast<uint16_t>(i));
      const StoredRow row{i == 0 ? RowKind::first : RowKind::more, value.substr(i * kChunkBytes, kChunkBytes),
                          static_cast<uint32_t>(value.size())};
      if (const int rc = put_chunk(key, row, chunks); rc != 0) return rc;
    }
    return 0;
  }

  // Chunk 0 also clears what an older, longer value left behind the new one's `chunks`.
  int put_chunk(const StoredKey& key, const StoredRow& row, size_t chunks) {
    MDB_val k = to_val(key.view());
    MDB_val data{stored_size(row.kind, row.payload.size()), nullptr};
    int rc;
    if (key.view() > BytesView(end_)) {
      rc = mdb_cursor_put(cursor_, &k, &data, MDB_RESERVE | MDB_APPEND);
      end_.assign(key.view());
    } else {
      MDB_val held{data.mv_size, nullptr};
      rc = mdb_cursor_put(cursor_, &k, &held, MDB_RESERVE | MDB_NOOVERWRITE);
      if (rc == MDB_KEYEXIST) {
        unsigned where = MDB_CURRENT;  // the refused put has left the cursor there
        if (row.kind != RowKind::more && chunks_of(to_view(held)) > chunks) {
          if ((rc = erase_chunks(key, chunks)) != 0) return rc;
          where = 0;
        }
        rc = mdb_cursor_put(cursor_, &k, &data, MDB_RESERVE | where);
      } else {
        data = held;
      }
    }
    if (rc == 0) encode_row(static_cast<char*>(data.mv_data), key.view(), row);
    return rc;
  }

  // By what its first chunk says; a damaged one is taken for the longest, so that nothing of it stays.
  static size_t chunks_of(BytesView stored_first) {
    if (stored_first.size() < kRowHeadBytes) return SIZE_MAX;
    if (static_cast<RowKind>(stored_first[1]) == RowKind::whole) return 1;
    return SIZE_MAX;
  }

  int erase_chunks(StoredKey key, size_t from) {
    for (size_t i = from; i <= UINT16_MAX; ++i) {
      key.set_chunk(static_cast<uint16_t>(i));
      MDB_val k = to_val(key.view());
      const int rc = mdb_del(txn_, dbi_, &k, nullptr);
      if (rc == MDB_NOTFOUND) break;
      if (rc != 0) return rc;
    }
    return 0;
  }

  int erase(BytesView row_key) {
    const StoredKey key(row_key);
    MDB_val k = to_val(key.view()), data;
    int rc = mdb_cursor_get(cursor_, &k, &data, MDB_SET_KEY);
    if (rc == MDB_NOTFOUND) return 0;
    if (rc != 0) return rc;
    const size_t chunks = chunks_of(to_view(data));
    rc = mdb_cursor_del(cursor_, 0);
    return rc == 0 && chunks > 1 ? erase_chunks(key, 1) : rc;
  }

  int erase_range(BytesView from, BytesView to) {
    // Chunks of a key that `to` continues may lie behind the first row that stays: they go by name.
    std::vector<std::pair<Bytes, size_t>> continued;
    MDB_val k = to_val(from), data;
    int rc = mdb_cursor_get(cursor_, &k, &data, from.empty() ? MDB_FIRST : MDB_SET_RANGE);
    for (; rc == 0; rc = mdb_cursor_get(cursor_, &k, &data, MDB_NEXT)) {
      const BytesView stored = to_view(k);
      if (stored.size() <= kChunkNumberBytes) continue;
      const BytesView key = stored.substr(0, stored.size() - kChunkNumberBytes);
      const uint16_t chunk = chunk_of(stored);
      if (key >= to && chunk == 0) break;
      if (key < from || key >= to) continue;
      if (to.starts_with(key)) {
        if (continued.empty() || continued.back().first != key) continued.emplace_back(key, 0);
        continued.back().second = size_t{chunk} + 1;
      }
      if (const int deleted = mdb_cursor_del(cursor_, 0); deleted != 0) return deleted;
    }
    if (rc != 0 && rc != MDB_NOTFOUND) return rc;
    for (const auto& [key, chunk_number] : continued)
      if (const int erased = erase_chunks(StoredKey(key), chunk_number); erased != 0) return erased;
    return 0;
  }

  MDB_txn* txn_;
  MDB_dbi dbi_;
  MDB_cursor* cursor_ = nullptr;
  Bytes end_;  // no stored key is greater
};

// A transaction keeps its dirty pages sorted by number and takes them from several sorted lists in turn: each
// page of a later list pushes all behind it aside. Small transactions within the large one keep that short.
constexpr size_t kNestedRows = 1024;
// It has place for 131,072 of them. Beyond that LMDB writes some out ahead of the commit, but only those of
// the innermost transaction, and where that one is small and new it gives up: MDB_TXN_FULL. A row may dirty
// two leaves and a branch.
constexpr size_t kRowsWithNestingMax = 32'768;

int write_table(MDB_env* env, MDB_txn* txn, MDB_dbi dbi, const Memtable& changes, bool nesting) {
  int rc = TableWriter(txn, dbi).erase(changes.ranges());
  const Memtable::Iterator end = changes.end();
  Memtable::Iterator at = changes.begin();
  if (rc == 0 && !nesting) rc = TableWriter(txn, dbi).write(at, end, SIZE_MAX);
  while (rc == 0 && at != end) {
    WriteTxn nested(env, txn);
    rc = nested.begun();
    if (rc == 0) rc = TableWriter(nested.get(), dbi).write(at, end, kNestedRows);
    if (rc == 0) rc = nested.commit();
  }
  return rc;
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

// Of a small table, each page may have to be written anew; of a large one, a page for each row. New values
// split pages in two.
bool LmdbTable::reserve(const Load& largest) {
  const uint64_t end = used_bytes();
  const auto wanted_for = [&](uint64_t used) {
    return kReservedWrites * (std::min(largest.rows * impl_->page_bytes, used) + 2 * largest.bytes);
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

Table::Written LmdbTable::write(const MemtablePair& changes, LogPosition position,
                                std::optional<Error>& error) {
  if (impl_->faults && impl_->faults->no_checkpoints) return Written::disk_full;
  const bool nesting = changes.rows.size() + changes.meta.size() <= kRowsWithNestingMax;
  WriteTxn txn(impl_->env);
  int rc = txn.begun();
  if (rc == 0) rc = write_table(impl_->env, txn.get(), impl_->dbi(Part::rows), changes.rows, nesting);
  if (rc == 0) rc = write_table(impl_->env, txn.get(), impl_->dbi(Part::meta), changes.meta, nesting);
  if (rc == 0) {
    MDB_val key = to_val(kCheckpointKey), data{stored_size(RowKind::whole, sizeof position.value), nullptr};
    rc = mdb_put(txn.get(), impl_->dbi(Part::meta), &key, &data, MDB_RESERVE);
    if (rc == 0)
      encode_row(static_cast<char*>(data.mv_data), kCheckpointKey,
                 {RowKind::whole, {reinterpret_cast<const char*>(&position.value), sizeof position.value}});
  }
  if (rc == 0) rc = txn.commit();
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
