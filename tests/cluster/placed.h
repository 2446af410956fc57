#pragma once
// Waits until every partition is coordinated by the first node of its preference list, as it is once all
// nodes have been up for a while: from then on a test knows which node plays which role for a key.

#include "crdt/base/result.h"
#include "crdt/base/time.h"
#include "topology/topology.h"

namespace atolldb::tests {

// Errc::timeout says which node coordinates how many partitions instead.
Status wait_until_placed(const topology::Topology& topology, Duration limit);

}  // namespace atolldb::tests
