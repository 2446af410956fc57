// G6: what was deleted and seen deleted does not come back. In the end no replica holds what a delete or a
// remove that it has had seen; and no read that begins after a delete was answered in its region shows what
// that delete had seen.

#include <algorithm>

#include "tests/sim/checkers/checker.h"

namespace atolldb::sim {

namespace {

void check_held(const Evidence& e, const Judge& judge, const Bytes& key, const HeldKey& held,
                Verdict& verdict) {
  const PartitionId partition = e.partition_of(key);
  const auto& had = e.had[raw(partition)];
  for (const HeldKey::Held& sibling : held.siblings) {
    const Update* set = e.facts.find(partition, sibling.dot);
    const Update* by = set == nullptr ? nullptr : judge.superseder(*set, crdt::string_row(), had);
    if (by != nullptr && by->kind == UpdateKind::del)
      verdict.fail(
          key + " holds " + to_string(set->dot) + " again, which " + to_string(by->dot) + " had deleted",
          {key});
  }
  for (const auto& [element, dots] : held.elements)
    for (const Dot& dot : dots) {
      const Update* add = e.facts.find(partition, dot);
      if (add == nullptr) {
        verdict.fail(key + " holds the element " + element + ", which nobody has ever added", {key});
        continue;
      }
      ++verdict.judged;
      const Update* by = judge.superseder(*add, crdt::element_row(element), had);
      if (by != nullptr && by->kind != UpdateKind::sadd)
        verdict.fail(key + " holds the element " + element + " of " + to_string(dot) + " again, which " +
                         to_string(by->dot) + " had removed",
                     {key});
    }
}

bool removes(const Operation& o) {
  return (o.op == region::Op::del || o.op == region::Op::srem || o.op == region::Op::set) && o.done() &&
         o.update >= 0;
}

class Reads {
 public:
  explicit Reads(const Evidence& e) : e_(e) {
    for (const Operation& o : e.history)
      if (removes(o)) removed_[{o.region, o.key}].push_back(&o);
    for (auto& [place, removers] : removed_)
      std::sort(removers.begin(), removers.end(),
                [](const Operation* a, const Operation* b) { return a->returned < b->returned; });
    for (const Update& u : e.facts.updates())
      for (const Bytes& element : u.elements) adds_[{u.key, element}].push_back(&u);
  }

  // Every add of the element that anybody had made by then was removed, and that was answered, before.
  void judge(const Operation& read, const Bytes& element, Verdict& verdict) const {
    const auto removers = removed_.find({read.region, read.key});
    if (removers == removed_.end()) return;
    ++verdict.judged;
    const auto adds = adds_.find({read.key, element});
    if (adds == adds_.end())
      return verdict.fail("a read shows what nobody has added: " + describe(read), {read.key});
    const crdt::RowName row = crdt::element_row(element);
    for (const Update* add : adds->second)
      if (add->issued <= read.returned && !removed_before(*add, row, removers->second, read.invoked)) return;
    verdict.fail("a read shows the element " + element +
                     ", whose every add had been removed before it began: " + describe(read),
                 {read.key});
  }

 private:
  bool removed_before(const Update& add, const crdt::RowName& row,
                      const std::vector<const Operation*>& removers, Instant when) const {
    for (const Operation* o : removers) {
      if (o->returned >= when) return false;
      if (o->update < add.index) continue;  // it cannot have seen it
      const Update& by = e_.facts.updates()[static_cast<size_t>(o->update)];
      if ((by.kind != UpdateKind::srem || by.touches(row.id)) && by.saw(row, add.dot)) return true;
    }
    return false;
  }

  const Evidence& e_;
  std::map<std::pair<uint32_t, Bytes>, std::vector<const Operation*>> removed_;
  std::map<std::pair<Bytes, Bytes>, std::vector<const Update*>> adds_;
};

}  // namespace

Verdict check_no_resurrection(const Evidence& e) {
  Verdict verdict{"G6"};
  const Judge judge(e.facts);
  if (e.converged)
    for (const auto& [key, held] : e.held) check_held(e, judge, key, held, verdict);
  const Reads reads(e);
  for (const Operation& o : e.history) {
    if (!o.done() || o.local || o.stale) continue;
    if (o.op == region::Op::sismember && o.found) reads.judge(o, o.elements.front(), verdict);
    if (o.op == region::Op::smembers && o.values.size() <= 64)
      for (const Bytes& element : o.values) reads.judge(o, element, verdict);
  }
  return verdict;
}

}  // namespace atolldb::sim
