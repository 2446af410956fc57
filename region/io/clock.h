#pragma once
// The one place where the daemon reads clocks.

#include <chrono>

#include "crdt/base/time.h"

namespace atolldb::region {

inline Now system_now() {
  using std::chrono::duration_cast;
  const auto monotonic = std::chrono::steady_clock::now().time_since_epoch();
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  return {Instant{duration_cast<std::chrono::nanoseconds>(monotonic).count()},
          static_cast<uint64_t>(duration_cast<std::chrono::milliseconds>(wall).count())};
}

}  // namespace atolldb::region
