#pragma once
// A small valid topology that tests bend, and the means to bend it.

#include <string>
#include <string_view>

#include "crdt/base/ensure.h"
#include "topology/topology.h"

namespace atolldb::topology::testing {

// Two regions of two and one nodes. Line numbers in the tests count from here.
inline constexpr std::string_view kSmall = R"toml([cluster]
name = "shop"
seed = "000102030405060708090a0b0c0d0e0f"

[defaults]
n = 1

[[region]]
name = "eu"

[[region]]
name = "us"

[[node]]
name = "eu-1"
number = 1
region = "eu"
address = "127.0.0.1"
ports = { resp = 7001, http = 8001, peer = 9001, client = 10001 }
public_key = "RKW{F*j<(9o3c#ba6[[7hREK$ca#h:o)Q[Kuy2<q"

[[node]]
name = "eu-2"
number = 2
region = "eu"
address = "127.0.0.1"
ports = { resp = 7002, http = 8002, peer = 9002, client = 10002 }
public_key = "C.Y4SlCJ>n/ZV.gz+*)?+7rWrDrz}=D+zU}ch:?%"

[[node]]
name = "us-1"
number = 3
region = "us"
address = "127.0.0.1"
ports = { resp = 7101, http = 8101, peer = 9101, client = 10101 }
public_key = "R&^.j-L$3Ut[50$&.!KxR9O+D[#bk8Y5]IY7n2R)"

[[link]]
between = ["eu", "us"]
)toml";

// kSmall with the first occurrence of `old` replaced.
inline std::string small_with(std::string_view old, std::string_view replacement) {
  std::string text(kSmall);
  const size_t at = text.find(old);
  ensure(at != std::string::npos, "the text to replace occurs");
  return text.replace(at, old.size(), replacement);
}

// A region of nodes numbered from 1, in zones given by letters ("aabb"); '-' is a node without a zone.
inline Topology one_region(std::string_view zones, uint32_t n, uint64_t seed = 7) {
  Topology topology;
  topology.cluster = "test";
  topology.placement.seed = {seed, ~seed};
  Region region;
  region.name = "eu";
  region.n = n;
  for (const char zone : zones) {
    Node node;
    node.number = NodeNumber{static_cast<uint16_t>(topology.nodes.size() + 1)};
    node.name = "eu-" + std::to_string(raw(node.number));
    if (zone != '-') node.zone = std::string(1, zone);
    region.nodes.push_back(node.number);
    topology.nodes.push_back(node);
  }
  topology.regions.push_back(region);
  return topology;
}

}  // namespace atolldb::topology::testing
