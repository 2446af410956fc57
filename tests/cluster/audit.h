#pragma once
// Reads everything in the ledgers at every node that holds it, itself, and judges it.

#include <cstdint>
#include <string>
#include <vector>

#include "crdt/base/result.h"
#include "tests/cluster/ledger.h"
#include "topology/topology.h"

namespace atolldb::tests {

struct Findings {
  uint64_t reads = 0;
  uint64_t wrong = 0;
  std::vector<std::string> examples;  // a few
};

// Errc::unavailable: a node does not answer.
Result<Findings> audit(const topology::Topology& topology, const std::vector<const Ledger*>& ledgers);

}  // namespace atolldb::tests
