#pragma once
// A data directory with a DiskStore on it, small enough that segments are recycled and memtables fill in
// tests.

#include <memory>

#include "storage/disk_store.h"
#include "tests/storage/store_harness.h"

namespace atolldb::storage::testing {

DiskStoreOptions small_options(const std::string& directory);
// Fails the test when the directory does not open.
std::unique_ptr<DiskStore> must_open(const DiskStoreOptions& options);
// Opens and recovers; the records behind the checkpoint go to `applied`.
std::unique_ptr<DiskStore> must_recover(const DiskStoreOptions& options,
                                        std::vector<Bytes>* applied = nullptr);

// Waits for news, then polls. Fails the test when nothing comes for half a minute.
Events wait_events(Store& store);
void wait_durable(Store& store);
void wait_checkpoint(Store& store);

// Segment files that hold records, by the position of their first one.
std::vector<std::string> segments(const std::string& directory);
void copy_directory(const std::string& from, const std::string& to);

}  // namespace atolldb::storage::testing
