#include "storage/delta_stream.h"

namespace atolldb::storage {

void DeltaStream::start_at(const Outbox& outbox) {
  first_unacked_ = std::max(first_unacked_, outbox.begin());
  next_ = std::max(next_, first_unacked_);
  sent_ = std::max(sent_, first_unacked_);
}

// Progress is that the oldest entry in flight is confirmed: acknowledgements of younger ones say nothing of a
// frame that was lost before them.
void DeltaStream::acknowledge(Instant now, const Outbox& outbox, const crdt::DotSet& dots) {
  if (acked_.covers(dots)) return;
  acked_.join(dots);
  start_at(outbox);
  const uint64_t before = first_unacked_;
  advance(outbox);
  if (first_unacked_ == before) return;
  progress_ = now;
  patience_factor_ = 1;
  window_bytes_ = std::min(kWindowBytes, window_bytes_ * 2);
}

void DeltaStream::advance(const Outbox& outbox) {
  while (first_unacked_ < next_ && needs_nothing(outbox.at(first_unacked_))) ++first_unacked_;
}

void DeltaStream::forget() {
  acked_.clear();
  first_unacked_ = next_ = sent_ = 0;
  patience_factor_ = 1;  // that of its earlier start says nothing of this one
}

bool DeltaStream::stalled(Instant now, const Outbox& outbox, Duration patience) const {
  return std::max(first_unacked_, outbox.begin()) < sent_ && now - progress_ > patience * patience_factor_;
}

}  // namespace atolldb::storage
