#pragma once
// One run: a plan carried out to its end. First safety under every fault of the plan, then everything heals,
// falls quiet and must become equal within a bound of simulated time; then the checkers judge.

#include <string>
#include <vector>

#include "tests/sim/checkers/checker.h"
#include "tests/sim/faults.h"
#include "tests/sim/plan.h"

namespace atolldb::sim {

struct RunOptions {
  bool keep_lines = false;  // of the nodes' logs, for a trace
};

struct RunResult {
  std::optional<Violation> violation;
  std::vector<Verdict> verdicts;
  uint64_t trace_hash = 0;
  // -- for the report
  Duration simulated;
  uint64_t operations = 0, answered = 0, done = 0, events = 0, updates = 0;
  NetworkCounts network;
  FaultCounts faults;
  Probes probes;
  // -- for a trace
  History history;
  struct Line {
    Instant at;
    std::string text;
  };
  std::vector<Line> lines;    // of faults and nodes, with keep_lines
  std::vector<Line> of_keys;  // updates of the keys that the violation names
};

// After the last fault and operation.
inline constexpr Duration kConvergenceBound = Duration::seconds(180);

RunResult run(const Plan& plan, const RunOptions& options = {});

}  // namespace atolldb::sim
