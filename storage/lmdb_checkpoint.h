#pragma once
// What a checkpoint writes into LMDB, in one transaction of the environment. Return values are LMDB's: 0, or
// an error that mdb_strerror() knows. Of the storage room, only this and lmdb_table.cc know LMDB.

#include <lmdb.h>

#include <utility>

#include "storage/store.h"
#include "storage/table.h"

namespace atolldb::storage {

inline MDB_val to_val(BytesView bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }
inline BytesView to_view(const MDB_val& val) { return {static_cast<const char*>(val.mv_data), val.mv_size}; }

// The store's own entry in `meta`. Stored keys of callers have at least three bytes.
inline constexpr BytesView kCheckpointKey("\0", 1);

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

// `dbis` by Table::Part. Nothing is changed unless it answers 0, and then all is synced. MDB_TXN_FULL comes
// with `nesting` alone: too many pages for small transactions within the large one.
int write_checkpoint(MDB_env* env, const MDB_dbi (&dbis)[2], const MemtablePair& changes,
                     LogPosition position, bool nesting);

}  // namespace atolldb::storage
