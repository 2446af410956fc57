#pragma once
// What the micro-benchmarks share: turns of one and the other, and a table or JSON of figures with their
// ratios.

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

namespace atolldb::bench {

using Clock = std::chrono::steady_clock;

inline double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Pair {
  double ours = 0, reference = 0;
};

// Nanoseconds an operation. Short turns of one and the other, so that a machine that changes its pace does so
// for both. Each call does some operations and returns {how many, seconds that they took}.
struct Work {
  double operations = 0, seconds = 0;
};
template <typename Ours, typename Reference>
Pair take_turns(double seconds, Ours&& ours, Reference&& reference) {
  constexpr int kTurns = 10;
  ours();  // warm up
  reference();
  Work sums[2];
  for (int turn = 0; turn < 2 * kTurns; ++turn) {
    Work& sum = sums[turn % 2];
    for (double spent = 0; spent < seconds / kTurns / 2;) {
      const Work done = turn % 2 == 0 ? ours() : reference();
      sum.operations += done.operations;
      sum.seconds += done.seconds;
      spent += done.seconds;
    }
  }
  const auto ns = [](const Work& work) { return work.seconds / work.operations * 1e9; };
  return {ns(sums[0]), ns(sums[1])};
}

class Report {
 public:
  explicit Report(bool json) : json_(json) {
    if (!json_) std::printf("%-48s %12s %12s %8s\n", "", "ours", "reference", "ratio");
  }
  ~Report() {
    if (json_) std::printf("%s\n", out_.dump(2).c_str());
  }
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;

  void pair(const std::string& name, const std::string& unit, Pair values) {
    const double ratio = values.ours / values.reference;
    out_[name] = {{"unit", unit}, {"ours", values.ours}, {"reference", values.reference}, {"ratio", ratio}};
    if (!json_)
      std::printf("%-48s %12.1f %12.1f %8.3g\n", (name + ", " + unit).c_str(), values.ours, values.reference,
                  ratio);
    std::fflush(stdout);
  }
  void number(const std::string& name, const std::string& unit, double value) {
    out_[name + ", " + unit] = value;
    if (!json_) std::printf("%-48s %12.2f\n", (name + ", " + unit).c_str(), value);
    std::fflush(stdout);
  }

 private:
  bool json_;
  nlohmann::json out_;
};

}  // namespace atolldb::bench
