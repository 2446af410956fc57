#pragma once
// Where a canary is looked for, and what came of it.

#include <cstdint>
#include <string>
#include <vector>

#include "crdt/base/canary.h"
#include "tests/sim/scenario.h"

namespace atolldb::canaries {

// "everything": the simulator, drawing from all it has. "model": histories of replicas against the oracle
// (tests/crdt/random_history.h). "disk", "disk errors", "disk damage":
// lives of stores on virtual disks (tests/storage/lives.h). "twice": everything, each seed two times (G13).
// Else a scenario of tests/sim/scenarios or tests/canaries/scenarios; some have faults in an order of their
// own.
struct Hunt {
  Canary canary;
  const char* where;
  uint64_t first, last;  // seeds
};

// One for each canary, in the order of their list.
const std::vector<Hunt>& hunts();

// Who caught it, and what was said. Empty: nobody.
struct Catch {
  std::string checker, what;
};

// One run of that seed with the canary; Canary::none is the program as it is. Throws std::runtime_error where
// there is no such scenario.
Catch hunt(Canary canary, const std::string& where, uint64_t seed);

// The names of all that may catch one.
std::vector<std::string> checkers();

}  // namespace atolldb::canaries
