#pragma once
// What tests make a disk do. The daemon never sets any of it.

#include <atomic>

namespace atolldb::storage {

struct DiskFaults {
  std::atomic<bool> fail_log_sync{false};   // the next sync of the log fails with EIO
  std::atomic<bool> full{false};            // no new space: for segments, and for the table's reserve
  std::atomic<bool> no_checkpoints{false};  // the table finds no space, though there was a reserve
};

}  // namespace atolldb::storage
