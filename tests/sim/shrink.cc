#include "tests/sim/shrink.h"

#include <algorithm>

namespace atolldb::sim {

namespace {

class Shrinker {
 public:
  Shrinker(const Plan& plan, std::string property, uint64_t runs_max)
      : plan_(plan), property_(std::move(property)), left_(runs_max) {}

  Plan shrink() {
    cut_the_end();
    drop(&Plan::faults);
    drop(&Plan::operations);
    drop(&Plan::faults);
    return plan_;
  }
  uint64_t runs() const { return runs_; }

 private:
  bool still_fails(const Plan& plan) {
    if (left_ == 0 || plan.operations.empty()) return false;
    --left_;
    ++runs_;
    const RunResult result = run(plan);
    return result.violation && result.violation->property == property_;
  }

  // Most violations need no more than a part of the run.
  void cut_the_end() {
    for (int halves = 0; halves < 6; ++halves) {
      Plan shorter = plan_;
      shorter.ends = Instant{plan_.ends.ns * 2 / 3};
      std::erase_if(shorter.operations, [&](const auto& o) { return o.at >= shorter.ends; });
      std::erase_if(shorter.faults, [&](const auto& f) { return f.at >= shorter.ends; });
      if (!still_fails(shorter)) return;
      plan_ = std::move(shorter);
    }
  }

  template <typename T>
  void drop(std::vector<T> Plan::*list) {
    for (size_t size = ((plan_.*list).size() + 1) / 2; size > 0 && left_ > 0; size /= 2)
      for (size_t at = 0; at < (plan_.*list).size() && left_ > 0;) {
        Plan shorter = plan_;
        auto& items = shorter.*list;
        const auto first = items.begin() + static_cast<ptrdiff_t>(at);
        items.erase(first, first + static_cast<ptrdiff_t>(std::min(size, items.size() - at)));
        if (still_fails(shorter))
          plan_ = std::move(shorter);
        else
          at += size;
      }
  }

  Plan plan_;
  std::string property_;
  uint64_t left_, runs_ = 0;
};

std::string at(Instant when) {
  return std::to_string(when.ns / 1'000'000'000) + "." +
         std::to_string(1'000'000 + when.ns / 1000 % 1'000'000).substr(1);
}

}  // namespace

Shrunk shrink(const Plan& plan, const Violation& violation, uint64_t runs_max) {
  Shrinker shrinker(plan, violation.property, runs_max);
  Shrunk out;
  out.plan = shrinker.shrink();
  out.result = run(out.plan, {true});
  out.runs = shrinker.runs();
  return out;
}

std::string describe(const Plan& plan, const RunResult& result) {
  std::string out = "  " + describe(plan) + "\n";
  if (result.violation) out += "  " + result.violation->property + ": " + result.violation->what + "\n";
  std::vector<std::pair<Instant, std::string>> lines;
  for (const auto& line : result.lines) lines.emplace_back(line.at, line.text);
  for (const Operation& o : result.history) {
    const bool concerns = !result.violation || result.violation->keys.empty() ||
                          std::find(result.violation->keys.begin(), result.violation->keys.end(), o.key) !=
                              result.violation->keys.end();
    if (concerns) lines.emplace_back(o.invoked, "operation " + describe(o));
  }
  for (const auto& line : result.of_keys) lines.emplace_back(line.at, "update    " + line.text);
  std::stable_sort(lines.begin(), lines.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [when, text] : lines) out += "  " + at(when) + "  " + text + "\n";
  return out;
}

}  // namespace atolldb::sim
