#pragma once
// One question to several nodes at once: what `atoll dev`, the drill and other commands need besides the
// client library's routed requests. Each node is asked directly, on its client port.

#include <optional>
#include <string>
#include <vector>

#include "crdt/base/ids.h"
#include "crdt/base/result.h"
#include "crdt/base/time.h"
#include "region/core/request.h"
#include "topology/topology.h"

namespace atolldb::tools {

struct NodeAnswer {
  NodeNumber node{};
  std::optional<region::Response> response;  // nullopt: it did not answer in time
};

// Sends `request` to every node of `nodes` and waits until all have answered or `limit` is over. Answers
// stand in the order of `nodes`.
std::vector<NodeAnswer> ask_nodes(const topology::Topology& topology, const std::vector<NodeNumber>& nodes,
                                  const region::Request& request, Duration limit);

// What a node says of itself (Op::status); only what the commands here look at.
struct NodeState {
  bool answers = false;
  bool ready = false;  // it takes part in quorums
  std::string detail;  // why it does not answer or is not ready
};
std::vector<NodeState> ask_states(const topology::Topology& topology, const std::vector<NodeNumber>& nodes,
                                  Duration limit);

}  // namespace atolldb::tools
