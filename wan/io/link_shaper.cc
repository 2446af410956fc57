#include "wan/io/link_shaper.h"

#include <algorithm>
#include <utility>

namespace atolldb::wan {

bool LinkShaper::push(Instant now, NodeNumber to, Bytes&& frame) {
  if (bytes_ + frame.size() > config_.bytes_max) return false;
  Instant sent = now;
  if (config_.bytes_per_second_max > 0) {
    // A frame is at most 32 MiB, so the product stays within 64 bits.
    const auto transmission =
        static_cast<int64_t>(frame.size() * 1'000'000'000 / config_.bytes_per_second_max);
    sent = line_free_ = std::max(now, line_free_) + Duration::nanos(transmission);
  }
  bytes_ += frame.size();
  held_.push_back({sent + config_.delay, to, std::move(frame)});
  return true;
}

std::optional<LinkShaper::Held> LinkShaper::pop(Instant now) {
  if (held_.empty() || held_.front().due > now) return std::nullopt;
  Held held = std::move(held_.front());
  held_.pop_front();
  bytes_ -= held.frame.size();
  return held;
}

size_t LinkShaper::clear() {
  const size_t count = held_.size();
  held_.clear();
  bytes_ = 0;
  line_free_ = Instant{INT64_MIN};
  return count;
}

}  // namespace atolldb::wan
