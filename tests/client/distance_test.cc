// A client that names no region asks the nearest one, and the same one each time.
#include "client/distance.h"

#include <catch2/catch.hpp>

using namespace atolldb;
using namespace std::chrono_literals;
using client::by_round_trips;
using RoundTrips = std::vector<std::optional<std::chrono::steady_clock::duration>>;

namespace {

// A node a region, on these hosts.
topology::Topology regions_on(const std::vector<std::string>& hosts) {
  topology::Topology topology;
  for (size_t i = 0; i < hosts.size(); ++i) {
    topology::Region region;
    region.id = RegionId(i);
    region.nodes = {NodeNumber(i + 1)};
    topology.regions.push_back(region);
    topology::Node node;
    node.number = NodeNumber(i + 1);
    node.region = region.id;
    node.client.host = hosts[i];
    topology.nodes.push_back(node);
  }
  return topology;
}

std::vector<RegionId> ids(const std::vector<int>& numbers) {
  std::vector<RegionId> out;
  for (const int number : numbers) out.push_back(RegionId(number));
  return out;
}

}  // namespace

TEST_CASE("distance: far apart, the nearest comes first") {
  const auto topology = regions_on({"10.0.0.1", "10.1.0.1", "10.2.0.1"});
  CHECK(by_round_trips(topology, RoundTrips{80ms, 1ms, 30ms}) == ids({1, 2, 0}));
}

TEST_CASE("distance: round trips that differ by noise, the topology's order") {
  const auto topology = regions_on({"10.0.0.1", "10.1.0.1", "10.2.0.1"});
  CHECK(by_round_trips(topology, RoundTrips{900us, 300us, 100us}) == ids({0, 1, 2}));
  CHECK(by_round_trips(topology, RoundTrips{45ms, 40ms, 2ms}) == ids({2, 0, 1}));
}

TEST_CASE("distance: regions on one host, the topology's order whatever a busy machine measures") {
  const auto topology = regions_on({"127.0.0.1", "127.0.0.1", "127.0.0.1"});
  CHECK(by_round_trips(topology, RoundTrips{70ms, 1ms, 20ms}) == ids({0, 1, 2}));
}

TEST_CASE("distance: regions that do not answer, last in the topology's order") {
  const auto topology = regions_on({"127.0.0.1", "127.0.0.1", "127.0.0.1"});
  CHECK(by_round_trips(topology, RoundTrips{{}, 50ms, 1ms}) == ids({1, 2, 0}));
  CHECK(by_round_trips(topology, RoundTrips{{}, {}, 1ms}) == ids({2, 0, 1}));
  CHECK(by_round_trips(topology, RoundTrips{{}, {}, {}}) == ids({0, 1, 2}));
}
