// Small scopes, exhausted: every interleaving of up to so many operations on three replicas, where an
// operation is a write, the delivery of any delta to any replica (so deltas come in every order, or never),
// or a complete exchange between two of them. Each step is checked against the oracle (world.h); each state
// is healed, and everybody must end with the same bytes and nothing lost silently. "All of them, up to a
// small size" finds what random search finds only by luck (Jackson's small scope hypothesis).
//
// ATOLL_EXHAUSTIVE_DEEPER=1 goes one operation deeper everywhere (many minutes).
#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>

#include "tests/crdt/world.h"

using namespace atolldb;
using namespace atolldb::crdt;

namespace {

struct Scope {
  const char* name;
  std::vector<Op> alphabet;
  size_t operations;
  bool in_steps = false;  // clears are, and their steps are taken in between
};

Op op(OpKind kind) { return {.kind = kind, .key = "k"}; }
Op set(const char* value) { return {.kind = OpKind::set, .key = "k", .value = value}; }
Op add(int64_t amount) { return {.kind = OpKind::add, .key = "k", .amount = amount}; }
Op on_element(OpKind kind, const char* element) { return {.kind = kind, .key = "k", .element = element}; }

Op hset(const char* value) { return {.kind = OpKind::hset, .key = "k", .value = value, .element = "a"}; }

std::vector<Scope> scopes() {
  const Op del = op(OpKind::del), clear = op(OpKind::clear);
  const Op sadd = on_element(OpKind::sadd, "a"), srem = on_element(OpKind::srem, "a");
  const Op hdel = on_element(OpKind::hdel, "a");
  const Op hadd{.kind = OpKind::hadd, .key = "k", .amount = 1, .element = "a"};
  return {
      {"registers", {set("x"), del}, 5},
      {"counters", {set("1"), add(1)}, 5},
      {"counters and deletes", {add(1), del}, 5},
      {"sets", {sadd, srem}, 5},
      {"sets that are cleared", {sadd, clear}, 5},
      {"fields", {hset("x"), hdel}, 5},
      {"fields that count", {hset("1"), hadd}, 5},
      {"fields that count and go", {hadd, clear}, 5},
      {"strings, all operations", {set("1"), set("x"), del, add(1)}, 4},
      {"sets, all operations", {sadd, on_element(OpKind::sadd, "b"), srem, clear, del}, 4},
      {"maps, all operations", {hset("1"), hset("x"), hdel, hadd, clear}, 4},
      {"all types under one key", {set("x"), add(1), sadd, hset("x"), hadd, del}, 4},
      {"sets that are cleared in steps", {sadd, clear}, 5, true},
      {"sets cleared in steps, all operations",
       {sadd, on_element(OpKind::sadd, "b"), srem, clear, set("x")},
       4,
       true},
      {"maps cleared in steps", {hset("x"), hadd, clear}, 4, true},
  };
}

class Search {
 public:
  explicit Search(const Scope& scope) : scope_(scope) {}

  void run(size_t operations) {
    explore(World(3, {"k"}, World::Clocks::skewed, scope_.in_steps ? 0 : kClearedAtOnceMax), operations);
  }
  size_t states() const { return seen_.size(); }
  uint64_t steps() const { return steps_; }

 private:
  // A state that was explored this deep need not be explored again.
  bool is_new(const World& world, size_t left) {
    const auto [it, fresh] = seen_.try_emplace(world.fingerprint(), left);
    if (!fresh && it->second >= left) return false;
    it->second = left;
    return true;
  }

  void explore(const World& world, size_t left) {
    if (!is_new(world, left)) return;
    heal(world);
    if (left == 0) return;
    for (size_t at = 0; at < world.replicas(); ++at) {
      if (world.sweeping(at))
        branch(world, left, [&](World& w) { return w.step({.kind = Action::sweep, .at = at}); });
      for (const Op& op : scope_.alphabet)
        branch(world, left, [&](World& w) { return w.step({.kind = Action::write, .at = at, .op = op}); });
      for (size_t d = 0; d < world.deltas(); ++d) {
        if (world.has(at, d)) continue;
        branch(world, left,
               [&](World& w) { return w.step({.kind = Action::deliver, .at = at, .deltas = {d}}); });
      }
      for (size_t from = 0; from < world.replicas() && world.deltas() > 0; ++from) {
        if (from == at) continue;
        branch(world, left, [&](World& w) {
          w.exchange_all(at, from, 1);
          return true;
        });
      }
    }
  }

  template <typename Step>
  void branch(const World& world, size_t left, Step&& step) {
    World next(world);
    ++steps_;
    guarded(next, [&] {
      if (step(next)) explore(next, left - 1);
    });
  }

  void heal(const World& world) {
    World healed(world);
    guarded(healed, [&] { healed.heal(true, 1); });
  }

  template <typename Run>
  void guarded(const World& world, Run&& run) {
    try {
      run();
    } catch (const std::runtime_error& failure) {
      FAIL(scope_.name << ": " << failure.what() << "\nafter\n" << world.log());
    }
  }

  const Scope& scope_;
  struct Less {
    bool operator()(const Digest& a, const Digest& b) const {
      return a.high != b.high ? a.high < b.high : a.low < b.low;
    }
  };
  std::map<Digest, size_t, Less> seen_;  // to how many operations were left there
  uint64_t steps_ = 0;
};

}  // namespace

TEST_CASE("Replica: every interleaving of a few operations, shows what the oracle says", "[crdt]") {
  const size_t deeper = std::getenv("ATOLL_EXHAUSTIVE_DEEPER") == nullptr ? 0 : 1;
  for (const Scope& scope : scopes()) {
    Search search(scope);
    search.run(scope.operations + deeper);
    WARN(scope.name << ", " << scope.operations + deeper << " operations: " << search.states() << " states, "
                    << search.steps() << " steps");
    CHECK(search.states() > 100);
  }
}
