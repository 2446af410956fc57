// What `atoll dev up` writes must be what the daemon reads.

#include "topology/format.h"

#include <catch2/catch.hpp>

#include "tests/topology/small_topology.h"

namespace atolldb::topology {
namespace {

// Every field, so that one that the writer forgets shows.
std::string all_fields(const Topology& t) {
  std::string out = t.cluster + "/" + std::to_string(t.placement.seed.k0) + "/" +
                    std::to_string(t.placement.seed.k1) + "/" + std::to_string(t.placement.partitions) + "/" +
                    std::to_string(static_cast<int>(t.durability)) + "/" + std::to_string(t.strict_disks) +
                    "/" + std::to_string(t.outbox_bytes_max) + "/" + std::to_string(t.memtable_bytes) + "/" +
                    t.digest;
  for (const Region& r : t.regions) {
    out += "\n" + r.name + "/" + std::to_string(raw(r.id)) + "/" + std::to_string(r.n) + "/" +
           std::to_string(r.r) + "/" + std::to_string(r.w);
    for (const NodeNumber n : r.nodes) out += "," + std::to_string(raw(n));
  }
  for (const Node& n : t.nodes) {
    out += "\n" + n.name + "/" + std::to_string(raw(n.number)) + "/" + std::to_string(raw(n.region)) + "/" +
           n.zone + "/" + n.public_key;
    for (const Address* a : {&n.resp, &n.http, &n.peer, &n.client}) out += "," + a->endpoint();
  }
  for (const Link& l : t.links)
    out += "\n" + std::to_string(raw(l.a)) + "-" + std::to_string(raw(l.b)) + "/" +
           std::to_string(l.delay_ms) + "/" + std::to_string(l.bytes_per_second_max);
  return out;
}

void check_round_trip(const Topology& topology) {
  const std::string text = format(topology);
  INFO(text);
  const auto back = parse(text, "t.toml");
  INFO((back ? "" : back.error().message));
  REQUIRE(back);
  CHECK(all_fields(*back) == all_fields(topology));
  CHECK(format(*back) == text);
}

TEST_CASE("topology format: written and read back, the same topology", "[topology]") {
  auto example = load("docs/examples/three-regions.toml");
  REQUIRE(example);
  check_round_trip(*example);
  auto small = parse(testing::kSmall, "t.toml");
  REQUIRE(small);
  check_round_trip(*small);
}

TEST_CASE("topology format: nothing at its default, the same topology", "[topology]") {
  auto example = load("docs/examples/three-regions.toml");
  REQUIRE(example);
  Topology& t = *example;
  t.strict_disks = true;
  t.durability = Durability::periodic;
  t.outbox_bytes_max = 5 << 20;
  t.memtable_bytes = 6 << 20;
  t.links[0].delay_ms = 40;
  t.nodes[0].zone.clear();
  check_round_trip(t);
}

}  // namespace
}  // namespace atolldb::topology
