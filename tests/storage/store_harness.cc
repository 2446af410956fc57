#include "tests/storage/store_harness.h"

#include <poll.h>

#include <catch2/catch.hpp>

namespace atolldb::storage::testing {
namespace {

class MemoryHarness : public Harness {
 public:
  explicit MemoryHarness(const MemoryStoreOptions& options) : options_(options) { start(); }
  Store& store() override { return *store_; }
  void stop() override { store_.reset(); }
  void start() override { store_ = std::make_unique<MemoryStore>(disk_, options_); }
  void reopen() override {
    stop();
    start();
  }
  bool damage_row(BytesView row_key) override { return disk_.damage_row(row_key); }

 private:
  MemoryStoreOptions options_;
  MemoryDisk disk_;
  std::unique_ptr<MemoryStore> store_;
};

// One poll(), after waiting for news where the store has threads.
Events next_events(Store& store) {
  if (store.event_fd() >= 0) {
    pollfd waited{store.event_fd(), POLLIN, 0};
    REQUIRE(::poll(&waited, 1, 30'000) == 1);
  }
  Events events = store.poll();
  if (events.failed) FAIL(events.failed->message);
  return events;
}

}  // namespace

Harness::Recovered Harness::recover() {
  Recovered recovered;
  const auto keep = [](auto& list) {
    return [&list](LogPosition at, BytesView record) {
      list.emplace_back(at, Bytes(record));
      return true;
    };
  };
  const Status status = store().recover(keep(recovered.old), keep(recovered.applied));
  if (!status) FAIL(status.error().message);
  return recovered;
}

void Harness::sync() {
  if (store().poll().durable == store().log_end()) return;
  while (next_events(store()).durable < store().log_end()) {
  }
}

void Harness::checkpoint(std::vector<Batch::Change> meta) {
  REQUIRE(store().begin_checkpoint(std::move(meta)));
  while (!next_events(store()).checkpoint_done) {
  }
}

std::unique_ptr<Harness> make_harness(const std::string& kind, size_t memtable_bytes,
                                      uint64_t log_bytes_max) {
  REQUIRE(kind == "memory");
  MemoryStoreOptions options;
  options.memtable_bytes = memtable_bytes;
  options.log_bytes_max = log_bytes_max;
  return std::make_unique<MemoryHarness>(options);
}

Batch::Change put(Bytes key, Bytes value) { return {std::move(key), std::move(value)}; }
Batch::Change erase(Bytes key) { return {std::move(key), std::nullopt}; }

Bytes number_key(uint64_t n) {
  Bytes key(8, '\0');
  for (int i = 7; i >= 0; --i, n >>= 8) key[static_cast<size_t>(i)] = static_cast<char>(n);
  return key;
}

std::vector<std::pair<Bytes, Bytes>> all_rows(Store& store) {
  std::vector<std::pair<Bytes, Bytes>> rows;
  store.walk("", Bytes(kRowKeyBytesMax + 1, '\xff'), [&](BytesView key, BytesView value) {
    rows.emplace_back(key, value);
    return true;
  });
  return rows;
}

}  // namespace atolldb::storage::testing
