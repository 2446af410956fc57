#include "tests/sim/scale/render.h"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace atolldb::sim {

namespace {
std::string fixed(double value, int digits) {
  char out[64];
  std::snprintf(out, sizeof out, "%.*f", digits, value);
  return out;
}

std::vector<Shape> shapes_of(const std::vector<Measured>& sizes) {
  std::vector<Shape> out;
  for (const Measured& m : sizes) out.push_back(m.shape);
  return out;
}

std::vector<double> values_of(const std::vector<Measured>& sizes, size_t figure) {
  std::vector<double> out;
  for (const Measured& m : sizes) out.push_back(m.figures[figure].value);
  return out;
}

const char* per(Per per) {
  switch (per) {
    case Per::node:
      return "node";
    case Per::cluster:
      return "cluster";
    case Per::write:
      return "write";
  }
  return "";
}
}  // namespace

std::string short_number(double value) {
  if (value == 0) return "0";
  const char* suffix = "";
  if (value >= 999.5e6)
    value /= 1e9, suffix = "G";
  else if (value >= 999.5e3)
    value /= 1e6, suffix = "M";
  else if (value >= 9'999.5)
    value /= 1e3, suffix = "k";
  return fixed(value, value >= 99.95 ? 0 : value >= 9.995 ? 1 : value >= 0.0995 ? 2 : 4) + suffix;
}

std::string render_table(const std::vector<Measured>& sizes) {
  if (sizes.empty()) return "";
  const auto shapes = shapes_of(sizes);
  std::string out, rule = "| --- | --- |", phase;
  for (size_t i = 0; i < sizes.front().figures.size(); ++i) {
    const Figure& figure = sizes.front().figures[i];
    if (figure.phase != phase) {
      phase = figure.phase;
      out += (out.empty() ? "" : "\n") + std::string("| ") + phase + " | of a |";
      rule = "| --- | --- |";
      for (const Shape& shape : shapes) {
        out += " " + std::to_string(shape.machines()) + " = " + std::to_string(shape.regions) + "×" +
               std::to_string(shape.nodes) + " |";
        rule += " ---: |";
      }
      out += " ~ nodes | ~ regions | ~ nodes of a region |\n" + rule + " ---: | ---: | ---: |\n";
    }
    out += "| " + figure.name + (figure.unit.empty() || figure.unit == "B" ? "" : ", " + figure.unit) +
           " | " + per(figure.per) + " |";
    const auto values = values_of(sizes, i);
    for (const double value : values) out += " " + short_number(value) + " |";
    const auto growth = fit(shapes, values);
    out += growth ? " " + fixed(growth->by_nodes, 2) + " |" : " |";
    out += growth && growth->by_regions
               ? " " + fixed(*growth->by_regions, 2) + " | " + fixed(*growth->by_region_size, 2) + " |\n"
               : " | |\n";
  }
  return out;
}

std::string render_json(const std::vector<Measured>& sizes) {
  nlohmann::json out = nlohmann::json::array();
  for (const Measured& m : sizes) {
    nlohmann::json size{{"nodes", m.shape.machines()},
                        {"regions", m.shape.regions},
                        {"nodes_in_a_region", m.shape.nodes},
                        {"figures", nlohmann::json::array()}};
    for (const Figure& f : m.figures)
      size["figures"].push_back(
          {{"phase", f.phase}, {"name", f.name}, {"unit", f.unit}, {"of_a", per(f.per)}, {"value", f.value}});
    out.push_back(std::move(size));
  }
  nlohmann::json laws = nlohmann::json::array();
  for (size_t i = 0; !sizes.empty() && i < sizes.front().figures.size(); ++i) {
    const auto growth = fit(shapes_of(sizes), values_of(sizes, i));
    if (!growth) continue;
    const Figure& f = sizes.front().figures[i];
    nlohmann::json law{{"phase", f.phase}, {"name", f.name}, {"by_nodes", growth->by_nodes}};
    if (growth->by_regions) {
      law["by_regions"] = *growth->by_regions;
      law["by_nodes_in_a_region"] = *growth->by_region_size;
    }
    laws.push_back(std::move(law));
  }
  return nlohmann::json{{"sizes", out}, {"growth", laws}}.dump(2) + "\n";
}

}  // namespace atolldb::sim
