// G7: in strict mode the operations on one key in one region are linearizable. What other regions send, and
// unknown writes that no takeover saw, appear in between (ATOLL's section on guarantees): such an update may
// take effect once, at any time after it was there, and merges with what it had seen; one that was answered
// supersedes all that stands before it (tests/model/coordinator_model.py, `linearizable`). A set with a
// condition takes effect only where that holds, answered or not; where it was superseded, it never does.
//
// Whether an answered update had seen such a one is a fact, and says on which side of it the other one must
// be. That is no more than the definition asks, and leaves the search little to choose from.

#include <map>
#include <set>

#include "tests/sim/checkers/checker.h"
#include "tests/sim/checkers/linearizer.h"

namespace atolldb::sim {

namespace {

using region::Op;
constexpr uint64_t kSteps = 300'000;
constexpr uint32_t kNone = UINT32_MAX;

// One call on a register, or on one element of a set: a write, or a read that saw something.
struct Item {
  const Operation* operation = nullptr;  // nullptr: open, known by its update alone
  const Update* update = nullptr;        // of a write
  uint32_t index = kNone;                // of the update in the facts
};

class History7 {
 public:
  History7(const Evidence& e, uint32_t region, const Bytes& key, crdt::RowName row)
      : e_(e), region_(region), key_(key), row_(row) {}

  void add(const Operation& operation) {
    Item item;
    item.operation = &operation;
    Call call;
    call.began = operation.invoked;
    call.ended = operation.returned;
    if (operation.writes() && operation.update >= 0) {
      item.index = static_cast<uint32_t>(operation.update);
      item.update = &e_.facts.updates()[item.index];
      call.began = std::max(call.began, item.update->issued);
      claimed_.insert(item.index);
    }
    items_.push_back(item);
    calls_.push_back(call);
  }

  Linear search() {
    add_open();
    sort();
    relate();
    Linearizer linearizer(calls_,
                          [this](uint32_t call, Linearizer::State& s) { return apply(items_[call], s); });
    return linearizer.search(kSteps);
  }

 private:
  bool element() const { return row_.tag == crdt::RowTag::element; }
  bool touches(const Update& u) const {
    if (u.kind == UpdateKind::set || u.kind == UpdateKind::del) return true;
    return element() && u.kind != UpdateKind::add && u.touches(row_.id);
  }
  bool adds(const Update& u) const { return u.kind == (element() ? UpdateKind::sadd : UpdateKind::set); }

  // Updates of this region that no answer speaks of, and those of other regions.
  void add_open() {
    for (const uint32_t index : e_.facts.of_key(key_)) {
      const Update& u = e_.facts.updates()[index];
      if (!touches(u) || claimed_.contains(index) || u.entered[region_] == Instant::never()) continue;
      Call call;
      call.began = u.entered[region_];
      call.must = false;
      calls_.push_back(call);
      items_.push_back({nullptr, &u, index});
    }
  }
  void sort() {
    std::vector<uint32_t> order(calls_.size());
    for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [this](uint32_t a, uint32_t b) { return calls_[a].began < calls_[b].began; });
    std::vector<Item> items;
    std::vector<Call> calls;
    for (const uint32_t i : order) {
      items.push_back(items_[i]);
      calls.push_back(calls_[i]);
    }
    items_ = std::move(items);
    calls_ = std::move(calls);
  }
  void relate() {
    for (uint32_t f = 0; f < items_.size(); ++f) {
      if (calls_[f].must) continue;
      for (uint32_t u = 0; u < items_.size(); ++u) {
        if (u == f || items_[u].update == nullptr) continue;
        if (items_[u].update->saw(row_, items_[f].update->dot))
          calls_[f].not_after.push_back(u);
        else if (calls_[u].must)
          calls_[f].after.push_back(u);
      }
    }
  }

  const Update& update(uint32_t index) const { return e_.facts.updates()[index]; }

