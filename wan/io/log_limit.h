#pragma once
// At most one log line a period for one cause, so that a hostile or broken peer cannot fill the disk with our
// log. What was held back is counted and said with the next line.

#include <cstdint>
#include <optional>

#include "crdt/base/time.h"

namespace atolldb::wan {

class LogLimit {
 public:
  explicit LogLimit(Duration period = Duration::seconds(1)) : period_(period) {}

  // Nothing: stay silent. Otherwise write a line; the number is how many were held back since the last one.
  std::optional<uint64_t> allow(Instant now) {
    if (now < next_) {
      ++held_back_;
      return std::nullopt;
    }
    next_ = now + period_;
    const uint64_t held_back = held_back_;
    held_back_ = 0;
    return held_back;
  }

 private:
  Duration period_;
  Instant next_{INT64_MIN};
  uint64_t held_back_ = 0;
};

}  // namespace atolldb::wan
