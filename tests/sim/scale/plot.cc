// Three panels side by side, each with both axes logarithmic: how many times what the smallest cluster paid.

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "tests/sim/scale/render.h"

namespace atolldb::sim {

namespace {
struct Line {
  const char* phase;
  const char* name;
  const char* label;
};
struct Panel {
  const char* title;
  std::vector<Line> lines;
};

const std::vector<Panel>& panels() {
  static const std::vector<Panel> kPanels = {
      {"An idle node, each second",
       {{"idle, used", "frames a second", "frames"},
        {"idle, used", "bytes a second", "bytes"},
        {"idle, used", "processor time a second", "processor time"},
        {"idle, used", "messages a second", "messages"}}},
      {"A write, all nodes together",
       {{"writes", "append and ack, messages", "append and ack"},
        {"writes", "batch, messages", "batch"},
        {"writes", "ack, messages", "ack between regions"},
        {"writes", "marker, bytes", "marker bytes"},
        {"writes", "progress, bytes", "progress bytes"},
        {"writes", "bytes of messages", "all bytes"}}},
      {"A node's start and state",
       {{"start", "hello, messages", "hello"},
        {"start", "bytes", "bytes at start"},
        {"clock", "on the wire", "clock, bytes"},
        {"memory", "heap", "memory"},
        {"writes", "until all is silent", "time to converge"}}},
  };
  return kPanels;
}

constexpr const char* kColours[] = {"#1b6ca8", "#c2571a", "#2e8b57", "#8e44ad", "#b8860b", "#c0392b"};
constexpr double kWidth = 330, kHeight = 300, kLeft = 52, kTop = 46, kGap = 150, kBottom = 48;

template <typename... Args>
std::string format(const char* text, Args... args) {
  char out[512];
  std::snprintf(out, sizeof out, text, args...);
  return out;
}

struct Scaled {
  double low, high;  // logarithms
  double at(double value) const { return (std::log10(value) - low) / (high - low); }
};

struct Curve {
  std::string label;
  std::vector<std::pair<double, double>> points;  // nodes, times the first value
};

std::vector<Curve> curves_of(const Panel& panel, const std::vector<Measured>& sizes) {
  std::vector<Curve> out;
  for (const Line& line : panel.lines) {
    std::vector<Shape> shapes;
    std::vector<double> values;
    for (const Measured& m : sizes) {
      const Figure* figure = m.find(line.phase, line.name);
      if (figure == nullptr || !(figure->value > 0)) continue;
      shapes.push_back(m.shape);
      values.push_back(figure->value);
    }
    const auto growth = fit(shapes, values);
    if (!growth) continue;
    Curve curve;
    curve.label = format("%s  ^%.2f", line.label, growth->by_nodes);
    for (size_t i = 0; i < shapes.size(); ++i)
      curve.points.emplace_back(shapes[i].machines(), values[i] / values[0]);
    out.push_back(std::move(curve));
  }
  return out;
}

std::string grid(double left, const Scaled& x, const Scaled& y, const std::vector<Measured>& sizes) {
  std::string out = format("<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f' class='frame'/>\n", left, kTop,
                           kWidth, kHeight);
  for (const Measured& m : sizes) {
    const double at = left + x.at(m.shape.machines()) * kWidth;
    out += format("<line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f' class='grid'/>\n", at, kTop, at,
                  kTop + kHeight);
    out += format("<text x='%.1f' y='%.1f' text-anchor='middle'>%u</text>\n", at, kTop + kHeight + 16,
                  m.shape.machines());
  }
  for (int power = static_cast<int>(std::ceil(y.low)); power <= y.high + 1e-9; ++power) {
    const double at = kTop + kHeight - (power - y.low) / (y.high - y.low) * kHeight;
    out +=
        format("<line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f' class='grid'/>\n", left, at, left + kWidth, at);
    out += format("<text x='%.1f' y='%.1f' text-anchor='end'>%g×</text>\n", left - 6, at + 4,
                  std::pow(10, power));
  }
  return out;
}

// Where each label stands: beside its line's end, and not upon another one.
std::vector<double> spread(std::vector<double> wanted) {
  std::vector<size_t> order(wanted.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return wanted[a] < wanted[b]; });
  for (size_t i = 1; i < order.size(); ++i)
    wanted[order[i]] = std::max(wanted[order[i]], wanted[order[i - 1]] + 14);
  return wanted;
}

std::string draw(const Panel& panel, double left, const std::vector<Measured>& sizes) {
  const auto curves = curves_of(panel, sizes);
  double least = 1, most = 10;
  for (const Curve& curve : curves)
    for (const auto& [nodes, times] : curve.points)
      least = std::min(least, times), most = std::max(most, times);
  const double first = sizes.front().shape.machines(), last = sizes.back().shape.machines();
  const Scaled x{std::log10(std::min(first, last)) - 0.05, std::log10(std::max(first, last)) + 0.05};
  const Scaled y{std::log10(least) - 0.1, std::log10(most) + 0.1};
  std::string out = format("<text x='%.1f' y='%.1f' class='title'>%s</text>\n", left, kTop - 14, panel.title);
  out += grid(left, x, y, sizes);
  // What would grow as the number of nodes does.
  const double end = std::min(last, first * std::pow(10, y.high));
  out += format("<line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f' class='linear'/>\n",
                left + x.at(first) * kWidth, kTop + kHeight - y.at(1) * kHeight, left + x.at(end) * kWidth,
                kTop + kHeight - y.at(end / first) * kHeight);
  std::vector<double> ends;
  for (const Curve& curve : curves)
    ends.push_back(kTop + kHeight - y.at(curve.points.back().second) * kHeight + 4);
  ends = spread(ends);
  for (size_t i = 0; i < curves.size(); ++i) {
    const char* colour = kColours[i % std::size(kColours)];
    std::string points;
    for (const auto& [nodes, times] : curves[i].points)
      points += format("%.1f,%.1f ", left + x.at(nodes) * kWidth, kTop + kHeight - y.at(times) * kHeight);
    out += format("<polyline points='%s' stroke='%s' class='curve'/>\n", points.c_str(), colour);
    out += format("<text x='%.1f' y='%.1f' fill='%s'>%s</text>\n", left + kWidth + 6, ends[i], colour,
                  curves[i].label.c_str());
  }
  return out;
}
}  // namespace

std::string render_svg(const std::vector<Measured>& sizes) {
  const double step = kLeft + kWidth + kGap, width = step * static_cast<double>(panels().size());
  std::string out =
      format("<svg xmlns='http://www.w3.org/2000/svg' width='%.0f' height='%.0f' viewBox='0 0 %.0f %.0f'>\n",
             width, kTop + kHeight + kBottom, width, kTop + kHeight + kBottom);
  out +=
      "<style>text{font:12px sans-serif}.title{font-weight:bold}"
      ".frame{fill:#fff;stroke:#999}.grid{stroke:#ddd}.linear{stroke:#888;stroke-dasharray:5 4}"
      ".curve{fill:none;stroke-width:2}</style>\n<rect width='100%' height='100%' fill='#fff'/>\n";
  if (sizes.size() > 1)
    for (size_t i = 0; i < panels().size(); ++i)
      out += draw(panels()[i], kLeft + step * static_cast<double>(i), sizes);
  out += format(
      "<text x='%.1f' y='%.1f'>nodes of the cluster; dashed: growth by ^1, as the number of nodes</text>\n",
      kLeft, kTop + kHeight + kBottom - 12);
  return out + "</svg>\n";
}

}  // namespace atolldb::sim
