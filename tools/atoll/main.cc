// The `atoll` command: reads the command line and hands over to one subcommand.

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "tools/atoll/command.h"
#include "tools/atoll/run.h"
#include "tools/atoll/shell_state.h"
#include "topology/names.h"

namespace atolldb::tools {

void add_common_options(CLI::App& command, Globals& globals) {
  command
      .add_option("-t,--topology", globals.topology_file,
                  "the cluster's topology file; without it the one that ATOLL_TOPOLOGY names")
      ->capture_default_str();
  command.add_flag("--json", globals.json, "print JSON instead of a table");
}

void register_all(CLI::App& app, Globals& globals) {
  register_keys(app, globals);
  register_cluster(app, globals);
  register_topology(app, globals);
  register_dev(app, globals);
  register_bench(app, globals);
  register_drill(app, globals);
  if (globals.shell == nullptr) register_shell(app, globals);
}

namespace {

// The message for a word that stands where a subcommand should and is none, or "".
std::string unknown_subcommand(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* level = &app;
  std::string path = "atoll";
  for (const std::string& word : words) {
    const CLI::App* next = nullptr;
    std::vector<std::string> names;
    for (const CLI::App* sub : level->get_subcommands([](const CLI::App*) { return true; })) {
      names.push_back(sub->get_name());
      if (sub->check_name(word)) next = sub;
    }
    if (names.empty() || word.starts_with("-")) return "";
    if (next != nullptr) {
      level = next;
      path += " " + word;
      continue;
    }
    std::string expected;
    for (const std::string& name : names) expected += (expected.empty() ? "" : ", ") + name;
    const std::vector<std::string_view> candidates(names.begin(), names.end());
    const auto meant = topology::nearest(word, candidates);
    return path + ": found \"" + word + "\", expected one of " + expected +
           (meant ? "; did you mean \"" + std::string(*meant) + "\"?" : "");
  }
  return "";
}

// "atoll topology keygen: --out is required", and where to read more.
std::string usage_error(const CLI::App& app, const CLI::ParseError& error) {
  std::string path = "atoll";
  for (const CLI::App* level = &app; !level->get_subcommands().empty();) {
    level = level->get_subcommands().front();
    path += " " + level->get_name();
  }
  return path + ": " + error.what() + "\nRun \"" + path + " --help\" for what it takes.";
}

}  // namespace

int run_command(const std::vector<std::string>& words, ShellState* shell) {
  CLI::App app{
      "Atoll: a multi-region store in which every region takes writes and no update is lost silently",
      "atoll"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "atoll " ATOLL_VERSION);
  app.set_help_all_flag("--help-all", "print the help of every subcommand");
  Globals globals;
  globals.shell = shell;
  if (const char* file = std::getenv("ATOLL_TOPOLOGY"); file != nullptr && *file != '\0')
    globals.topology_file = file;
  if (shell != nullptr) globals.topology_file = shell->topology_file;
  register_all(app, globals);
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    const std::string unknown = unknown_subcommand(app, words);
    std::cerr << (unknown.empty() ? usage_error(app, error) : unknown) << "\n";
    return kUsageStatus;
  }
  return globals.exit_status;
}

}  // namespace atolldb::tools

int main(int argc, char** argv) {
  return atolldb::tools::run_command(std::vector<std::string>(argv + 1, argv + argc), nullptr);
}
