#pragma once
// A shorter plan that fails in the same way: operations and faults are left out, first many and then one by
// one, as long as the same property breaks (delta debugging, Zeller and Hildebrandt, 2002).

#include "tests/sim/run.h"

namespace atolldb::sim {

struct Shrunk {
  Plan plan;
  RunResult result;  // of that plan, with its lines
  uint64_t runs = 0;
};

// `result`: what running `plan` gave, a violation. At most `runs_max` runs, so that it always ends in the
// same way.
Shrunk shrink(const Plan& plan, const Violation& violation, uint64_t runs_max);

// The violation with its trace, for people: the cluster, faults, operations and updates of the keys.
std::string describe(const Plan& plan, const RunResult& result);

}  // namespace atolldb::sim
