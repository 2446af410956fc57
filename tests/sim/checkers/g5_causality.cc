// G5: an update that had seen another one wins over it, whatever their stamps say. So a set that was
// superseded is no sibling in the end, the value shown is that of the winner, and a read that begins after a
// set was answered in its region never shows what that set had seen.

#include <algorithm>
#include <set>

#include "tests/sim/checkers/checker.h"

namespace atolldb::sim {

namespace {

void check_end(const Evidence& e, const Judge& judge, const Bytes& key, const HeldKey& held,
               Verdict& verdict) {
  const auto& had = e.had[raw(e.partition_of(key))];
  for (const HeldKey::Held& sibling : held.siblings) {
    const Update* set = e.facts.find(e.partition_of(key), sibling.dot);
    if (set == nullptr) {
      verdict.fail(key + " holds '" + sibling.value.substr(0, 20) + "', which nobody has ever set", {key});
      continue;
    }
    ++verdict.judged;
    const Update* by = judge.superseder(*set, crdt::string_row(), had);
    if (by != nullptr && by->kind == UpdateKind::set)
      verdict.fail(key + " still holds " + to_string(set->dot) + ", which " + to_string(by->dot) +
                       " had seen and overwritten",
                   {key});
  }
  const KeyState state = judge.state(key, had);
  const auto shown = judge.shown(state);
  if (shown && held.value != shown)
    verdict.fail(key + " shows '" + held.value.value_or("").substr(0, 20) +
                     "', and the winner of its updates is '" + shown->substr(0, 20) + "'",
                 {key});
}

// Sets that were answered in a region, by key, in the order of their answers.
using Answered = std::map<std::pair<uint32_t, Bytes>, std::vector<const Operation*>>;

void check_read(const Evidence& e, const Operation& read, const std::vector<const Operation*>& sets,
                const std::map<std::pair<Bytes, Bytes>, const Update*>& by_value, Verdict& verdict) {
  const auto shown = by_value.find({read.key, read.shown});
  if (shown == by_value.end()) return;
  ++verdict.judged;
  for (const Operation* set : sets) {
    if (set->returned >= read.invoked) return;
    if (set->update < shown->second->index) continue;  // it cannot have seen it
    const Update& update = e.facts.updates()[static_cast<size_t>(set->update)];
    if (update.saw(crdt::string_row(), shown->second->dot))
      return verdict.fail("a read shows what had been overwritten before it began: " + describe(read) +
                              "; overwritten by " + describe(*set),
                          {read.key});
  }
}

}  // namespace

Verdict check_causality(const Evidence& e) {
  Verdict verdict{"G5"};
  const Judge judge(e.facts);
  if (e.converged)
    for (const auto& [key, held] : e.held) check_end(e, judge, key, held, verdict);
  std::map<std::pair<Bytes, Bytes>, const Update*> by_value;
  for (const Update& update : e.facts.updates())
    if (update.kind == UpdateKind::set) by_value.emplace(std::pair(update.key, update.value), &update);
  Answered answered;
  for (const Operation& o : e.history)
    if (o.op == region::Op::set && o.done() && o.update >= 0) answered[{o.region, o.key}].push_back(&o);
  for (auto& [place, sets] : answered)
    std::sort(sets.begin(), sets.end(),
              [](const Operation* a, const Operation* b) { return a->returned < b->returned; });
  std::set<Bytes> sums;  // a sum may look like a value
  for (const Update& update : e.facts.updates())
    if (update.kind == UpdateKind::add) sums.insert(update.key);
  for (const Operation& o : e.history) {
    if (o.op != region::Op::get || !o.done() || !o.found || o.local || o.stale || sums.contains(o.key))
      continue;
    if (const auto sets = answered.find({o.region, o.key}); sets != answered.end())
      check_read(e, o, sets->second, by_value, verdict);
  }
  return verdict;
}

}  // namespace atolldb::sim
