#pragma once
// Which forwards of another process have been taken: a frame that comes twice must not run its request twice
// (docs/hazards.md, 7). Tokens count upwards in their process; the newest are kept one by one, and what is
// older than all of them counts as taken.

#include <cstddef>
#include <cstdint>
#include <set>

namespace atolldb::region {

class SeenTokens {
 public:
  static constexpr size_t kKept = 4096;

  // True once for each token of a process, and forgets what it knew of an earlier one.
  bool take(uint32_t start, uint64_t token) {
    if (start != start_) *this = {}, start_ = start;
    if (token <= all_below_ || !kept_.insert(token).second) return false;
    if (kept_.size() > kKept) {
      all_below_ = *kept_.begin();
      kept_.erase(kept_.begin());
    }
    return true;
  }

 private:
  uint32_t start_ = 0;
  uint64_t all_below_ = 0;
  std::set<uint64_t> kept_;
};

}  // namespace atolldb::region
