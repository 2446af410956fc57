#pragma once
// How a figure grows with the size of a cluster: exponents of power laws, fitted by least squares to the
// logarithms of what was measured.

#include <optional>
#include <string>
#include <vector>

namespace atolldb::sim {

struct Shape {
  uint32_t regions = 0, nodes = 0;  // nodes: in each region
  uint32_t machines() const { return regions * nodes; }
  friend bool operator==(const Shape&, const Shape&) = default;
};
// "600", for the shapes of docs/scale.md, or "20x30". Nothing: it is neither.
std::optional<Shape> parse_shape(const std::string& text);

struct Growth {
  double by_nodes = 0;  // value ~ machines ^ by_nodes
  // value ~ regions ^ by_regions * nodes in a region ^ by_region_size; nothing where the shapes do not tell
  // the two apart.
  std::optional<double> by_regions, by_region_size;
};

// Nothing: fewer than two points above zero.
std::optional<Growth> fit(const std::vector<Shape>& shapes, const std::vector<double>& values);

}  // namespace atolldb::sim
