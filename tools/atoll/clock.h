#pragma once
// The monotonic clock, for commands that measure or wait.

#include <chrono>

#include "crdt/base/time.h"

namespace atolldb::tools {

inline Instant monotonic_now() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(since).count()};
}

}  // namespace atolldb::tools
