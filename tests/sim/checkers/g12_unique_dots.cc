// G12: no dot names two updates.

#include "tests/sim/checkers/checker.h"

namespace atolldb::sim {

Verdict check_unique_dots(const Evidence& e) {
  Verdict verdict{"G12"};
  verdict.judged = e.facts.updates().size();
  if (e.facts.dot_issued_twice()) verdict.fail(*e.facts.dot_issued_twice());
  return verdict;
}

}  // namespace atolldb::sim
