#pragma once
// Thousands of lives of stores on virtual disks: they commit, checkpoint and release their log while pieces
// of background work begin and end at any moment, and then they die: the process, or the power with it. After
// each death everything that was said to be durable is there, nothing else has taken its place, rows, meta
// and records speak of one moment, and nothing is taken for damage that was only never synced. HAZARDS 26,
// 27, 28, 41, 47.

#include <cstdint>

namespace atolldb::storage::testing {

struct LifeFaults {
  bool sync_errors = false, write_errors = false, full_disks = false, flipped_bits = false;
};

// What lives came across: a test that meets nothing proves nothing.
struct LivesSeen {
  uint64_t deaths = 0, power_cuts = 0, lost = 0, checkpoints = 0, failures = 0, refused = 0, reused = 0,
           in_checkpoint = 0, in_sync = 0, in_segment = 0, dropped = 0, flips = 0, damaged = 0, shorter = 0;
};

// One disk's lives, a function of the seed. Throws std::runtime_error with the life and what is wrong.
void run_lives(uint64_t seed, const LifeFaults& faults, bool periodic, LivesSeen& seen);

}  // namespace atolldb::storage::testing
