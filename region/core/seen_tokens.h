#pragma once
// Which forwards of another process have been taken: a frame that comes twice must not run its request twice
// (docs/hazards.md, 7). Tokens count upwards in their process; the newest are kept one by one, and what is
// older than all of them counts as taken. A process is known by its random part, which it has before it joins
// and takes its start; what comes from one that another has followed is late, and refused.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>

namespace atolldb::region {

class SeenTokens {
 public:
  static constexpr size_t kKept = 4096, kEarlierKept = 16;

  // True once for each token of a process, and never for those of an earlier one.
  bool take(uint32_t process, uint64_t token) {
    if (process != process_ && !begin(process)) return false;
    if (token <= all_below_ || !kept_.insert(token).second) return false;
    if (kept_.size() > kKept) {
      all_below_ = *kept_.begin();
      kept_.erase(kept_.begin());
    }
    return true;
  }

 private:
  bool begin(uint32_t process) {
    if (std::find(earlier_.begin(), earlier_.end(), process) != earlier_.end()) return false;
    earlier_.push_back(process_);
    if (earlier_.size() > kEarlierKept) earlier_.pop_front();
    process_ = process;
    all_below_ = 0;
    kept_.clear();
    return true;
  }

  uint32_t process_ = 0;
  std::deque<uint32_t> earlier_;
  uint64_t all_below_ = 0;
  std::set<uint64_t> kept_;
};

}  // namespace atolldb::region
