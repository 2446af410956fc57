// G7 for counters: increments and reads of one counter in one region are linearizable. Each region adds to a
// digit of its own, so every sum that an answer shows is a vector: how many adds of each region it contains.
// Vectors only grow, so those that were shown must form one chain that agrees with real time; no digit may
// be ahead of what has been issued; and this region's own digit must agree with its own answered adds.

#include <algorithm>

#include "tests/sim/checkers/checker.h"
#include "tests/sim/checkers/linearizer.h"
#include "tests/sim/digits.h"

namespace atolldb::sim {

namespace {

using region::Op;
constexpr uint64_t kCounterSteps = 300'000;
using Vector = std::vector<uint32_t>;

struct Sight {
  const Operation* operation;
  Vector vector;
};

bool leq(const Vector& a, const Vector& b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i] > b[i]) return false;
  return true;
}

class Counter {
 public:
  Counter(const Evidence& e, uint32_t region, const Bytes& key) : e_(e), region_(region), key_(key) {}

  // False: it shows what is no sum of digits.
  bool add(const Operation& o) {
    operations_.push_back(&o);
    if (o.op == Op::add && o.shown.empty()) return true;  // a retry is told "done"
    const auto vector = o.op == Op::get && !o.found ? Vector(e_.regions) : digits_of(o.shown, e_.regions);
    if (!vector) return false;
    sights_.push_back({&o, *vector});
    return true;
  }

  void judge(Verdict& verdict) {
    chain(verdict);
    bounds(verdict);
    own(verdict);
    verdict.judged += operations_.size();
  }

 private:
  void fail(Verdict& verdict, const std::string& why) const {
    verdict.fail("the counter " + key_ + " in region r" + std::to_string(region_) + ": " + why, {key_});
  }

  void chain(Verdict& verdict) {
    std::sort(sights_.begin(), sights_.end(), [](const Sight& a, const Sight& b) {
      uint64_t x = 0, y = 0;
      for (const uint32_t d : a.vector) x += d;
      for (const uint32_t d : b.vector) y += d;
      return x != y ? x < y : a.operation->invoked < b.operation->invoked;
    });
    Instant latest{0};  // beginning of what stands earlier in the chain
    const Operation* late = nullptr;
    for (size_t i = 0; i < sights_.size(); ++i) {
      const Sight& sight = sights_[i];
      if (i > 0 && !leq(sights_[i - 1].vector, sight.vector))
        return fail(verdict, "no order of these two answers makes sense: " +
                                 describe(*sights_[i - 1].operation) + "; " + describe(*sight.operation));
      if (i > 0 && sight.vector != sights_[i - 1].vector && late != nullptr &&
          sight.operation->returned < latest)
        return fail(verdict, "an answer is behind an earlier one: " + describe(*sight.operation) + "; then " +
                                 describe(*late));
      if (sight.operation->invoked > latest) {
        latest = sight.operation->invoked;
        late = sight.operation;
      }
    }
  }

  void bounds(Verdict& verdict) const {
    for (const Sight& sight : sights_) {
      Vector issued(e_.regions);
      for (const uint32_t index : e_.facts.of_key(key_)) {
        const Update& u = e_.facts.updates()[index];
        if (u.kind == UpdateKind::add && u.issued <= sight.operation->returned) ++issued[u.region];
      }
      if (!leq(sight.vector, issued))
        return fail(verdict, "more than was ever added: " + describe(*sight.operation));
    }
  }

  // This region's adds are alike, so the state is how many of them have happened.
  void own(Verdict& verdict) const {
    std::vector<std::pair<Call, const Operation*>> calls;
    for (const Operation* o : operations_) {
      Call call{o->invoked, o->returned, true, {}, {}};
      if (o->update >= 0)
        call.began = std::max(call.began, e_.facts.updates()[static_cast<size_t>(o->update)].issued);
      if (o->op == Op::add && o->retried) call.ended = o->returned;
      calls.emplace_back(call, o);
    }
    for (const uint32_t index : e_.facts.of_key(key_)) {
      const Update& u = e_.facts.updates()[index];
      if (u.kind == UpdateKind::add && u.region == region_ && u.op < 0)
        calls.push_back({Call{u.issued, Instant::never(), false, {}, {}}, nullptr});
    }
    std::stable_sort(calls.begin(), calls.end(),
                     [](const auto& a, const auto& b) { return a.first.began < b.first.began; });
    std::vector<Call> plain;
    uint32_t open_before = UINT32_MAX;  // open adds are alike: the earliest goes first
    for (uint32_t i = 0; i < calls.size(); ++i) {
      if (!calls[i].first.must) {
        if (open_before != UINT32_MAX) calls[i].first.after.push_back(open_before);
        open_before = i;
      }
      plain.push_back(calls[i].first);
    }
    Linearizer linearizer(plain, [&](uint32_t i, Linearizer::State& state) {
      if (state.empty()) state.push_back(0);
      const Operation* o = calls[i].second;
      if (o == nullptr || o->op == Op::add) ++state[0];
      if (o == nullptr || (o->op == Op::add && o->shown.empty())) return true;
      const auto vector =
          o->op == Op::get && !o->found ? Vector(e_.regions) : digits_of(o->shown, e_.regions);
      return (*vector)[region_] == state[0];
    });
    if (linearizer.search(kCounterSteps) == Linear::no)
      fail(verdict, "its own adds and the reads are not linearizable");
  }

  const Evidence& e_;
  uint32_t region_;
  Bytes key_;
  std::vector<const Operation*> operations_;
  std::vector<Sight> sights_;
};

}  // namespace

Verdict check_counters(const Evidence& e) {
  Verdict verdict{"G7 counters"};
  std::map<std::pair<Bytes, uint32_t>, Counter> counters;
  std::map<Bytes, bool> is_counter;
  for (const Operation& o : e.history) {
    const bool fits = o.op == Op::get || (o.op == Op::add && o.amount == digit(o.region));
    const auto [at, fresh] = is_counter.emplace(o.key, fits);
    at->second = at->second && fits;
  }
  for (const Operation& o : e.history) {
    if (!o.done() || o.local || o.stale || !is_counter[o.key]) continue;
    if (e.facts.of_key(o.key).empty() ||
        e.facts.updates()[e.facts.of_key(o.key).front()].kind != UpdateKind::add)
      continue;
    Counter& counter = counters.try_emplace({o.key, o.region}, Counter(e, o.region, o.key)).first->second;
    if (!counter.add(o)) verdict.fail("no sum of what was added: " + describe(o), {o.key});
  }
  for (auto& [place, counter] : counters) counter.judge(verdict);
  return verdict;
}

}  // namespace atolldb::sim
