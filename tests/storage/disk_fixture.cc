#include "tests/storage/disk_fixture.h"

#include <poll.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>

#include "storage/log_format.h"

namespace atolldb::storage::testing {

DiskStoreOptions small_options(const std::string& directory) {
  DiskStoreOptions options;
  options.directory = directory;
  options.cluster = "test-cluster";
  options.node = NodeNumber{7};
  options.memtable_bytes = 1u << 20;
  options.log_segment_bytes = 64u << 10;
  return options;
}

std::unique_ptr<DiskStore> must_open(const DiskStoreOptions& options) {
  auto opened = DiskStore::open(options);
  if (!opened) FAIL(opened.error().message);
  return std::move(*opened);
}

std::unique_ptr<DiskStore> must_recover(const DiskStoreOptions& options, std::vector<Bytes>* applied) {
  auto store = must_open(options);
  const Status status = store->recover(nullptr, [&](LogPosition, BytesView record) {
    if (applied) applied->emplace_back(record);
    return true;
  });
  if (!status) FAIL(status.error().message);
  return store;
}

Events wait_events(Store& store) {
  pollfd waited{store.event_fd(), POLLIN, 0};
  REQUIRE(::poll(&waited, 1, 30'000) == 1);
  return store.poll();
}

void wait_durable(Store& store) {
  Events events = store.poll();
  while (!events.failed && events.durable < store.log_end()) events = wait_events(store);
  if (events.failed) FAIL(events.failed->message);
}

void wait_checkpoint(Store& store) {
  for (;;) {
    const Events events = wait_events(store);
    if (events.failed) FAIL(events.failed->message);
    if (events.checkpoint_done) return;
  }
}

std::vector<std::string> segments(const std::string& directory) {
  std::map<uint64_t, std::string> by_begin;
  for (const auto& entry : std::filesystem::directory_iterator(directory + "/log")) {
    SegmentHeader header;
    const std::string path = entry.path().string();
    if (decode_segment_header(read_whole(path), header) == HeaderFound::valid) by_begin[header.begin] = path;
  }
  std::vector<std::string> paths;
  for (const auto& [begin, path] : by_begin) paths.push_back(path);
  return paths;
}

void copy_directory(const std::string& from, const std::string& to) {
  std::filesystem::remove_all(to);
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

}  // namespace atolldb::storage::testing
