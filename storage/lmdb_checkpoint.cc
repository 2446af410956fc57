#include "storage/lmdb_checkpoint.h"

#include <algorithm>
#include <vector>

#include "storage/row_format.h"

namespace atolldb::storage {
namespace {

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

int write_checkpoint(MDB_env* env, const MDB_dbi (&dbis)[2], const MemtablePair& changes,
                     LogPosition position, bool nesting) {
  const MDB_dbi rows = dbis[static_cast<size_t>(Table::Part::rows)],
                meta = dbis[static_cast<size_t>(Table::Part::meta)];
  WriteTxn txn(env);
  int rc = txn.begun();
  if (rc == 0) rc = write_table(env, txn.get(), rows, changes.rows, nesting);
  if (rc == 0) rc = write_table(env, txn.get(), meta, changes.meta, nesting);
  if (rc == 0) {
    MDB_val key = to_val(kCheckpointKey), data{stored_size(RowKind::whole, sizeof position.value), nullptr};
    rc = mdb_put(txn.get(), meta, &key, &data, MDB_RESERVE);
    if (rc == 0)
      encode_row(static_cast<char*>(data.mv_data), kCheckpointKey,
                 {RowKind::whole, {reinterpret_cast<const char*>(&position.value), sizeof position.value}});
  }
  return rc == 0 ? txn.commit() : rc;
}

}  // namespace atolldb::storage
