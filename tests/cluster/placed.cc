#include "tests/cluster/placed.h"

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tools/atoll/clock.h"
#include "tools/atoll/node_calls.h"
#include "topology/ring.h"

namespace atolldb::tests {
namespace {

constexpr Duration kAskLimit = Duration::seconds(10);
constexpr auto kAskPause = std::chrono::milliseconds(50);

std::map<NodeNumber, uint64_t> partitions_led(const topology::Topology& topology) {
  std::map<NodeNumber, uint64_t> led;
  for (const topology::Region& region : topology.regions) {
    const topology::Ring ring(topology, region.id);
    for (uint32_t p = 0; p < topology.placement.partitions; ++p)
      ++led[ring.replicas(PartitionId{static_cast<uint16_t>(p)}).front()];
  }
  return led;
}

// Empty: every node coordinates as many partitions as it leads. No two ever coordinate one.
std::string misplaced(const topology::Topology& topology, const std::map<NodeNumber, uint64_t>& led) {
  std::vector<NodeNumber> nodes;
  for (const topology::Node& node : topology.nodes) nodes.push_back(node.number);
  region::Request request;
  request.op = region::Op::status;
  std::string found;
  for (const auto& answer : tools::ask_nodes(topology, nodes, request, kAskLimit)) {
    const std::string& name = topology.find(answer.node)->name;
    if (!answer.response || answer.response->outcome != region::Outcome::done) {
      found += name + " does not answer; ";
      continue;
    }
    const auto status = nlohmann::json::parse(answer.response->value, nullptr, false);
    const uint64_t held = status.is_object() ? status.value("epochs_held", uint64_t{0}) : 0;
    const auto leads = led.find(answer.node);
    const uint64_t expected = leads == led.end() ? 0 : leads->second;
    if (held != expected)
      found += name + " coordinates " + std::to_string(held) + " of " + std::to_string(expected) + "; ";
  }
  return found;
}

}  // namespace

Status wait_until_placed(const topology::Topology& topology, Duration limit) {
  const auto led = partitions_led(topology);
  const Instant began = tools::monotonic_now();
  for (;;) {
    const std::string found = misplaced(topology, led);
    if (found.empty()) return ok();
    if (tools::monotonic_now() - began >= limit) return {Errc::timeout, found};
    std::this_thread::sleep_for(kAskPause);  // between two questions; nobody announces it
  }
}

}  // namespace atolldb::tests
