#include "tests/storage/store_harness.h"

#include <poll.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "storage/disk_store.h"
#include "storage/virtual_store.h"

namespace atolldb::storage::testing {
namespace {

class VirtualHarness : public Harness {
 public:
  explicit VirtualHarness(const VirtualStoreOptions& options) : options_(options) { start(); }
  Store& store() override { return *store_; }
  void stop() override { store_.reset(); }
  void start() override { store_ = std::make_unique<VirtualStore>(disk_, options_, ++incarnation_); }
  void reopen() override {
    stop();
    start();
  }
  bool damage_row(BytesView row_key) override { return disk_.damage_row(row_key); }

 private:
  VirtualStoreOptions options_;
  VirtualDisk disk_;
  uint64_t incarnation_ = 0;
  std::unique_ptr<VirtualStore> store_;
};

class DiskHarness : public Harness {
 public:
  explicit DiskHarness(const DiskStoreOptions& options) : options_(options) {
    options_.directory = directory_.path();
    options_.log_segment_bytes = 64u << 10;
    start();
  }
  Store& store() override { return *store_; }
  void stop() override { store_.reset(); }
  void start() override {
    auto opened = DiskStore::open(options_);
    if (!opened) FAIL(opened.error().message);
    store_ = std::move(*opened);
  }
  void reopen() override {
    stop();
    start();
  }
  bool damage_row(BytesView row_key) override {
    return flip_byte_behind(directory_.path() + "/rows/data.mdb", row_key);
  }

 private:
  TemporaryDirectory directory_;
  DiskStoreOptions options_;
  std::unique_ptr<DiskStore> store_;
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

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "atoll-storage-XXXXXX").string();
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_whole(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

bool flip_byte_behind(const std::string& path, BytesView marker) {
  std::string bytes = read_whole(path);
  bool found = false;
  for (size_t at = bytes.find(marker); at != std::string::npos; at = bytes.find(marker, at + 1)) {
    found = true;
    bytes[at + marker.size() + 20] ^= 1;
  }
  write_whole(path, bytes);
  return found;
}

std::unique_ptr<Harness> make_harness(const std::string& kind, size_t memtable_bytes,
                                      uint64_t log_bytes_max) {
  if (kind == "disk") {
    DiskStoreOptions options;
    options.cluster = "test";
    options.node = NodeNumber{1};
    options.memtable_bytes = memtable_bytes;
    options.log_bytes_max = log_bytes_max;
    return std::make_unique<DiskHarness>(options);
  }
  REQUIRE(kind == "virtual");
  VirtualStoreOptions options;
  options.memtable_bytes = memtable_bytes;
  options.log_bytes_max = log_bytes_max;
  options.log_segment_bytes = 64u << 10;
  options.automatic = true;
  return std::make_unique<VirtualHarness>(options);
}

}  // namespace atolldb::storage::testing
