#pragma once
// Which update an acknowledgement speaks of.

#include <optional>

#include "tests/sim/facts.h"
#include "tests/sim/history.h"
#include "topology/topology.h"

namespace atolldb::sim {

// An update like the operation that was committed since it began, and that no other acknowledgement speaks
// of. Where several are: one that `w` logs of its region have had, then one of the node that answered, then
// one that gives this answer, then the earliest. A commit may be lost with its process, and the retry of an
// increment, or another client's removal of the same element, is the one that was answered. Answers come in
// order of time, so whoever can have one finds one.
std::optional<uint32_t> update_of(const Operation& operation, const Facts& facts,
                                  const topology::Topology& topology, uint32_t w);

}  // namespace atolldb::sim
