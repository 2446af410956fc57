// G3: replicas with equal clocks hold the same live rows, at any time; and when everything has healed and the
// last write is over, all clocks become equal within a bound.

#include "tests/sim/checkers/checker.h"

namespace atolldb::sim {

Verdict check_convergent(const Evidence& e) {
  Verdict verdict{"G3"};
  verdict.judged = e.equal_pairs;
  if (!e.unequal.empty()) verdict.fail(e.unequal.front());
  if (!e.converged) verdict.fail("the replicas did not become equal: " + e.not_converged);
  return verdict;
}

}  // namespace atolldb::sim
