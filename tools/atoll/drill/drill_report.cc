#include "tools/atoll/drill/drill_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace atolldb::tools {
namespace {

using nlohmann::json;

double per_second(uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

double millis(Duration duration) { return static_cast<double>(duration.ns) / 1e6; }

void print_row(FILE* out, const std::string& phase, double seconds, const std::string& region,
               const RegionFigures& figures) {
  std::fprintf(out, "%-18s %7.1f  %-8s %9llu %9.0f %10.2f %10.2f %7llu\n", phase.c_str(), seconds,
               region.c_str(), static_cast<unsigned long long>(figures.done),
               per_second(figures.done, seconds), millis(figures.latency.percentile(50)),
               millis(figures.latency.percentile(99)), static_cast<unsigned long long>(figures.errors));
}

void print_phases(FILE* out, const DrillReport& report) {
  std::fprintf(out, "%-18s %7s  %-8s %9s %9s %10s %10s %7s\n", "phase", "seconds", "region", "writes",
               "writes/s", "p50 ms", "p99 ms", "errors");
  for (const PhaseFigures& phase : report.phases) {
    for (size_t i = 0; i < phase.regions.size(); ++i) {
      print_row(out, i == 0 ? phase.name : "", phase.seconds, report.regions[i], phase.regions[i]);
    }
  }
}

void print_nodes(FILE* out, const DrillReport& report) {
  std::fprintf(out, "\n%-12s %10s %10s %7s\n", "node", "keys", "elements", "wrong");
  for (const NodeVerdict& node : report.nodes) {
    std::fprintf(out, "%-12s %10llu %10llu %7llu\n", node.node.c_str(),
                 static_cast<unsigned long long>(node.keys), static_cast<unsigned long long>(node.elements),
                 static_cast<unsigned long long>(node.wrong));
    for (const std::string& example : node.examples) std::fprintf(out, "    %s\n", example.c_str());
  }
}

json phase_json(const DrillReport& report, const PhaseFigures& phase) {
  json regions = json::array();
  for (size_t i = 0; i < phase.regions.size(); ++i) {
    const RegionFigures& figures = phase.regions[i];
    regions.push_back({{"region", report.regions[i]},
                       {"writes", figures.done},
                       {"writes_per_second", per_second(figures.done, phase.seconds)},
                       {"p50_ms", millis(figures.latency.percentile(50))},
                       {"p99_ms", millis(figures.latency.percentile(99))},
                       {"errors", figures.errors}});
  }
  return {{"phase", phase.name}, {"seconds", phase.seconds}, {"regions", regions}};
}

json node_json(const NodeVerdict& node) {
  return {{"node", node.node},
          {"keys", node.keys},
          {"elements", node.elements},
          {"wrong", node.wrong},
          {"examples", node.examples}};
}

}  // namespace

uint64_t DrillReport::writes() const {
  uint64_t sum = 0;
  for (const PhaseFigures& phase : phases) {
    for (const RegionFigures& figures : phase.regions) sum += figures.done;
  }
  return sum;
}

uint64_t DrillReport::errors() const {
  uint64_t sum = 0;
  for (const PhaseFigures& phase : phases) {
    for (const RegionFigures& figures : phase.regions) sum += figures.errors;
  }
  return sum;
}

bool DrillReport::passed() const {
  return errors() == 0 && converged && !nodes.empty() &&
         std::all_of(nodes.begin(), nodes.end(), [](const NodeVerdict& node) { return node.wrong == 0; });
}

void print_table(FILE* out, const DrillReport& report) {
  std::fprintf(out, "\n%s: %llu packages, %.1f MB of stanzas, seed %llu\n\n", report.source.c_str(),
               static_cast<unsigned long long>(report.packages),
               static_cast<double>(report.stanza_bytes) / 1e6, static_cast<unsigned long long>(report.seed));
  print_phases(out, report);
  std::fprintf(out, "\n");
  if (!report.killed.empty()) {
    std::fprintf(out, "region %s was killed with SIGKILL and served again after %.1f s\n",
                 report.killed.c_str(), report.down_seconds);
  }
  for (size_t i = 0; i < report.regions.size(); ++i) {
    std::fprintf(out, "%s: %llu attempts repeated%s%s\n", report.regions[i].c_str(),
                 static_cast<unsigned long long>(report.retries[i]),
                 report.first_errors[i].empty() ? "" : "; first error: ", report.first_errors[i].c_str());
  }
  if (report.converged) {
    std::fprintf(out, "all nodes equal %.1f s after the last write\n", report.converge_seconds);
  } else {
    std::fprintf(out, "NOT converged %.1f s after the last write\n", report.converge_seconds);
  }
  print_nodes(out, report);
  std::fprintf(
      out, "verified in %.1f s\n%s\n", report.verify_seconds,
      report.passed() ? "passed: nothing lost, nothing twice, all nodes hold what the file says" : "FAILED");
}

std::string to_json(const DrillReport& report) {
  json phases = json::array();
  for (const PhaseFigures& phase : report.phases) phases.push_back(phase_json(report, phase));
  json nodes = json::array();
  for (const NodeVerdict& node : report.nodes) nodes.push_back(node_json(node));
  const json whole = {{"source", report.source},
                      {"packages", report.packages},
                      {"replaced", report.replaced},
                      {"stanza_bytes", report.stanza_bytes},
                      {"seed", report.seed},
                      {"regions", report.regions},
                      {"killed", report.killed.empty() ? json() : json(report.killed)},
                      {"down_seconds", report.down_seconds},
                      {"retries", report.retries},
                      {"first_errors", report.first_errors},
                      {"writes", report.writes()},
                      {"errors", report.errors()},
                      {"phases", phases},
                      {"converged", report.converged},
                      {"converge_seconds", report.converge_seconds},
                      {"verify_seconds", report.verify_seconds},
                      {"nodes", nodes},
                      {"passed", report.passed()}};
  return whole.dump();
}

}  // namespace atolldb::tools
