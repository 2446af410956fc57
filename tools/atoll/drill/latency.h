#pragma once
// How long operations took, in a fixed 8 KiB: buckets grow with the value so that each is within 1/32 of it
// (the idea of HdrHistogram), from a microsecond to an hour. One writer; copies are merged when it is done.

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "crdt/base/time.h"

namespace atolldb::tools {

class Latency {
 public:
  void record(Duration took) {
    const auto micros = static_cast<uint64_t>(std::max<int64_t>(took.ns, 0)) / 1000;
    ++buckets_[std::min(bucket_of(micros), buckets_.size() - 1)];
    ++count_;
  }

  void merge(const Latency& other) {
    for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
  }

  uint64_t count() const { return count_; }

  // The highest value of the bucket in which the given share of all values is reached; zero without values.
  Duration percentile(uint32_t percent) const {
    const uint64_t wanted = std::max<uint64_t>(1, (count_ * percent + 99) / 100);
    uint64_t seen = 0;
    for (size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen >= wanted) return Duration::micros(static_cast<int64_t>(highest_of(i)));
    }
    return {};
  }

 private:
  static constexpr uint32_t kSubBits = 5;
  static constexpr uint64_t kSub = 1u << kSubBits;

  // Below 2^5 a bucket a microsecond; above, 32 buckets for every doubling.
  static size_t bucket_of(uint64_t micros) {
    if (micros < kSub) return micros;
    const uint32_t shift = static_cast<uint32_t>(std::bit_width(micros)) - kSubBits - 1;
    return (uint64_t{shift} << kSubBits) + (micros >> shift);
  }
  static uint64_t highest_of(size_t bucket) {
    if (bucket < 2 * kSub) return bucket;
    const uint64_t shift = (bucket >> kSubBits) - 1;
    const uint64_t lead = bucket - (shift << kSubBits);
    return ((lead + 1) << shift) - 1;
  }

  std::array<uint64_t, 29 * kSub> buckets_{};
  uint64_t count_ = 0;
};

}  // namespace atolldb::tools
