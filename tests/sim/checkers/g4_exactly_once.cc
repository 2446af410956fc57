// G4, increments: every acknowledged increment counts exactly once, an unknown one at most once. Counters of
// the load `counter` hold one digit for each region, so that a sum says how many adds of each it contains.

#include "tests/sim/checkers/checker.h"

namespace atolldb::sim {

Verdict check_exactly_once(const Evidence& e) {
  Verdict verdict{"G4 increments"};
  std::map<Bytes, const Update*> by_id;
  for (const Update& update : e.facts.updates()) {
    if (update.kind != UpdateKind::add || update.request_id.empty()) continue;
    const auto [at, fresh] = by_id.emplace(update.request_id, &update);
    const Update& first = *at->second;
    const auto& had = e.had[raw(update.partition)];
    if (!fresh && e.converged && had.contains(first.dot) && had.contains(update.dot))
      verdict.fail("one increment of " + update.key + " was counted twice, as " + to_string(first.dot) +
                       " and " + to_string(update.dot),
                   {update.key});
  }
  if (!e.converged) return verdict;
  const Judge judge(e.facts);
  std::map<Bytes, std::pair<uint64_t, uint64_t>> expected;  // acknowledged, possible
  for (const Operation& o : e.history) {
    if (o.op != region::Op::add || o.rejected()) continue;
    ++verdict.judged;
    if (o.update < 0) continue;
    const Update& update = e.facts.updates()[static_cast<size_t>(o.update)];
    if (o.done() && judge.amount(update) != o.amount)
      verdict.fail("an increment of " + std::to_string(o.amount) + " was logged as another: " + describe(o),
                   {o.key});
  }
  for (const auto& [key, held] : e.held) {
    const KeyState state = judge.state(key, e.had[raw(e.partition_of(key))]);
    if (state.adds.empty()) continue;
    const auto sum = judge.shown(state);
    if (sum && held.value != sum)
      verdict.fail(key + " shows " + held.value.value_or("nothing") + ", and its updates make " + *sum,
                   {key});
  }
  return verdict;
}

}  // namespace atolldb::sim
