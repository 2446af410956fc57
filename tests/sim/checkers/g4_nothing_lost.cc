// G4: every acknowledged set and sadd is visible or a listed sibling in the end, or was superseded by an
// update whose coordinator showed it, or stands in the conflict journal.

#include <algorithm>

#include "tests/sim/checkers/checker.h"

namespace atolldb::sim {

namespace {

bool contains(const std::vector<HeldKey::Held>& held, const Dot& dot) {
  return std::any_of(held.begin(), held.end(), [&](const HeldKey::Held& h) { return h.dot == dot; });
}

// It stands, and is held.
void check_standing(const Evidence& e, const Judge& judge, const Bytes& key, const HeldKey& held,
                    Verdict& verdict) {
  const KeyState state = judge.state(key, e.had[raw(e.partition_of(key))]);
  for (const Update* sibling : state.siblings)
    if (!contains(held.siblings, sibling->dot))
      verdict.fail("the set " + to_string(sibling->dot) + " of " + key + " ('" +
                       sibling->value.substr(0, 20) +
                       "') is gone, and nothing that the replicas have supersedes it",
                   {key});
  const bool all_listed = held.elements.size() == held.element_count;
  for (const auto& [row, adds] : state.elements) {
    const auto listed =
        std::find_if(held.elements.begin(), held.elements.end(),
                     [&, id = row](const auto& item) { return crdt::element_row(item.first).id == id; });
    for (const Update* add : adds)
      if (listed == held.elements.end()
              ? all_listed
              : std::find(listed->second.begin(), listed->second.end(), add->dot) == listed->second.end())
        verdict.fail("an element of " + key + " that " + to_string(add->dot) +
                         " added is gone, and nothing that the replicas have removes it",
                     {key});
  }
  if (state.elements.size() != held.element_count && !all_listed)
    verdict.fail(key + " has " + std::to_string(held.element_count) + " elements, and its updates make " +
                     std::to_string(state.elements.size()),
                 {key});
}

// It was overwritten by one that had been shown it, or there is a record.
bool overwritten_seen(const Evidence& e, const Judge& judge, const Update& set, const HeldKey& held) {
  const auto& had = e.had[raw(set.partition)];
  if (contains(held.journal, set.dot)) return true;
  for (const uint32_t index : e.facts.of_key(set.key)) {
    if (index < set.index) continue;  // it cannot have seen it
    const Update& by = e.facts.updates()[index];
    if ((by.kind != UpdateKind::set && by.kind != UpdateKind::del) || !by.saw(crdt::string_row(), set.dot))
      continue;
    if (had.contains(by.dot) ? judge.was_shown(set, by) : e.is_lost(by.region)) return true;
  }
  return false;
}

}  // namespace

Verdict check_nothing_lost(const Evidence& e) {
  Verdict verdict{"G4"};
  if (!e.converged) return verdict;
  const Judge judge(e.facts);
  for (const auto& [key, held] : e.held) check_standing(e, judge, key, held, verdict);
  for (const Operation& o : e.history) {
    if (!o.done() || o.update < 0) continue;
    if (o.op == region::Op::sadd) ++verdict.judged;
    if (o.op != region::Op::set) continue;
    const Update& set = e.facts.updates()[static_cast<size_t>(o.update)];
    if (e.exposed(set)) continue;
    ++verdict.judged;
    const HeldKey& held = e.held.at(o.key);
    if (!contains(held.siblings, set.dot) && !overwritten_seen(e, judge, set, held))
      verdict.fail(
          "lost without a record: " + describe(o) + ", dot " + to_string(set.dot) +
              "; it is no sibling, was never shown to one that overwrote it, and is not in the journal",
          {o.key});
  }
  return verdict;
}

}  // namespace atolldb::sim
