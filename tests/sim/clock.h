#pragma once
// The clocks of one machine as seen from true time: a monotonic clock that may run a little fast or slow, and
// a wall clock that may be hours off and jump both ways.

#include <cstdint>

#include "crdt/base/time.h"

namespace atolldb::sim {

class MachineClock {
 public:
  static constexpr int64_t kWallBaseMs = 1'700'000'000'000;

  // `origin_ns`: what the monotonic clock shows at true time 0.
  explicit MachineClock(int64_t origin_ns = 0) : shown_(origin_ns) {}

  Instant monotonic(Instant truth) const {
    const int64_t passed = truth.ns - since_.ns;
    return {shown_ + passed + passed / 1'000'000 * drift_ppm_};
  }
  // The first moment of true time, to within the drift, at which the monotonic clock shows `shown` or more.
  Instant truth_of(Instant shown) const {
    if (shown == Instant::never()) return shown;
    const int64_t ahead = shown.ns - shown_;
    if (ahead <= 0) return since_;
    int64_t passed = ahead / (1'000'000 + drift_ppm_) * 1'000'000;
    while (monotonic({since_.ns + passed}) < shown) {
      const int64_t missing = shown.ns - monotonic({since_.ns + passed}).ns;
      passed += missing > 1 ? missing - missing / 1000 : 1;
    }
    return {since_.ns + passed};
  }
  Now now(Instant truth) const {
    return {monotonic(truth), static_cast<uint64_t>(kWallBaseMs + truth.ns / 1'000'000 + wall_offset_ms_)};
  }

  void set_drift(Instant truth, int64_t ppm) {
    shown_ = monotonic(truth).ns;
    since_ = truth;
    drift_ppm_ = ppm;
  }
  void set_wall_offset(int64_t ms) { wall_offset_ms_ = ms; }
  int64_t wall_offset_ms() const { return wall_offset_ms_; }

 private:
  Instant since_{0};
  int64_t shown_ = 0;
  int64_t drift_ppm_ = 0;
  int64_t wall_offset_ms_ = 0;
};

}  // namespace atolldb::sim
