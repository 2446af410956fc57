#pragma once
// Which forwards of another node have been taken: a frame that comes twice must not run its request twice
// (docs/hazards.md, 7). Tokens count upwards in their process; the newest are kept one by one, and what is
// older than all of them counts as taken. A process is known by its random part, which it has before it joins
// and takes its start. Two of them may run at once, where a disk was cloned, and either may be the one that
// goes on: each has tokens of its own. Of those that have been forgotten for others nothing is taken any
// more.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>

namespace atolldb::region {

class SeenTokens {
 public:
  static constexpr size_t kKept = 4096, kProcesses = 3, kForgottenKept = 16;

  // True once for each token of a process, and never for those of one that is forgotten.
  bool take(uint32_t process, uint64_t token) {
    if ((processes_.empty() || processes_.back().process != process) && !bring_back(process)) return false;
    Taken& taken = processes_.back();
    if (token <= taken.all_below || !taken.kept.insert(token).second) return false;
    if (taken.kept.size() > kKept) {
      taken.all_below = *taken.kept.begin();
      taken.kept.erase(taken.kept.begin());
    }
    return true;
  }

 private:
  struct Taken {
    uint32_t process = 0;
    uint64_t all_below = 0;
    std::set<uint64_t> kept;
  };

  // Makes it the last that was heard of. False: it is one that is forgotten.
  bool bring_back(uint32_t process) {
    const auto known = std::find_if(processes_.begin(), processes_.end(),
                                    [&](const Taken& taken) { return taken.process == process; });
    if (known != processes_.end()) {
      std::rotate(known, known + 1, processes_.end());
      return true;
    }
    if (std::find(forgotten_.begin(), forgotten_.end(), process) != forgotten_.end()) return false;
    processes_.push_back({process, 0, {}});
    if (processes_.size() <= kProcesses) return true;
    forgotten_.push_back(processes_.front().process);
    processes_.pop_front();
    if (forgotten_.size() > kForgottenKept) forgotten_.pop_front();
    return true;
  }

  std::deque<Taken> processes_;  // in the order in which they were last heard of
  std::deque<uint32_t> forgotten_;
};

}  // namespace atolldb::region
