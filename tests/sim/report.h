#pragma once
// What a set of runs did, for people: how much was simulated, what went wrong on purpose, which rare states
// were reached, and how fast it went.

#include <map>
#include <string>

#include "tests/sim/run.h"

namespace atolldb::sim {

class Report {
 public:
  void add(const RunResult& result);
  uint64_t runs() const { return runs_; }
  uint64_t violations() const { return violations_; }
  Duration simulated() const { return simulated_; }
  uint64_t count(Probe probe) const { return probes_.count(probe); }
  // What no run reached, and what no checker had anything to judge of: a long set that misses one proves less
  // than it seems to.
  std::vector<std::string> missed() const;
  // `wall_seconds`: how long it took; nothing: left out, so that two prints of the same runs are equal.
  std::string text(std::optional<double> wall_seconds) const;

 private:
  uint64_t runs_ = 0, violations_ = 0, operations_ = 0, answered_ = 0, done_ = 0, updates_ = 0, events_ = 0;
  Duration simulated_;
  NetworkCounts network_;
  FaultCounts faults_;
  Probes probes_;
  std::map<std::string, uint64_t> judged_;
};

}  // namespace atolldb::sim
