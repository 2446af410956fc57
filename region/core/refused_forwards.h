#pragma once
// Forwards keep their order (go-back-N, as of sliding-window protocols): behind a request that this node has
// sent back, nothing is carried out that its sender had on the way by then, or that would overtake it. Each
// forward says which refusal its sender has heard of; whoever has not heard of the last one is sent back too.

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include "region/core/reply_to.h"
#include "region/core/request.h"

namespace atolldb::region {

inline constexpr const char* kWouldOvertake = "this would overtake a request that was sent back";

// Certainly nothing has happened, and whoever forwarded the request tries again.
inline bool is_sent_back(const Response& response) {
  return response.outcome == Outcome::rejected &&
         (response.code == Errc::unavailable || (response.code == Errc::behind && !response.behind));
}

class RefusedForwards {
 public:
  // Was sent back, and will come again.
  void note(const ReplyTo& to) {
    Latest& latest = latest_[{to.via, to.partition}];
    latest = {to.process, latest.process == to.process ? std::max(latest.token, to.token) : to.token};
  }
  // Its sender had not heard yet of the last one that was sent back.
  bool overtakes(const ReplyTo& to) const {
    if (!to.in_order) return false;
    const auto at = latest_.find({to.via, to.partition});
    return at != latest_.end() && at->second.process == to.process && to.heard < at->second.token;
  }

 private:
  struct Latest {
    uint32_t process = 0;  // the random part of the one that sent it: tokens count in their process
    uint64_t token = 0;
  };
  std::map<std::pair<NodeNumber, PartitionId>, Latest> latest_;
};

}  // namespace atolldb::region
