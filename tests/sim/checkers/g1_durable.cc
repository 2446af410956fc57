// G1: an acknowledged write is in the synced log of W replicas of its region when it is answered, and every
// replica has it in the end.

#include "tests/sim/checkers/checker.h"

namespace atolldb::sim {

Verdict check_durable(const Evidence& e) {
  Verdict verdict{"G1"};
  for (const Operation& o : e.history) {
    if (!o.done() || !o.writes()) continue;
    const bool wrote =
        o.op == region::Op::set || o.op == region::Op::add || o.op == region::Op::sadd || o.number > 0;
    if (!wrote || o.condition_failed()) continue;
    ++verdict.judged;
    if (o.update < 0) {
      verdict.fail("acknowledged, and no replica of its region ever logged it: " + describe(o), {o.key});
      continue;
    }
    const Update& update = e.facts.updates()[static_cast<size_t>(o.update)];
    if (o.holders < e.w)
      verdict.fail("acknowledged with " + std::to_string(o.holders) + " synced logs, W is " +
                       std::to_string(e.w) + ": " + describe(o) + ", dot " + to_string(update.dot),
                   {o.key});
    if (e.converged && !e.had[raw(update.partition)].contains(update.dot) && !e.exposed(update))
      verdict.fail("acknowledged, and gone in the end: " + describe(o) + ", dot " + to_string(update.dot),
                   {o.key});
  }
  return verdict;
}

}  // namespace atolldb::sim
