#pragma once
// One destination's way through an outbox: a replica of the region, or another region. Acknowledgements are
// clocks, so anything may be sent again, and a stream that stalls simply goes back to what its destination
// has confirmed.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "crdt/base/time.h"
#include "crdt/dot_set.h"
#include "storage/outbox.h"

namespace atolldb::storage {

class DeltaStream {
 public:
  static constexpr uint64_t kWindowBytesLeast = 64u << 10;  // after a rewind: whoever is slow is not buried
  static constexpr uint64_t kWindowBytes = 4u << 20;        // sent and not acknowledged
  static constexpr uint64_t kWindowEntries = 4096;
  static constexpr int64_t kPatienceFactorMax = 8;

  // `concerns`: whether a dot is for this destination at all; empty = every dot is.
  explicit DeltaStream(std::function<bool(const Dot&)> concerns = {}) : concerns_(std::move(concerns)) {}

  const crdt::DotSet& acked() const { return acked_; }
  bool caught_up(const Outbox& outbox) const { return next_ >= outbox.end(); }
  uint64_t behind(const Outbox& outbox) const {
    return outbox.end() - std::max(first_unacked_, outbox.begin());
  }

  // Sequence numbers of what leaves now, at most about `bytes_max`; they count as sent. An entry that may not
  // leave yet stops what is behind it, so that an actor's deltas leave in counter order.
  template <typename MayLeave>
  void take(Instant now, const Outbox& outbox, size_t bytes_max, MayLeave&& may_leave,
            std::vector<uint64_t>& out) {
    start_at(outbox);
    size_t bytes = 0;
    uint64_t in_flight = outbox.bytes_between(first_unacked_, next_);
    for (; next_ < outbox.end() && bytes < bytes_max && room(in_flight); ++next_) {
      const Outbox::Entry entry = outbox.at(next_);
      if (needs_nothing(entry)) {
        if (first_unacked_ == next_)
          ++first_unacked_;
        else
          in_flight += entry.bytes;
        continue;
      }
      if (!may_leave(entry)) break;
      if (out.empty() && sent_ == first_unacked_) progress_ = now;
      out.push_back(next_);
      bytes += entry.bytes;
      in_flight += entry.bytes;
    }
    sent_ = std::max(sent_, next_);
    advance(outbox);
  }
  // The destination has these too.
  void acknowledge(Instant now, const Outbox& outbox, const crdt::DotSet& dots);
  // What the destination said it had no longer counts (it lost its memory, or another epoch began).
  void forget();
  // Sends again from what is confirmed: the destination says that it has dropped what came.
  void go_back() {
    next_ = sent_ = first_unacked_;
    window_bytes_ = kWindowBytesLeast;
  }
  // The same because nothing is heard of it.
  void rewind() {
    go_back();
    patience_factor_ = std::min<int64_t>(patience_factor_ * 2, kPatienceFactorMax);
  }
  // Something was sent, and nothing was heard of it for this long; longer after every rewind that brought no
  // answer.
  bool stalled(Instant now, const Outbox& outbox, Duration patience) const;

 private:
  void start_at(const Outbox& outbox);
  void advance(const Outbox& outbox);
  bool needs_nothing(const Outbox::Entry& entry) const {
    return (concerns_ && !concerns_(entry.dot)) || acked_.contains(entry.dot);
  }
  bool room(uint64_t in_flight) const {
    return next_ - first_unacked_ < kWindowEntries && in_flight < window_bytes_;
  }

  std::function<bool(const Dot&)> concerns_;
  crdt::DotSet acked_;
  uint64_t first_unacked_ = 0;  // everything before it is confirmed, skipped or gone
  uint64_t next_ = 0;           // to be sent next
  uint64_t sent_ = 0;           // end of what was sent since the last rewind
  Instant progress_;
  uint64_t window_bytes_ = kWindowBytes;
  int64_t patience_factor_ = 1;
};

}  // namespace atolldb::storage
