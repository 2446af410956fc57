#pragma once
// Processor time of processes: of the nodes that `atoll dev` runs beside the topology file, and of this one.

#include <string>
#include <vector>

#include "crdt/base/time.h"
#include "topology/topology.h"

namespace atolldb::tools {

struct ProcessUsage {
  std::string name;
  int pid = 0;
  Duration cpu;               // user and system, since its start
  uint64_t memory_bytes = 0;  // resident
};

// This process as "atoll bench", and every node of the topology whose DIR/NODE/pid (DIR: the topology file's
// folder) names a process that lives. Others are left out.
std::vector<ProcessUsage> cpu_usage(const topology::Topology& topology, const std::string& topology_file);

// What was used between the two, by process; those that are not in both (it was restarted) are left out.
std::vector<ProcessUsage> usage_between(const std::vector<ProcessUsage>& before,
                                        const std::vector<ProcessUsage>& after);

}  // namespace atolldb::tools
