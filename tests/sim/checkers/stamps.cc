// A clock that is far ahead of all others stamps nothing far ahead (docs/hazards.md, 11): the value that it
// wrote would win over what is written beside it for as long. Judged where the clocks of most machines are
// right and every node can hear them.

#include "crdt/hlc.h"
#include "tests/sim/checkers/checker.h"
#include "tests/sim/clock.h"

namespace atolldb::sim {

Verdict check_stamps(const Evidence& e) {
  Verdict verdict{"stamps"};
  if (!e.clocks_ahead_max) return verdict;
  const int64_t ahead_max =
      e.clocks_ahead_max->as_millis() + static_cast<int64_t>(crdt::HybridClock::kDriftMaxMs);
  for (const Update& update : e.facts.updates()) {
    if (update.kind != UpdateKind::set) continue;
    ++verdict.judged;
    const int64_t truth = MachineClock::kWallBaseMs + update.issued.ns / 1'000'000;
    const int64_t ahead = static_cast<int64_t>(update.stamp.wall_ms()) - truth;
    if (ahead > ahead_max)
      verdict.fail("the set of '" + update.value.substr(0, 20) + "' to " + update.key + " has a stamp " +
                       std::to_string(ahead) + " ms ahead of time, and most clocks are right",
                   {update.key});
  }
  return verdict;
}

}  // namespace atolldb::sim
