#pragma once
// What tests make a disk do. The daemon never sets any of it.

#include <atomic>

namespace atolldb::storage {

struct DiskFaults {
  std::atomic<bool> fail_log_sync{false};  // the next sync of the log fails with EIO
  std::atomic<bool> full{false};           // no new space: segments and checkpoints find the disk full
};

}  // namespace atolldb::storage
