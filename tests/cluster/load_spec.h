#pragma once
// Which writes a load makes, as a test names it: a region, and what narrows it down.
//
//   eu                      every key, each at the node that coordinates it
//   eu,coordinator=eu-1     keys whose preference list eu-1 leads: it coordinates them while it is healthy
//   eu,replica=eu-1         keys that eu-1 holds and another node leads
//   eu,without=eu-1         keys that eu-1 does not hold
//   eu,via=eu-1             asks eu-1 and no other node, so that it forwards what it does not coordinate
//   eu,bytes=4096           size of the text values
//   eu,deadline_ms=1000     how long a write may take

#include <cstdint>
#include <string>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/result.h"
#include "topology/ring.h"
#include "topology/topology.h"

namespace atolldb::tests {

enum class Role : uint8_t { any, coordinator, replica, without };

struct LoadSpec {
  std::string label;  // the whole specification: what tests call the load
  std::string region;
  Role role = Role::any;
  NodeNumber node{};  // of the role
  std::string via;
  uint32_t bytes = 0;             // 0: a few
  uint32_t deadline_ms = 10'000;  // long enough for a machine that is busy with other things
};

// Errc::invalid says what was found and what may stand there.
Result<LoadSpec> parse_load(const std::string& text, const topology::Topology& topology);

// Names of keys for which a specification's node has its role.
class KeyMaker {
 public:
  // `topology` outlives it.
  KeyMaker(const topology::Topology& topology, const LoadSpec& spec);
  // `stem` itself or with the first number behind it that makes it fit: the same for every load of one role.
  Bytes key(const Bytes& stem) const;

 private:
  bool fits(const Bytes& key) const;

  const topology::Topology& topology_;
  topology::Ring ring_;
  Role role_;
  NodeNumber node_;
};

}  // namespace atolldb::tests
