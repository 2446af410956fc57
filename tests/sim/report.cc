#include "tests/sim/report.h"

#include <cstdio>

namespace atolldb::sim {

namespace {
template <typename... Args>
void print(std::string& out, const char* format, Args... args) {
  char line[256];
  std::snprintf(line, sizeof line, format, args...);
  out += line;
}
using Number = unsigned long long;
}  // namespace

void Report::add(const RunResult& r) {
  ++runs_;
  violations_ += r.violation ? 1 : 0;
  operations_ += r.operations;
  answered_ += r.answered;
  done_ += r.done;
  updates_ += r.updates;
  events_ += r.events;
  simulated_ = simulated_ + r.simulated;
  network_.frames += r.network.frames;
  network_.bytes += r.network.bytes;
  network_.lost += r.network.lost;
  network_.doubled += r.network.doubled;
  network_.reordered += r.network.reordered;
  network_.refused += r.network.refused;
  network_.broken += r.network.broken;
  faults_.add(r.faults);
  probes_.add(r.probes);
  for (const Verdict& verdict : r.verdicts) judged_[verdict.property] += verdict.judged;
}

std::vector<std::string> Report::missed() const {
  std::vector<std::string> out;
  for (size_t i = 0; i < Probes::kCount; ++i)
    if (probes_.count(static_cast<Probe>(i)) == 0)
      out.push_back("the state '" + std::string(Probes::name(static_cast<Probe>(i))) + "' was never reached");
  for (size_t i = 0; i < kFaultKinds; ++i)
    if (faults_.done[i] == 0)
      out.push_back("the fault '" + name_of(static_cast<FaultKind>(i)) + "' never happened");
  for (const auto& [property, judged] : judged_)
    if (judged == 0) out.push_back("the checker of " + property + " had nothing to judge");
  return out;
}

std::string Report::text(std::optional<double> wall_seconds) const {
  std::string out;
  const double seconds = simulated_.as_seconds();
  print(out, "%-34s %12llu\n", "runs", Number{runs_});
  print(out, "%-34s %12llu\n", "violations", Number{violations_});
  print(out, "%-34s %12.1f  (%.2f days)\n", "simulated seconds", seconds, seconds / 86'400);
  print(out, "%-34s %12llu  (%llu answered, %llu done)\n", "operations", Number{operations_},
        Number{answered_}, Number{done_});
  print(out, "%-34s %12llu\n", "updates", Number{updates_});
  print(out, "%-34s %12llu  (%llu MiB)\n", "frames sent", Number{network_.frames},
        Number{network_.bytes >> 20});
  print(out, "%-34s %12llu  lost, %llu doubled, %llu reordered, %llu refused, %llu connections broken\n",
        "  of them", Number{network_.lost}, Number{network_.doubled}, Number{network_.reordered},
        Number{network_.refused}, Number{network_.broken});
  print(out, "%-34s %12llu\n", "events", Number{events_});
  print(out, "%-34s %12llu\n", "crashes", Number{faults_.crashes});
  out += "\nfaults                                  done   left out\n";
  for (size_t i = 0; i < kFaultKinds; ++i)
    print(out, "  %-32s %9llu  %9llu\n", name_of(static_cast<FaultKind>(i)).c_str(), Number{faults_.done[i]},
          Number{faults_.left_out[i]});
  out += "\nrare states reached                    times\n";
  for (size_t i = 0; i < Probes::kCount; ++i)
    print(out, "  %-44.*s %9llu\n", static_cast<int>(Probes::name(static_cast<Probe>(i)).size()),
          Probes::name(static_cast<Probe>(i)).data(), Number{probes_.count(static_cast<Probe>(i))});
  out += "\nchecked                               judged\n";
  for (const auto& [property, judged] : judged_)
    print(out, "  %-32s %9llu\n", property.c_str(), Number{judged});
  if (wall_seconds && *wall_seconds > 0)
    print(out, "\n%.1f s: %.0f simulated seconds a second, %.0f operations a second\n", *wall_seconds,
          seconds / *wall_seconds, static_cast<double>(operations_) / *wall_seconds);
  return out;
}

}  // namespace atolldb::sim