  // `state`: the updates that stand, by their index.
  bool apply(const Item& item, Linearizer::State& state) const {
    if (item.update == nullptr) return reads(*item.operation, state);
    const Update& u = *item.update;
    if (!holds(u, state)) return false;
    if (item.operation == nullptr) {
      std::erase_if(state, [&](uint32_t other) { return u.saw(row_, update(other).dot); });
    } else {
      if (!fits(*item.operation, state)) return false;
      state.clear();
    }
    if (adds(u)) state.insert(std::upper_bound(state.begin(), state.end(), item.index), item.index);
    return true;
  }
  // Its condition is a matter of its own region.
  bool holds(const Update& u, const Linearizer::State& state) const {
    if (u.region != region_) return true;
    return u.condition == region::Condition::none ||
           state.empty() == (u.condition == region::Condition::absent);
  }
  // What a write's answer tells of the state before it.
  bool fits(const Operation& o, const Linearizer::State& state) const {
    if (element()) {
      if (o.elements.size() != 1) return true;
      return o.number == ((o.op == Op::sadd) == state.empty() ? 1 : 0);
    }
    return o.op != Op::del || !state.empty();
  }
  bool reads(const Operation& o, const Linearizer::State& state) const {
    if (element()) {
      if (o.op == Op::sadd) return !state.empty();
      return (o.op == Op::sismember && o.found) == !state.empty();
    }
    if (o.condition_failed()) return state.empty() == (o.condition == region::Condition::present);
    if (o.op == Op::del || !o.found) return state.empty();
    const Update* winner = nullptr;
    for (const uint32_t index : state) {
      const Update& u = update(index);
      if (winner == nullptr || std::pair(u.stamp, u.dot) > std::pair(winner->stamp, winner->dot)) winner = &u;
    }
    return winner != nullptr && winner->value == o.shown;
  }

  const Evidence& e_;
  uint32_t region_;
  const Bytes& key_;
  crdt::RowName row_;
  std::vector<Item> items_;
  std::vector<Call> calls_;
  std::set<uint32_t> claimed_;
};

bool takes_part(const Operation& o) { return o.done() && !o.local && !o.stale; }

// A key whose operations are all of these.
bool only(const std::vector<const Operation*>& operations, std::initializer_list<Op> ops) {
  return std::all_of(operations.begin(), operations.end(), [&](const Operation* o) {
    return std::find(ops.begin(), ops.end(), o->op) != ops.end();
  });
}

void conclude(Linear answer, uint32_t region, const Bytes& key, const std::string& of, uint64_t calls,
              Verdict& verdict) {
  if (answer != Linear::undecided) verdict.judged += calls;
  if (answer == Linear::no)
    verdict.fail(
        "the operations on " + key + of + " in region r" + std::to_string(region) + " are not linearizable",
        {key});
}

}  // namespace

Verdict check_linearizable(const Evidence& e) {
  Verdict verdict{"G7"};
  std::map<Bytes, std::vector<const Operation*>> by_key;
  for (const Operation& o : e.history) by_key[o.key].push_back(&o);
  for (const auto& [key, operations] : by_key) {
    const bool is_register = only(operations, {Op::set, Op::get, Op::del});
    const bool is_set = only(operations, {Op::sadd, Op::srem, Op::sismember, Op::del});
    for (uint32_t region = 0; region < e.regions && (is_register || is_set); ++region) {
      std::set<Bytes> elements;
      if (is_register) elements.insert(Bytes());
      for (const Operation* o : operations)
        for (const Bytes& element : o->elements) elements.insert(element);
      for (const Bytes& element : elements) {
        History7 history(e, region, key, is_register ? crdt::string_row() : crdt::element_row(element));
        uint64_t calls = 0;
        for (const Operation* o : operations) {
          if (o->region != region || !takes_part(*o)) continue;
          if (o->writes() && o->update < 0 && !o->condition_failed() && (o->op == Op::set || o->number > 0))
            continue;  // G1 says so
          if (is_set && o->op != Op::del && o->elements != std::vector{element}) continue;
          history.add(*o);
          ++calls;
        }
        if (calls > 0)
          conclude(history.search(), region, key, is_register ? "" : ", element " + element, calls, verdict);
      }
    }
  }
  return verdict;
}

}  // namespace atolldb::sim
