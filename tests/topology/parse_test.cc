// What a topology file says is what the cluster is: every key reaches its field, and defaults are the
// documented ones.

#include <catch2/catch.hpp>

#include "tests/topology/small_topology.h"
#include "topology/topology.h"

namespace atolldb::topology {
namespace {

using testing::kSmall;
using testing::small_with;

Topology parsed(std::string_view toml) {
  auto result = parse(toml, "t.toml");
  INFO((result ? "" : result.error().message));
  REQUIRE(result);
  return *std::move(result);
}

TEST_CASE("topology: a small file, every key in its field", "[topology]") {
  const Topology t = parsed(kSmall);
  CHECK(t.cluster == "shop");
  CHECK(t.placement.seed == SipKey{0x0001020304050607, 0x08090a0b0c0d0e0f});
  REQUIRE(t.regions.size() == 2);
  CHECK(t.regions[0].name == "eu");
  CHECK(t.regions[0].nodes == std::vector{NodeNumber{1}, NodeNumber{2}});
  CHECK(t.regions[1].nodes == std::vector{NodeNumber{3}});
  const Node* node = t.find("eu-2");
  REQUIRE(node != nullptr);
  CHECK(node == t.find(NodeNumber{2}));
  CHECK(node->region == RegionId{0});
  CHECK(node->zone.empty());
  CHECK(node->resp.endpoint() == "tcp://127.0.0.1:7002");
  CHECK(node->http.port == 8002);
  CHECK(node->peer.port == 9002);
  CHECK(node->client.port == 10002);
  CHECK(node->public_key.size() == 40);
  CHECK(t.find("eu-3") == nullptr);
  CHECK(t.find(NodeNumber{4}) == nullptr);
  CHECK(t.find_region("ap") == nullptr);
  CHECK(t.link(RegionId{1}, RegionId{0}) == &t.links.at(0));
}

TEST_CASE("topology: nothing but what is required, documented defaults", "[topology]") {
  const Topology t = parsed(kSmall);
  CHECK(t.placement.partitions == 256);
  CHECK(t.durability == Durability::strict);
  CHECK_FALSE(t.strict_disks);
  CHECK(t.outbox_bytes_max == uint64_t{1} << 30);
  CHECK(t.memtable_bytes == uint64_t{32} << 20);
  CHECK(t.links[0].delay_ms == 0);
  CHECK(t.links[0].bytes_per_second_max == 0);
}

TEST_CASE("topology: every optional key given, taken over", "[topology]") {
  std::string text = small_with("0e0f\"\n", "0e0f\"\npartitions = 65536\nstrict_disks = true\n");
  text.replace(text.find("n = 1\n"), 6,
               "n = 1\nr = 1\nw = 1\ndurability = \"periodic\"\noutbox_bytes_max = 2097152\nmemtable_bytes = "
               "1048576\n");
  text.replace(text.find("region = \"eu\"\n"), 14, "region = \"eu\"\nzone = \"rack-9\"\n");
  const Topology t = parsed(text + "delay_ms = 40\nbytes_per_second_max = 1000000\n");
  CHECK(t.placement.partitions == 65536);
  CHECK(t.strict_disks);
  CHECK(t.durability == Durability::periodic);
  CHECK(t.outbox_bytes_max == 2097152);
  CHECK(t.memtable_bytes == 1048576);
  CHECK(t.find("eu-1")->zone == "rack-9");
  CHECK(t.links[0].delay_ms == 40);
  CHECK(t.links[0].bytes_per_second_max == 1'000'000);
}

TEST_CASE("topology: N without R and W, a majority", "[topology]") {
  const Topology t = parsed(small_with("name = \"eu\"\n", "name = \"eu\"\nn = 2\n"));
  CHECK(t.regions[0].n == 2);
  CHECK(t.regions[0].r == 2);
  CHECK(t.regions[0].w == 2);
  CHECK(t.regions[1].n == 1);
  CHECK(t.regions[1].r == 1);
  CHECK(t.regions[1].w == 1);
}

TEST_CASE("topology: the documented example, N=3 R=2 W=2 and a region of its own mind", "[topology]") {
  auto loaded = load("docs/examples/three-regions.toml");
  INFO((loaded ? "" : loaded.error().message));
  REQUIRE(loaded);
  CHECK(loaded->nodes.size() == 9);
  CHECK(loaded->regions.at(0).n == 3);
  CHECK(loaded->regions.at(0).r == 2);
  CHECK(loaded->regions.at(0).w == 2);
  CHECK(loaded->regions.at(2).r == 1);
  CHECK(loaded->regions.at(2).w == 3);
  CHECK(loaded->link(RegionId{0}, RegionId{2})->bytes_per_second_max == 12'500'000);
}

TEST_CASE("topology: nodes in any order in the file, sorted by number", "[topology]") {
  std::string text = small_with("number = 1\n", "number = 65535\n");
  const Topology t = parsed(text);
  CHECK(t.nodes.front().name == "eu-2");
  CHECK(t.nodes.back().name == "eu-1");
  CHECK(t.find(NodeNumber{65535}) == &t.nodes.back());
  CHECK(t.regions[0].nodes == std::vector{NodeNumber{65535}, NodeNumber{2}});
}

TEST_CASE("topology: digest, covers cluster, seed and partitions and nothing else", "[topology]") {
  const std::string digest = parsed(kSmall).digest;
  CHECK(digest.size() == 32);
  CHECK(parsed(small_with("\"shop\"", "\"shoq\"")).digest != digest);
  CHECK(parsed(small_with("0e0f\"", "0e0e\"")).digest != digest);
  CHECK(parsed(small_with("0e0f\"\n", "0e0f\"\npartitions = 255\n")).digest != digest);
  CHECK(parsed(small_with("0e0f\"\n", "0e0f\"\npartitions = 256\n")).digest == digest);
  CHECK(parsed(small_with("7001", "7009")).digest == digest);
}

TEST_CASE("topology: a file that is missing or a folder, an error that names it", "[topology]") {
  const auto missing = load("docs/examples/no-such.toml");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message ==
        "docs/examples/no-such.toml: cannot read the topology file: No such file or directory");
  const auto folder = load("docs/examples");
  REQUIRE_FALSE(folder);
  CHECK(folder.error().message == "docs/examples: cannot read the topology file: Is a directory");
}

}  // namespace
}  // namespace atolldb::topology
