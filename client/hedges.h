#pragma once
// When a read has waited long enough to be asked a second time, elsewhere: after the 95th percentile of the
// region's recent reads, and for one read in twenty at most, so that a region that is slow as a whole is not
// asked for twice as much (Dean and Barroso, "The Tail at Scale", CACM 2013).

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "crdt/base/ids.h"
#include "crdt/base/time.h"

namespace atolldb::client {

class Hedges {
 public:
  explicit Hedges(size_t regions) : regions_(regions) {}

  // A read was sent for the first time.
  void earn() { credit_ = std::min(credit_ + 1, kCreditMax); }
  // A read took that long, from its first attempt on.
  void record(RegionId region, Duration latency) { regions_[raw(region)].record(latency); }
  // Nothing: too few reads were measured.
  std::optional<Duration> delay(RegionId region) const { return regions_[raw(region)].slow; }
  // False: one more would be too many.
  bool spend() {
    if (credit_ < kReadsPerHedge) return false;
    credit_ -= kReadsPerHedge;
    return true;
  }

 private:
  static constexpr uint32_t kReadsPerHedge = 20;
  static constexpr uint32_t kCreditMax = 10 * kReadsPerHedge;
  static constexpr Duration kDelayMin = Duration::millis(1);  // finer than the clock's ticks is of no use

  struct Recent {
    static constexpr size_t kKept = 512, kBetween = 64;
    void record(Duration latency) {
      latencies[next++ % kKept] = latency.ns;
      if (next % kBetween != 0) return;
      std::array<int64_t, kKept> sorted = latencies;
      const auto count = static_cast<std::ptrdiff_t>(std::min(next, kKept));
      const auto rank = sorted.begin() + count * 95 / 100;
      std::nth_element(sorted.begin(), rank, sorted.begin() + count);
      slow = std::max(kDelayMin, Duration::nanos(*rank));
    }
    std::array<int64_t, kKept> latencies{};
    size_t next = 0;
    std::optional<Duration> slow;
  };

  std::vector<Recent> regions_;
  uint32_t credit_ = 0;
};

}  // namespace atolldb::client
