#include "tests/sim/scale/growth.h"

#include <charconv>
#include <cmath>

namespace atolldb::sim {

namespace {
std::optional<uint32_t> number(std::string_view text) {
  uint32_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

struct Sums {
  double n = 0, x = 0, y = 0, z = 0, xx = 0, yy = 0, xy = 0, xz = 0, yz = 0;
};

// Slope of z over x alone.
double slope(const Sums& s) { return (s.n * s.xz - s.x * s.z) / (s.n * s.xx - s.x * s.x); }
}  // namespace

std::optional<Shape> parse_shape(const std::string& text) {
  const size_t times = text.find('x');
  if (times != std::string::npos) {
    const auto regions = number(std::string_view(text).substr(0, times));
    const auto nodes = number(std::string_view(text).substr(times + 1));
    if (!regions || !nodes || *regions < 1 || *nodes < 1 || *regions > 200 || *nodes > 100)
      return std::nullopt;
    return Shape{*regions, *nodes};
  }
  static constexpr Shape kKnown[] = {{3, 3}, {3, 9}, {4, 15}, {10, 15}, {10, 30}, {20, 30}};
  for (const Shape& shape : kKnown)
    if (number(text) == shape.machines()) return shape;
  return std::nullopt;
}

std::optional<Growth> fit(const std::vector<Shape>& shapes, const std::vector<double>& values) {
  Sums all, two;  // x: log machines; and x: log regions, y: log nodes of a region
  for (size_t i = 0; i < shapes.size(); ++i) {
    if (!(values[i] > 0)) continue;
    const double regions = std::log(shapes[i].regions), nodes = std::log(shapes[i].nodes);
    const double x = regions + nodes, z = std::log(values[i]);
    all.n += 1, all.x += x, all.z += z, all.xx += x * x, all.xz += x * z;
    two.n += 1, two.x += regions, two.y += nodes, two.z += z;
    two.xx += regions * regions, two.yy += nodes * nodes, two.xy += regions * nodes;
    two.xz += regions * z, two.yz += nodes * z;
  }
  if (all.n < 2 || all.n * all.xx - all.x * all.x < 1e-9) return std::nullopt;
  Growth out;
  out.by_nodes = slope(all);
  const double sxx = two.xx - two.x * two.x / two.n, syy = two.yy - two.y * two.y / two.n;
  const double sxy = two.xy - two.x * two.y / two.n;
  const double sxz = two.xz - two.x * two.z / two.n, syz = two.yz - two.y * two.z / two.n;
  const double determinant = sxx * syy - sxy * sxy;
  if (two.n >= 4 && determinant > 1e-3 * sxx * syy && sxx > 0 && syy > 0) {
    out.by_regions = (sxz * syy - syz * sxy) / determinant;
    out.by_region_size = (syz * sxx - sxz * sxy) / determinant;
  }
  return out;
}

}  // namespace atolldb::sim
