#include "crdt/hlc.h"

#include <algorithm>

namespace atolldb::crdt {

Hlc HybridClock::issue(uint64_t wall_ms) {
  highest_ = std::max(Hlc{highest_.value + 1}, Hlc::from_wall(wall_ms));
  return highest_;
}

void HybridClock::observe(Hlc received, uint64_t wall_ms) {
  if (received.wall_ms() <= wall_ms + kDriftMaxMs) highest_ = std::max(highest_, received);
}

void HybridClock::restore(Hlc highest) { highest_ = std::max(highest_, highest); }

}  // namespace atolldb::crdt
