#pragma once
// One cluster of a given size, from its first start to its last message: what its nodes say to each other and
// how long things take in simulated time. A function of the options, but for processor time and memory.
//
//   start    all nodes begin at once, with empty disks, until every stream stands and all is silent
//   idle     nothing happens for some heartbeats
//   writes   every region writes into the same partitions, for some seconds; then until all is silent
//   idle     again, with clocks that know every region
//   restart  one node is killed and started again
//   memory   some nodes end; what the heap gets back is what they took

#include <functional>
#include <string>
#include <vector>

#include "crdt/base/result.h"
#include "crdt/base/time.h"
#include "tests/sim/scale/growth.h"

namespace atolldb::sim {

struct ScaleOptions {
  uint64_t seed = 1;
  uint32_t partitions = 2048;
  uint32_t written = 64;  // partitions into which each region writes one key
  Duration write_for = Duration::seconds(8);
  Duration idle_for = Duration::seconds(10);  // rounded up to whole heartbeats
};

// Of what a figure is the sum or the mean.
enum class Per : uint8_t { node, cluster, write };

struct Figure {
  std::string phase, name, unit;
  Per per{};
  double value = 0;
};

struct Measured {
  Shape shape;
  std::vector<Figure> figures;  // the same ones in the same order, whatever the size
  const Figure* find(std::string_view phase, std::string_view name) const;
};

// `progress`: what is going on, now and then. Errc::unavailable: the cluster did not serve, a write was not
// answered, or the replicas did not become equal.
Result<Measured> measure(const Shape& shape, const ScaleOptions& options,
                         const std::function<void(const std::string&)>& progress);

}  // namespace atolldb::sim
