#pragma once
// A log-linear histogram of latencies in the manner of HdrHistogram (Gil Tene): every power of two is divided
// into 1024 equal parts, so that a value is known to three significant digits at any size, recording is one
// increment, and memory is fixed (about 256 KiB).
//
// Values are nanoseconds; those above kMaxNs count as kMaxNs.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "crdt/base/time.h"

namespace atolldb::client {

class Histogram {
 public:
  static constexpr int kPartBits = 10;
  static constexpr uint64_t kMaxNs = (uint64_t{1} << 40) - 1;  // 18 minutes

  void record(Duration latency) {
    const uint64_t ns = std::min(static_cast<uint64_t>(std::max<int64_t>(0, latency.ns)), kMaxNs);
    ++counts_[index_of(ns)];
    ++count_;
    sum_ += ns;
    min_ = std::min(min_, ns);
    max_ = std::max(max_, ns);
  }
  void join(const Histogram& other) {
    for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    sum_ += other.sum_;
    min_ = std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
  }

  uint64_t count() const { return count_; }
  Duration min() const { return Duration::nanos(count_ == 0 ? 0 : static_cast<int64_t>(min_)); }
  Duration max() const { return Duration::nanos(static_cast<int64_t>(max_)); }
  Duration mean() const { return Duration::nanos(count_ == 0 ? 0 : static_cast<int64_t>(sum_ / count_)); }
  // The smallest recorded value, to three digits, that at least the fraction `q` of all values does not
  // exceed; 0 <= q <= 1. Zero when nothing was recorded.
  Duration quantile(double q) const {
    if (count_ == 0) return {};
    const auto rank =
        std::clamp<uint64_t>(static_cast<uint64_t>(q * static_cast<double>(count_) + 0.999'999), 1, count_);
    uint64_t seen = 0;
    for (size_t i = 0; i < counts_.size(); ++i)
      if ((seen += counts_[i]) >= rank)
        return Duration::nanos(static_cast<int64_t>(std::clamp(highest_of(i), min_, max_)));
    return max();
  }

 private:
  static constexpr uint64_t kParts = uint64_t{1} << kPartBits;

  // Values below 2 * kParts have a place of their own; above, a value keeps its kPartBits + 1 leading bits.
  static constexpr size_t index_of(uint64_t ns) {
    const int shift = std::max(0, static_cast<int>(std::bit_width(ns)) - kPartBits - 1);
    return static_cast<size_t>(static_cast<uint64_t>(shift) * kParts + (ns >> shift));
  }
  static constexpr uint64_t highest_of(size_t index) {
    if (index < 2 * kParts) return index;
    const uint64_t shift = index / kParts - 1;
    return ((index - shift * kParts + 1) << shift) - 1;
  }

  std::vector<uint64_t> counts_ = std::vector<uint64_t>(index_of(kMaxNs) + 1);
  uint64_t count_ = 0, sum_ = 0, min_ = UINT64_MAX, max_ = 0;
};

}  // namespace atolldb::client
