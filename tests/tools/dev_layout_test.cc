// Ports and names of a dev cluster are promised by formula (docs/guide/dev-cluster.md); scripts rely on it.

#include "tools/atoll/dev_layout.h"

#include <catch2/catch.hpp>

#include "topology/format.h"

namespace atolldb::tools {
namespace {

TEST_CASE("dev cluster: three regions, ports and numbers by the formula", "[tools]") {
  const topology::Topology made = make_topology({});
  REQUIRE(made.nodes.size() == 9);
  const topology::Node* node = made.find("ap-2");
  REQUIRE(node != nullptr);
  CHECK(node->resp.port == 7202);
  CHECK(node->http.port == 8202);
  CHECK(node->peer.port == 9202);
  CHECK(node->client.port == 10202);
  CHECK(node->resp.host == "127.0.0.1");
  CHECK(raw(node->number) == 8);
  CHECK(node->zone == "b");
  CHECK(made.regions[2].n == 3);
  CHECK(made.regions[2].w == 2);
  REQUIRE(made.link(RegionId{0}, RegionId{2}) != nullptr);
  CHECK(made.link(RegionId{0}, RegionId{2})->delay_ms == 40);
}

TEST_CASE("dev cluster: ports among those of outgoing connections, a warning that says how to avoid it",
          "[tools]") {
  DevSpec spec;
  CHECK(port_warning(spec, 32'768).empty());
  spec.base_port = 29'565;
  CHECK(port_warning(spec, 32'768).find("a base port up to 29564 ") != std::string::npos);
  spec.base_port = 29'564;
  CHECK(port_warning(spec, 32'768).empty());
}

TEST_CASE("dev cluster: fewer and more nodes than three, N at most three and majorities", "[tools]") {
  for (const auto& [nodes, n, quorum] : {std::tuple{1u, 1u, 1u}, {2u, 2u, 2u}, {3u, 3u, 2u}, {5u, 3u, 2u}}) {
    DevSpec spec;
    spec.nodes = nodes;
    const topology::Topology made = make_topology(spec);
    CHECK(made.regions[0].n == n);
    CHECK(made.regions[0].r == quorum);
    CHECK(made.regions[0].w == quorum);
  }
}

TEST_CASE("dev cluster: its topology with keys, accepted by the parser", "[tools]") {
  DevSpec spec;
  spec.nodes = 30;
  topology::Topology made = make_topology(spec);
  for (size_t i = 0; i < made.nodes.size(); ++i) {
    std::string key(40, '0');
    key[8] = "0123456789"[i % 10];
    key[9] = "0123456789"[i / 10];
    made.nodes[i].public_key = key;
  }
  const auto parsed = topology::parse(topology::format(made), "topology.toml");
  if (!parsed) FAIL(parsed.error().message);
  CHECK(parsed->nodes.size() == 90);
  CHECK(parsed->find("us-30")->client.port == 10130);
}

TEST_CASE("dev cluster: options out of range, an error that says what may be", "[tools]") {
  const auto message = [](auto change) {
    DevSpec spec;
    change(spec);
    const Status status = check(spec);
    return status ? std::string("no error") : status.error().message;
  };
  CHECK(message([](DevSpec&) {}) == "no error");
  CHECK_THAT(message([](DevSpec& s) { s.regions = {}; }), Catch::Contains("1 to 10"));
  CHECK_THAT(message([](DevSpec& s) { s.regions = {"eu", "eu"}; }), Catch::Contains("named twice"));
  CHECK_THAT(message([](DevSpec& s) { s.regions = {"eu-1"}; }), Catch::Contains("'eu-1'"));
  CHECK_THAT(message([](DevSpec& s) { s.regions = {"../x"}; }), Catch::Contains("'../x'"));
  CHECK_THAT(message([](DevSpec& s) { s.regions = {""}; }), Catch::Contains("''"));
  CHECK_THAT(message([](DevSpec& s) { s.nodes = 0; }), Catch::Contains("1 to 99"));
  CHECK_THAT(message([](DevSpec& s) { s.nodes = 100; }), Catch::Contains("1 to 99"));
  CHECK_THAT(message([](DevSpec& s) { s.base_port = 80; }), Catch::Contains("1024"));
  CHECK_THAT(message([](DevSpec& s) { s.base_port = 62'400; }), Catch::Contains("to 62332"));
  CHECK(message([](DevSpec& s) { s.base_port = 62'332; }) == "no error");
}

TEST_CASE("dev cluster: delays as people write them", "[tools]") {
  CHECK(*parse_delay("40ms") == 40);
  CHECK(*parse_delay("0") == 0);
  CHECK(*parse_delay("2s") == 2000);
  for (const char* wrong : {"", "ms", "40", "-1ms", "40 ms", "1.5s", "61s", "99999999999s"}) {
    CHECK_FALSE(parse_delay(wrong));
  }
}

}  // namespace
}  // namespace atolldb::tools
