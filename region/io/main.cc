// atolld: reads the command line and hands over to the daemon.

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

#include "region/io/daemon.h"

// Read by jemalloc, where the daemon is linked with it. One thread does most of the work: more arenas would
// only hold memory; and what a burst took goes back within a second.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf = "narenas:2,dirty_decay_ms:1000,muzzy_decay_ms:0";
}

namespace atolldb::region {
namespace {

const std::map<std::string, LogLevel> kLevels{{"debug", LogLevel::debug},
                                              {"info", LogLevel::info},
                                              {"warn", LogLevel::warn},
                                              {"error", LogLevel::error}};

std::vector<std::string> names_of_levels() {
  std::vector<std::string> names;
  for (const auto& [name, level] : kLevels) names.push_back(name);
  return names;
}

int run(int argc, char** argv) {
  CLI::App app{"atolld: one node of an Atoll cluster"};
  DaemonOptions options;
  options.version = ATOLL_VERSION;
  app.set_version_flag("--version", "atolld " ATOLL_VERSION);
  app.add_option("--topology", options.topology_file, "the cluster's topology file, the same on every node")
      ->required();
  app.add_option("--node", options.node, "this node's name in the topology")->required();
  app.add_option("--data", options.data_directory, "this node's data directory; made when absent")
      ->required();
  app.add_option("--secret-key", options.secret_key_file,
                 "file with this node's CURVE secret key (default: node.key in the data directory)");
  std::string level = "info";
  app.add_option("--log-level", level, "what to log: debug, info, warn or error")
      ->check(CLI::IsMember(names_of_levels()))
      ->type_name("LEVEL")
      ->capture_default_str();
  app.add_flag("--log-json", options.log_json, "log lines as JSON objects");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::usage);
  }
  options.log_level = kLevels.at(level);
  return static_cast<int>(run_daemon(options));
}

}  // namespace
}  // namespace atolldb::region

int main(int argc, char** argv) { return atolldb::region::run(argc, argv); }
