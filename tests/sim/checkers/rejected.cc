// A write that was answered *rejected* certainly did not happen, and never will (docs/hazards.md, 20); and
// one that its client sent once is ordered once at most (7). Sets have values and increments have names that
// nothing else has, so theirs can be told.

#include <set>

#include "tests/sim/checkers/checker.h"

namespace atolldb::sim {

Verdict check_rejected(const Evidence& e) {
  Verdict verdict{"rejected"};
  std::map<std::pair<Bytes, Bytes>, const Update*> sets;
  std::map<Bytes, const Update*> adds;
  for (const Update& update : e.facts.updates()) {
    if (update.kind == UpdateKind::set && !sets.emplace(std::pair(update.key, update.value), &update).second)
      verdict.fail("the set of '" + update.value.substr(0, 20) + "' to " + update.key +
                       ", sent once, was ordered twice",
                   {update.key});
    if (update.kind == UpdateKind::add) adds.emplace(update.request_id, &update);
  }
  for (const Operation& o : e.history) {
    if (!o.rejected() || !o.writes()) continue;
    ++verdict.judged;
    const bool happened = (o.op == region::Op::set && sets.contains({o.key, o.value})) ||
                          (o.op == region::Op::add && !o.request_id.empty() && adds.contains(o.request_id));
    if (happened) verdict.fail("rejected, and it happened: " + describe(o), {o.key});
  }
  return verdict;
}

}  // namespace atolldb::sim
