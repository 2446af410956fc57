// Lives of stores on virtual disks (lives.h), with each kind of trouble.

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>

#include "tests/storage/lives.h"

using namespace atolldb;
using namespace atolldb::storage::testing;

namespace {

LivesSeen run_seeds(uint64_t first_seed, uint64_t seeds, const LifeFaults& faults, bool periodic = false) {
  LivesSeen seen;
  // ATOLL_LIVES=20: so many times as many seeds, for a long night.
  const char* longer = std::getenv("ATOLL_LIVES");
  if (longer) seeds *= std::max(1ul, std::strtoul(longer, nullptr, 10));
  for (uint64_t seed = first_seed; seed < first_seed + seeds; ++seed) {
    INFO("seed " << seed);
    run_lives(seed, faults, periodic, seen);
  }
  return seen;
}

TEST_CASE("virtual disk: thousands of deaths at any moment, everything that was durable is there",
          "[storage][virtual]") {
  const LivesSeen seen = run_seeds(1, 120, {});
  CHECK(seen.deaths >= 3000);
  CHECK(seen.power_cuts > 500);
  CHECK(seen.lost > 500);
  CHECK(seen.checkpoints > 500);
  CHECK(seen.in_checkpoint > 100);
  CHECK(seen.in_sync > 500);
  CHECK(seen.in_segment > 100);
  CHECK(seen.dropped > 100);
  CHECK(seen.failures == 0);
}

TEST_CASE("virtual disk: syncs and writes that fail, nothing that was durable goes", "[storage][virtual]") {
  LifeFaults faults;
  faults.sync_errors = faults.write_errors = true;
  const LivesSeen seen = run_seeds(1000, 120, faults);
  CHECK(seen.failures > 100);
  CHECK(seen.power_cuts > 500);
}

TEST_CASE("virtual disk: disks that fill up and get room again, nothing durable is lost",
          "[storage][virtual]") {
  LifeFaults faults;
  faults.full_disks = true;
  const LivesSeen seen = run_seeds(2000, 80, faults);
  CHECK(seen.refused > 100);
  CHECK(seen.checkpoints > 300);
}

TEST_CASE("virtual disk: flipped bits in the log, nothing wrong is handed out and no loss goes unnoticed",
          "[storage][virtual]") {
  LifeFaults faults;
  faults.flipped_bits = true;
  const LivesSeen seen = run_seeds(4000, 100, faults);
  CHECK(seen.flips > 300);
  CHECK(seen.damaged > 50);
  CHECK(seen.shorter > 5);
}

TEST_CASE("virtual disk: periodic durability, rows never outlive their records", "[storage][virtual]") {
  const LivesSeen seen = run_seeds(3000, 60, {}, true);
  CHECK(seen.lost > 500);
  CHECK(seen.checkpoints > 200);
}

}  // namespace
