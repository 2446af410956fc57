#pragma once
// Counts what the node was asked and how long answers took, by door and operation. One thread; nothing is
// allocated while it counts.

#include <array>
#include <cstdint>
#include <memory>

#include "crdt/base/time.h"
#include "region/core/request.h"

namespace atolldb::http {

enum class DoorKind : uint8_t { client = 0, resp = 1, http = 2 };
inline constexpr size_t kDoors = 3;
inline constexpr size_t kOps = 64;    // operation numbers below it are counted
inline constexpr size_t kCodes = 16;  // of Errc
inline constexpr size_t kOutcomes = 3;

// Upper bounds of a histogram's buckets, in seconds; the last bucket has none.
inline constexpr std::array<double, 15> kLatencyBounds{
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5};

struct Latencies {
  std::array<uint64_t, kLatencyBounds.size() + 1> counts{};
  double seconds = 0;
};

struct Counts {
  std::array<std::array<Latencies, kOps>, kDoors> latencies{};
  // By door, outcome and code; the code of what is done is 0.
  std::array<std::array<std::array<uint64_t, kCodes>, kOutcomes>, kDoors> outcomes{};
};

class Meter {
 public:
  // A mark that names the operation and the time, for Request::correlation.
  static uint64_t mark(region::Op op, Instant now);
  // The answer to a request that was marked.
  void answered(DoorKind door, uint64_t mark, const region::Response& response, Instant now);
  const Counts& counts() const { return *counts_; }

 private:
  std::unique_ptr<Counts> counts_ = std::make_unique<Counts>();
};

}  // namespace atolldb::http
