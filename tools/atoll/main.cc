// The `atoll` command: reads the command line and hands over to one subcommand.

#include <CLI/CLI.hpp>

#include "tools/atoll/command.h"

namespace atolldb::tools {

void add_common_options(CLI::App& command, Globals& globals) {
  command.add_option("-t,--topology", globals.topology_file, "the cluster's topology file")->capture_default_str();
  command.add_flag("--json", globals.json, "print JSON instead of a table");
}

}  // namespace atolldb::tools

int main(int argc, char** argv) {
  using namespace atolldb::tools;
  CLI::App app{"Atoll: a multi-region store in which every region takes writes and no update is lost silently"};
  app.require_subcommand(1);
  app.set_version_flag("--version", ATOLL_VERSION);
  Globals globals;
  register_topology(app, globals);
  CLI11_PARSE(app, argc, argv);
  return globals.exit_status;
}
