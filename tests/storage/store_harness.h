#pragma once
// One disk with a store on it, for tests of the contract that both stores keep.

#include <memory>
#include <string>
#include <vector>

#include "storage/store.h"

namespace atolldb::storage::testing {

class Harness {
 public:
  virtual ~Harness() = default;
  virtual Store& store() = 0;
  // Stops the store, as a crash of the process would, and starts another on the same disk. Does not recover.
  virtual void reopen() = 0;
  virtual bool damage_row(BytesView row_key) = 0;  // of a checkpointed row; while no store is open
  virtual void stop() = 0;
  virtual void start() = 0;

  // recover() that keeps what was handed out.
  struct Recovered {
    std::vector<std::pair<LogPosition, Bytes>> old, applied;
  };
  Recovered recover();
  // Polls until everything that was committed is durable; fails the test when the store failed.
  void sync();
  // Freezes with `meta` and polls until the checkpoint is done.
  void checkpoint(std::vector<Batch::Change> meta = {});
};

// A directory of the test's own, removed with what is in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string read_whole(const std::string& path);
void write_whole(const std::string& path, const std::string& bytes);
// Flips a bit in the bytes some way behind every place where `marker` stands. False: it stands nowhere.
bool flip_byte_behind(const std::string& path, BytesView marker);

// "virtual" or "disk".
std::unique_ptr<Harness> make_harness(const std::string& kind, size_t memtable_bytes = 8u << 20,
                                      uint64_t log_bytes_max = 1u << 30);

Batch::Change put(Bytes key, Bytes value);
Batch::Change erase(Bytes key);
Bytes number_key(uint64_t n);  // eight bytes, in order
std::vector<std::pair<Bytes, Bytes>> all_rows(Store& store);

}  // namespace atolldb::storage::testing
