// The ring decides where data lies: it must load nodes evenly, move little when a node joins, and put
// replicas into different zones.

#include "topology/ring.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "tests/topology/small_topology.h"

namespace atolldb::topology {
namespace {

using testing::one_region;

std::vector<std::vector<NodeNumber>> lists_of(const Topology& topology) {
  const Ring ring(topology, RegionId{0});
  std::vector<std::vector<NodeNumber>> lists;
  for (uint32_t p = 0; p < topology.placement.partitions; ++p) {
    const auto replicas = ring.replicas(PartitionId{static_cast<uint16_t>(p)});
    lists.emplace_back(replicas.begin(), replicas.end());
  }
  return lists;
}

TEST_CASE("ring: N nodes wanted, N distinct nodes listed", "[topology]") {
  for (const auto& list : lists_of(one_region("-----", 3)))
    CHECK(std::set(list.begin(), list.end()).size() == 3);
  for (const auto& list : lists_of(one_region("-", 1))) CHECK(list == std::vector{NodeNumber{1}});
}

TEST_CASE("ring: the same topology, the same lists; another seed, other lists", "[topology]") {
  CHECK(lists_of(one_region("-----", 3)) == lists_of(one_region("-----", 3)));
  CHECK(lists_of(one_region("-----", 3)) != lists_of(one_region("-----", 3, 8)));
}

// Placement is part of what is on disk: these lists may never change for this seed.
TEST_CASE("ring: golden lists, unchanged", "[topology]") {
  const auto lists = lists_of(one_region("aabbc", 3, 1));
  const auto numbers = [&](size_t p) {
    std::vector<int> out;
    for (const NodeNumber n : lists[p]) out.push_back(raw(n));
    return out;
  };
  CHECK(numbers(0) == std::vector{3, 5, 1});
  CHECK(numbers(1) == std::vector{4, 2, 5});
  CHECK(numbers(255) == std::vector{5, 4, 2});
}

TEST_CASE("ring: five nodes, each within a fifth of its fair share", "[topology]") {
  Topology topology = one_region("-----", 3);
  topology.placement.partitions = 65536;
  std::map<NodeNumber, double> first, any;
  for (const auto& list : lists_of(topology)) {
    ++first[list.front()];
    for (const NodeNumber n : list) ++any[n];
  }
  for (const Node& node : topology.nodes) {
    CHECK(first[node.number] / 65536 == Approx(1.0 / 5).epsilon(0.2));
    CHECK(any[node.number] / 65536 == Approx(3.0 / 5).epsilon(0.2));
  }
}

// 256 partitions sample the circle coarsely, so that the bound is wider here.
TEST_CASE("ring: three nodes and 256 partitions, no node first on less than a fifth", "[topology]") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    std::map<NodeNumber, int> first;
    for (const auto& list : lists_of(one_region("---", 3, seed))) ++first[list.front()];
    for (const auto& [node, count] : first) CHECK(count >= 256 / 5);
    CHECK(first.size() == 3);
  }
}

TEST_CASE("ring: a node joins five, about a sixth moves and only to it", "[topology]") {
  Topology before = one_region("-----", 1), after = one_region("------", 1);
  before.placement.partitions = after.placement.partitions = 16384;
  const auto old_lists = lists_of(before), new_lists = lists_of(after);
  int moved = 0;
  for (size_t p = 0; p < old_lists.size(); ++p) {
    if (old_lists[p] == new_lists[p]) continue;
    ++moved;
    CHECK(new_lists[p].front() == NodeNumber{6});
  }
  CHECK(moved / 16384.0 == Approx(1.0 / 6).epsilon(0.25));
}

TEST_CASE("ring: a node joins five, replicas change only by the newcomer", "[topology]") {
  Topology before = one_region("-----", 3), after = one_region("------", 3);
  before.placement.partitions = after.placement.partitions = 4096;
  const auto old_lists = lists_of(before), new_lists = lists_of(after);
  for (size_t p = 0; p < old_lists.size(); ++p)
    for (const NodeNumber n : new_lists[p])
      if (n != NodeNumber{6}) CHECK(std::ranges::find(old_lists[p], n) != old_lists[p].end());
}

std::map<std::string, int> zones_of(const Topology& topology, const std::vector<NodeNumber>& list) {
  std::map<std::string, int> zones;
  for (const NodeNumber n : list) ++zones[topology.find(n)->zone];
  return zones;
}

TEST_CASE("ring: as many zones as replicas, each replica in a zone of its own", "[topology]") {
  const Topology topology = one_region("aaaabbc", 3);
  for (const auto& list : lists_of(topology)) CHECK(zones_of(topology, list).size() == 3);
}

TEST_CASE("ring: fewer zones than replicas, spread as evenly as the nodes allow", "[topology]") {
  const Topology two_zones = one_region("aaabbb", 4);
  for (const auto& list : lists_of(two_zones))
    CHECK(zones_of(two_zones, list) == std::map<std::string, int>{{"a", 2}, {"b", 2}});
  const Topology uneven = one_region("aaab", 3);
  for (const auto& list : lists_of(uneven))
    CHECK(zones_of(uneven, list) == std::map<std::string, int>{{"a", 2}, {"b", 1}});
}

TEST_CASE("ring: nodes without a zone, zones of their own", "[topology]") {
  const Topology topology = one_region("aa-", 2);
  for (const auto& list : lists_of(topology)) CHECK(std::ranges::find(list, NodeNumber{3}) != list.end());
}

TEST_CASE("ring: two regions, each lists its own nodes only", "[topology]") {
  auto parsed = parse(testing::kSmall, "t.toml");
  REQUIRE(parsed);
  const Ring us(*parsed, RegionId{1});
  for (uint16_t p = 0; p < 256; ++p) {
    CHECK(us.replicas(PartitionId{p}).size() == 1);
    CHECK(us.replicas(PartitionId{p}).front() == NodeNumber{3});
  }
}

}  // namespace
}  // namespace atolldb::topology
