#pragma once
// What was measured at several sizes, for people and programs: a table in Markdown with the growth law of
// each figure, the same as JSON, and a plot.

#include <string>
#include <vector>

#include "tests/sim/scale/measure.h"

namespace atolldb::sim {

std::string render_table(const std::vector<Measured>& sizes);
std::string render_json(const std::vector<Measured>& sizes);
// A log-log plot of the costs that matter, as an SVG of its own.
std::string render_svg(const std::vector<Measured>& sizes);

// Three digits that count, with k and M for thousands and millions.
std::string short_number(double value);

}  // namespace atolldb::sim
