#pragma once
// Everything that a run will do, drawn from its seed before it begins: the cluster, the clients' operations
// and the faults. A run is a function of its plan, and a shorter plan is how a failure is made small.

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/scenario.h"
#include "tests/sim/world.h"

namespace atolldb::sim {

struct PlannedOperation {
  uint32_t id = 0;
  Instant at;
  uint32_t client = 0, region = 0;
  region::Op op{};
  Bytes key;
  Bytes value;
  std::vector<Bytes> elements;
  int64_t amount = 0;
  bool local = false;
  bool session = false;  // it carries its client's token
  region::OnBehind on_behind{};
  region::Condition condition = region::Condition::none;  // of a set
  uint64_t dice = 0;                                      // whom to ask
};

enum class FaultKind : uint8_t {
  kill,            // SIGKILL and a new start
  power_loss,      // what was not synced may be gone, and nobody is told
  drain,           // SIGTERM and a new start
  pause,           // SIGSTOP and SIGCONT
  cut_pair,        // two machines
  cut_one_way,     // what one of them sends to the other
  isolate,         // a machine from all others
  cut_regions,     // two regions
  isolate_region,  // a region from all others
  loss,            // frames are lost, and in some seeds doubled and reordered
  clog,            // everything that a machine sends or receives takes longer
  wall_clock,      // it is set to another time
  drift,           // a machine's clocks run fast or slow
  slow_disk,
  full_disk,
  failed_sync,
  older_disk,      // a kill, and a start from an older copy
  lost_disk,       // a kill, and a start from nothing
  flipped_row,     // a bit of a row in a checkpoint
  flipped_record,  // a bit of a synced log record, found at the next start
  kill_region,
  lose_region,    // all its machines and disks, for good
  return_region,  // all its machines and disks, and they begin again with nothing
  lost_disks,     // W disks of a partition at once, and their machines begin again with nothing
  cloned_disk,    // a second process, on a copy of a running one's disk
  count_
};
inline constexpr size_t kFaultKinds = static_cast<size_t>(FaultKind::count_);
std::string name_of(FaultKind kind);

struct PlannedFault {
  uint32_t id = 0;
  Instant at;
  Duration lasts;
  FaultKind kind{};
  uint32_t a = 0, b = 0;  // machines or regions
  uint64_t amount = 0;
};

struct Plan {
  uint64_t seed = 0;
  WorldOptions world;
  Instant ends;  // of operations and faults; then everything heals
  uint32_t clients = 0;
  std::vector<PlannedOperation> operations;  // in the order of time
  std::vector<PlannedFault> faults;          // likewise
};

Plan make_plan(const Scenario& scenario, uint64_t seed);

// What is drawn for the cluster and the loads, for people.
std::string describe(const Plan& plan);
std::string describe(const PlannedFault& fault);

}  // namespace atolldb::sim
