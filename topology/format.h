#pragma once
// Writes a topology as the TOML that parse() reads (docs/topology.md).

#include <string>

#include "topology/topology.h"

namespace atolldb::topology {

// parse(format(t)) gives t again. `t` must be one that parse() would accept; names, hosts and keys of such a
// topology need no quoting.
std::string format(const Topology& topology);

}  // namespace atolldb::topology
