// `atoll drill` (docs/drill.md).

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>

#include "tools/atoll/command.h"
#include "tools/atoll/dev_cluster.h"
#include "tools/atoll/drill/drill.h"
#include "tools/atoll/drill/package_index.h"
#include "tools/atoll/progress.h"

namespace atolldb::tools {
namespace {

struct DrillCommand {
  std::string dir = ".atoll-dev";
  std::string topology_file;
  std::string input;
  size_t limit = 0;
  bool no_kill = false;
  uint32_t outage_s = 15;
  uint32_t retry_s = 600;
  uint32_t converge_s = 300;
  DrillOptions drill;
};

Result<PackageIndex> read_input(const DrillCommand& command) {
  auto text = command.input.empty() ? read_machine_index() : read_index_file(command.input);
  if (!text) return text.error();
  return PackageIndex::parse(std::move(text->text), text->source, command.limit);
}

// With -t the dev cluster is the one whose topology that is.
std::string directory_of(const DrillCommand& command) {
  if (command.topology_file.empty()) return command.dir;
  return std::filesystem::absolute(command.topology_file).parent_path().string();
}

Result<DrillReport> run(const DrillCommand& command, Progress& progress) {
  const auto index = read_input(command);
  if (!index) return index.error();
  progress.line("read " + std::to_string(index->packages().size()) + " packages from " + index->source());
  const bool kills = !command.no_kill && !command.drill.verify_only;
  if (!kills && !command.topology_file.empty()) {
    const auto topology = topology::load(command.topology_file);
    if (!topology) return topology.error();
    return run_drill(*topology, nullptr, *index, command.drill, progress);
  }
  auto cluster = DevCluster::open(directory_of(command));
  if (!cluster) {
    if (!kills || command.topology_file.empty()) return cluster.error();
    return {cluster.error().code, cluster.error().message +
                                      "; only a region of a dev cluster can be killed, any "
                                      "other cluster takes --no-kill"};
  }
  return run_drill(cluster->topology(), kills ? &*cluster : nullptr, *index, command.drill, progress);
}

void execute(DrillCommand& command, Globals& globals) {
  command.drill.outage = Duration::seconds(command.outage_s);
  command.drill.retry_limit = Duration::seconds(command.retry_s);
  command.drill.converge_limit = Duration::seconds(command.converge_s);
  std::optional<Progress> progress(globals.json ? stderr : stdout);
  const auto report = run(command, *progress);
  progress.reset();
  if (!report) {
    std::fprintf(stderr, "atoll drill: %s\n", report.error().message.c_str());
    globals.exit_status = 1;
    return;
  }
  if (globals.json) {
    std::printf("%s\n", to_json(*report).c_str());
  } else {
    print_table(stdout, *report);
  }
  globals.exit_status = report->passed() ? 0 : 1;
}

}  // namespace

void register_drill(CLI::App& app, Globals& globals) {
  const auto command = std::make_shared<DrillCommand>();
  CLI::App& drill =
      *app.add_subcommand("drill", "load a package index, kill a region in the middle, compare every node");
  drill.add_option("--dir", command->dir, "the dev cluster's directory")->capture_default_str();
  drill.add_option("-t,--topology", command->topology_file, "the cluster's topology file, instead of --dir");
  drill.add_option("--input", command->input,
                   "a package index; else `apt-cache dumpavail`, else dpkg's status");
  drill.add_option("--limit", command->limit, "at most that many packages; 0: all")->capture_default_str();
  drill.add_option("--seed", command->drill.seed, "of the order of the writes")->capture_default_str();
  drill.add_option("--in-flight", command->drill.in_flight, "writes under way in each region")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  drill
      .add_option("--outage", command->outage_s, "seconds until the killed region is started again, at most")
      ->check(CLI::Range(0, 300))
      ->capture_default_str();
  drill.add_option("--retry-limit", command->retry_s, "seconds that the killed region's writes may take")
      ->check(CLI::Range(1, 600))
      ->capture_default_str();
  drill.add_option("--converge-limit", command->converge_s, "seconds until all nodes must be equal")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  drill.add_flag("--no-kill", command->no_kill, "load only; no region dies");
  drill.add_flag("--verify-only", command->drill.verify_only, "compare what an earlier drill has loaded");
  drill.add_flag("--json", globals.json, "print JSON instead of a table; progress goes to stderr");
  drill.callback([command, &globals] { execute(*command, globals); });
}

}  // namespace atolldb::tools
