#pragma once
// Which regions a client has left because none of their nodes answered, and when it asks whether they are
// back. A region counts as back when it has answered a read: a node that runs may still be far from serving.
// One that is lost again soon after is asked at growing intervals, so that a region that comes and goes does
// not take the client with it each time.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "crdt/base/time.h"

namespace atolldb::client {

class Absences {
 public:
  explicit Absences(size_t regions) : regions_(regions) {}

  // `key`: one that it did not answer for.
  void leave(Instant now, RegionId id, const Bytes& key) {
    Region& region = regions_[raw(id)];
    if (region.away) return;
    const bool again = now < region.back_at + kSettled;
    region.pause = again ? std::min(region.pause * 2, kPauseMax) : kPauseMin;
    region.away = true;
    region.key = key;
    region.ask_at = now + region.pause;
  }
  bool away(RegionId id) const { return regions_[raw(id)].away; }

  // The key to ask for, of a region that is due; null: not now. One question is under way at a time.
  const Bytes* begin_question(Instant now, RegionId id) {
    Region& region = regions_[raw(id)];
    if (!region.away || region.asking || now < region.ask_at) return nullptr;
    region.asking = true;
    return &region.key;
  }
  void end_question(Instant now, RegionId id, bool answered) {
    Region& region = regions_[raw(id)];
    region.asking = false;
    if (answered) {
      region.away = false;
      region.back_at = now;
      return;
    }
    region.pause = std::min(region.pause * 2, kPauseMax);
    region.ask_at = now + region.pause;
  }
  Instant next_deadline() const {
    Instant next = Instant::never();
    for (const Region& region : regions_)
      if (region.away && !region.asking) next = std::min(next, region.ask_at);
    return next;
  }

 private:
  static constexpr Duration kPauseMin = Duration::millis(250);
  static constexpr Duration kPauseMax = Duration::millis(5'000);
  static constexpr Duration kSettled = Duration::millis(10'000);

  struct Region {
    bool away = false;
    bool asking = false;
    Bytes key;
    Duration pause = kPauseMin;
    Instant ask_at, back_at{INT64_MIN / 2};
  };
  std::vector<Region> regions_;
};

}  // namespace atolldb::client
