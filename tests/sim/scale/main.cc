// atoll-scale: what a cluster's background work costs as it grows (docs/scale.md).

#include <chrono>
#include <fstream>
#include <iostream>

#include "tests/command_line.h"
#include "tests/sim/scale/render.h"

namespace {

using namespace atolldb;
using namespace atolldb::sim;

constexpr const char* kAbout =
    "Runs clusters of growing size in one thread and in virtual time, counts what their nodes say to each\n"
    "other while they start, idle, take writes and restart, and fits the law by which each cost grows.";
constexpr const char* kExamples =
    "A size is 9, 27, 60, 150, 300 or 600 (3x3, 3x9, 4x15, 10x15, 10x30 and 20x30), or REGIONSxNODES.\n"
    "Examples:\n"
    "  atoll-scale --sizes 9,27,60                                a table of three sizes\n"
    "  atoll-scale --sizes 9,27,60,150,300,600 --svg scale.svg    all of docs/scale.md\n"
    "  atoll-scale --sizes 2x5,4x5,8x5 --partitions 256 --json    regions only\n"
    "Exit status: 0 measured, 1 a cluster did not serve or converge, 2 the call was wrong.";

struct Call {
  std::vector<std::string> sizes{"9", "27", "60"};
  std::string svg;
  bool json = false;
  ScaleOptions options;
};

// At most one line in two seconds.
class Progress {
 public:
  void operator()(const std::string& what) {
    const auto now = std::chrono::steady_clock::now();
    if (now - said_ < std::chrono::seconds(2)) return;
    said_ = now;
    std::cerr << what << "\n";
  }

 private:
  std::chrono::steady_clock::time_point said_ = std::chrono::steady_clock::now();
};

int run(const Call& call) {
  std::vector<Measured> out;
  Progress progress;
  for (const std::string& text : call.sizes) {
    const auto shape = parse_shape(text);
    if (!shape) {
      std::cerr << "atoll-scale: found size " << text
                << ", expected 9, 27, 60, 150, 300, 600 or REGIONSxNODES, such as 4x15\n";
      return 2;
    }
    if (shape->nodes < 3) {
      std::cerr << "atoll-scale: found " << text << ", expected at least 3 nodes in a region\n";
      return 2;
    }
    auto measured = measure(*shape, call.options, [&](const std::string& what) { progress(what); });
    if (!measured) {
      std::cerr << "atoll-scale: " << measured.error().message << "\n";
      return 1;
    }
    out.push_back(std::move(*measured));
  }
  std::cout << (call.json ? render_json(out) : render_table(out));
  if (call.svg.empty()) return 0;
  std::ofstream file(call.svg);
  file << render_svg(out) << std::flush;
  if (!file) {
    std::cerr << "atoll-scale: cannot write " << call.svg << "\n";
    return 2;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CommandLine app(kAbout, "atoll-scale", kExamples);
  Call call;
  app.add("--sizes", call.sizes, "Clusters to measure, by the number of their nodes")
      .separated_by(',')
      .called("N,N,...")
      .shows_default();
  app.add("--partitions", call.options.partitions, "Partitions of each cluster")
      .within(1, 65'536)
      .shows_default();
  app.add("--written", call.options.written, "Partitions into which every region writes a key")
      .within(1, 65'536)
      .shows_default();
  app.add("--seed", call.options.seed, "Of distances and of everything random").shows_default();
  app.add("--svg", call.svg, "Write a plot here").called("FILE");
  app.add("--json", call.json, "Print JSON instead of tables");
  if (const auto status = app.parse(argc, argv)) return *status;
  if (call.options.written > call.options.partitions) {
    std::cerr << "atoll-scale: found --written " << call.options.written
              << ", expected at most --partitions; see --help\n";
    return 2;
  }
  return run(call);
}
