#pragma once
// The search of Wing and Gong ("Testing and verifying concurrent objects", 1993) with the memory of Lowe
// ("Testing for linearizability", 2017), as in Porcupine: is there an order of the calls that respects real
// time and in which each of them could have answered what it answered?
//
// Calls that must happen have been answered. The others (unknown outcomes, what other regions sent) may take
// effect at any time after they began, or never.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <unordered_set>
#include <vector>

#include "crdt/base/time.h"

namespace atolldb::sim {

struct Call {
  Instant began, ended = Instant::never();
  bool must = true;
  std::vector<uint32_t> after;      // of one that need not happen: calls that must have happened before it,
  std::vector<uint32_t> not_after;  // and calls behind which it has no effect any more
};

enum class Linear : uint8_t { yes, no, undecided };

// `State` is a vector of numbers. `apply(call, state)`: false when the call cannot have been answered so in
// this state; else the state after it. `calls` are in the order of their beginning. Gives up after `steps`.
class Linearizer {
 public:
  using State = std::vector<uint32_t>;
  using Apply = std::function<bool(uint32_t call, State& state)>;

  Linearizer(const std::vector<Call>& calls, Apply apply) : calls_(calls), apply_(std::move(apply)) {
    for (uint32_t i = 0; i < calls_.size(); ++i)
      if (calls_[i].must) ++musts_;
  }

  Linear search(uint64_t steps) {
    std::vector<Node> stack;
    stack.push_back({std::vector<bool>(calls_.size()), {}, 0, 0});
    while (!stack.empty()) {
      Node node = std::move(stack.back());
      stack.pop_back();
      if (node.happened == musts_) return Linear::yes;
      if (!seen_.insert(hash(node)).second) continue;
      if (steps-- == 0) return Linear::undecided;
      // Those that must are tried first: what is pushed last is taken first.
      for (const bool must : {false, true})
        for (const uint32_t call : candidates(node, must)) {
          Node next = node;
          if (!apply_(call, next.state)) continue;
          next.done[call] = true;
          if (must) ++next.happened;
          while (next.first < calls_.size() && next.done[next.first]) ++next.first;
          stack.push_back(std::move(next));
        }
    }
    return Linear::no;
  }

 private:
  struct Node {
    std::vector<bool> done;
    State state;
    uint32_t first = 0;  // every call before it is done
    uint32_t happened = 0;
  };

  // In an order of which a call that ends first comes last.
  std::vector<uint32_t> candidates(const Node& node, bool must) const {
    Instant bound = Instant::never();  // nothing begins behind an end that is still to come
    for (uint32_t i = node.first; i < calls_.size() && calls_[i].began <= bound; ++i)
      if (calls_[i].must && !node.done[i]) bound = std::min(bound, calls_[i].ended);
    std::vector<uint32_t> out;
    for (uint32_t i = node.first; i < calls_.size() && calls_[i].began <= bound; ++i)
      if (!node.done[i] && calls_[i].must == must && (must || allowed(node, calls_[i]))) out.push_back(i);
    std::sort(out.begin(), out.end(), [this](uint32_t a, uint32_t b) {
      return calls_[a].ended != calls_[b].ended ? calls_[a].ended > calls_[b].ended : a > b;
    });
    return out;
  }
  static bool allowed(const Node& node, const Call& call) {
    return std::all_of(call.after.begin(), call.after.end(), [&](uint32_t c) { return node.done[c]; }) &&
           std::none_of(call.not_after.begin(), call.not_after.end(),
                        [&](uint32_t c) { return node.done[c]; });
  }
  static uint64_t hash(const Node& node) {
    uint64_t h = std::hash<std::vector<bool>>()(node.done);
    for (const uint32_t word : node.state) h = (h ^ word) * 0x9e3779b97f4a7c15ULL + (h >> 31);
    return h ^ node.state.size() << 48;
  }

  const std::vector<Call>& calls_;
  Apply apply_;
  uint32_t musts_ = 0;
  std::unordered_set<uint64_t> seen_;
};

}  // namespace atolldb::sim
