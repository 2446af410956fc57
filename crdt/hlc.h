#pragma once
// Hybrid logical clock (Kulkarni et al., 2014): physical milliseconds in the upper 48 bits, a logical counter
// below. It orders concurrent values and entries into a region's partition, and nothing else.

#include <compare>
#include <cstdint>

namespace atolldb::crdt {

struct Hlc {
  uint64_t value = 0;
  static constexpr Hlc from_wall(uint64_t wall_ms) { return {wall_ms << 16}; }
  constexpr uint64_t wall_ms() const { return value >> 16; }
  friend constexpr auto operator<=>(Hlc, Hlc) = default;
};

class HybridClock {
 public:
  // A received stamp is adopted only when it is at most this far ahead of the wall clock: a clock in the
  // future pins nobody else's (docs/hazards.md, 11).
  static constexpr uint64_t kDriftMaxMs = 60'000;

  // Strictly above every stamp issued or adopted before.
  Hlc issue(uint64_t wall_ms);
  void observe(Hlc received, uint64_t wall_ms);
  // What a restart must not fall below.
  Hlc highest() const { return highest_; }
  void restore(Hlc highest);

 private:
  Hlc highest_;
};

}  // namespace atolldb::crdt
