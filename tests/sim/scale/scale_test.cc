// Growth by counts, never by time: what a larger cluster may cost a node that does nothing, and a write.

#include <catch2/catch.hpp>
#include <cmath>

#include "tests/sim/scale/render.h"

using namespace atolldb;
using namespace atolldb::sim;

namespace {
Measured measured(const Shape& shape, uint32_t partitions) {
  ScaleOptions options;
  options.partitions = partitions;
  options.written = 16;
  options.write_for = Duration::seconds(4);
  options.idle_for = Duration::seconds(5);
  auto out = measure(shape, options, [](const std::string&) {});
  INFO((out ? "" : out.error().message));
  REQUIRE(out);
  return std::move(*out);
}
double value(const Measured& m, const char* phase, const char* name) {
  const Figure* figure = m.find(phase, name);
  INFO(phase << ": " << name);
  REQUIRE(figure != nullptr);
  return figure->value;
}
}  // namespace

TEST_CASE("growth: a power law in both dimensions, its exponents come out", "[sim]") {
  std::vector<Shape> shapes;
  std::vector<double> values;
  for (const char* size : {"9", "27", "60", "150", "300", "600"}) {
    shapes.push_back(*parse_shape(size));
    values.push_back(7 * std::pow(shapes.back().regions, 2) * std::pow(shapes.back().nodes, -0.5));
  }
  const auto growth = fit(shapes, values);
  REQUIRE(growth);
  REQUIRE(growth->by_regions);
  CHECK(*growth->by_regions == Approx(2));
  CHECK(*growth->by_region_size == Approx(-0.5));
  for (size_t i = 0; i < shapes.size(); ++i) values[i] = std::pow(shapes[i].machines(), 1.5);
  CHECK(fit(shapes, values)->by_nodes == Approx(1.5));
  CHECK_FALSE(fit({shapes[0]}, {1}));
  CHECK_FALSE(fit(shapes, std::vector<double>(6)));
  CHECK_FALSE(
      fit({{2, 4}, {4, 8}, {8, 16}, {16, 32}}, {1, 2, 3, 4})->by_regions);  // nothing tells them apart
}

TEST_CASE("growth: sizes, known ones and shapes are read and others refused", "[sim]") {
  CHECK(parse_shape("600") == Shape{20, 30});
  CHECK(parse_shape("4x7") == Shape{4, 7});
  for (const char* wrong : {"", "10", "x", "4x", "x4", "0x3", "3x0", "3x3x3", "-3x3", "300x3", "3x101"})
    CHECK_FALSE(parse_shape(wrong));
}

TEST_CASE("scale: 9 and 60 nodes, an idle node says nothing but bounded heartbeats", "[sim]") {
  const Measured small = measured({3, 3}, 256), large = measured({4, 15}, 256);
  for (const char* phase : {"idle, fresh", "idle, used"}) {
    INFO(phase);
    for (const Measured& m : {small, large}) {
      CHECK(value(m, phase, "messages a second") == 0);
      CHECK(value(m, phase, "bytes to disk a second") == 0);
      CHECK(value(m, phase, "ticks a second") <= 12);
    }
    CHECK(value(small, phase, "frames a second") >= 30);
    CHECK(value(large, phase, "frames a second") <= 4 * value(small, phase, "frames a second"));
    CHECK(value(large, phase, "bytes a second") <= 4 * value(small, phase, "bytes a second"));
  }
  CHECK(value(large, "clock", "outbox entries left") == 0);
  CHECK(value(large, "clock", "kept with a row") == 0);
}

TEST_CASE("scale: 9 and 60 nodes, a start asks every node a few times and takes each partition once",
          "[sim]") {
  for (const Shape& shape : {Shape{3, 3}, Shape{4, 15}}) {
    const Measured m = measured(shape, 256);
    INFO(shape.machines() << " nodes");
    const double nodes = shape.machines();
    // Hello to all, again to those whose link was not up yet, and as many answers.
    CHECK(value(m, "start", "hello, messages") <= 4 * nodes);
    // Two others are asked to promise, and do.
    CHECK(value(m, "start", "takeover, messages") <= 1.2 * 256 * shape.regions * 4 / nodes);
  }
}

TEST_CASE("scale: 9 and 60 nodes, a write costs messages as there are regions, whatever their size",
          "[sim]") {
  const Measured small = measured({3, 3}, 256), large = measured({4, 15}, 256), wide = measured({8, 3}, 256);
  for (const Measured& m : {small, large, wide}) {
    const double regions = m.shape.regions;
    INFO(m.shape.regions << " regions of " << m.shape.nodes);
    CHECK(value(m, "writes", "append and ack, messages") <= 4.2 * regions);
    CHECK(value(m, "writes", "batch, messages") <= 1.1 * (regions - 1));
    CHECK(value(m, "writes", "marker, messages") <= 1.1 * (regions - 1));
    CHECK(value(m, "writes", "ack, messages") <= 2.2 * (regions - 1));
    CHECK(value(m, "writes", "progress, messages") <= 5 * regions);
  }
  // Of one region, per write: a progress speaks of the actors that changed, not of all.
  const auto progress_bytes = [](const Measured& m) {
    return value(m, "writes", "progress, bytes") / m.shape.regions;
  };
  CHECK(progress_bytes(wide) <= 1.3 * progress_bytes(small));
}
