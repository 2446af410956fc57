#include "region/http/meter.h"

#include <algorithm>

namespace atolldb::http {
namespace {

constexpr int kOpBits = 8;
constexpr int64_t kNsPerUs = 1000;

}  // namespace

uint64_t Meter::mark(region::Op op, Instant now) {
  return static_cast<uint64_t>(now.ns / kNsPerUs) << kOpBits | static_cast<uint8_t>(op);
}

void Meter::answered(DoorKind door, uint64_t mark, const region::Response& response, Instant now) {
  const size_t op = mark & ((1u << kOpBits) - 1);
  const bool done = response.outcome == region::Outcome::done;
  const size_t code = done ? 0 : std::min<size_t>(static_cast<size_t>(response.code), kCodes - 1);
  const auto at = static_cast<size_t>(door);
  ++counts_->outcomes[at][static_cast<size_t>(response.outcome)][code];
  if (op >= kOps) return;
  const auto us = now.ns / kNsPerUs - static_cast<int64_t>(mark >> kOpBits);
  const double seconds = static_cast<double>(std::max<int64_t>(us, 0)) / 1e6;
  Latencies& latencies = counts_->latencies[at][op];
  const auto bucket = std::lower_bound(kLatencyBounds.begin(), kLatencyBounds.end(), seconds);
  ++latencies.counts[static_cast<size_t>(bucket - kLatencyBounds.begin())];
  latencies.seconds += seconds;
}

}  // namespace atolldb::http
