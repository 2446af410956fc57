#pragma once
// The `atoll` command: one file a subcommand, each registered here. A subcommand's callback returns the exit
// status through Globals; errors go to stderr, machine output to stdout when --json is given.

#include <string>

namespace CLI {
class App;
}

namespace atolldb::tools {

struct ShellState;

struct Globals {
  std::string topology_file = "topology.toml";  // -t; `atoll dev` clusters: DIR/topology.toml
  bool json = false;
  int exit_status = 0;
  ShellState* shell = nullptr;  // of the shell whose line this is
};

// Adds -t/--topology and --json, which every subcommand takes.
void add_common_options(CLI::App& command, Globals& globals);

void register_topology(CLI::App& app, Globals& globals);  // topology check | keygen
void register_dev(CLI::App& app, Globals& globals);      // dev up | status | kill | start | cut | heal | down
void register_keys(CLI::App& app, Globals& globals);     // get set del incr decr sadd srem smembers
void register_cluster(CLI::App& app, Globals& globals);  // status, digest, inspect
void register_bench(CLI::App& app, Globals& globals);    // bench
void register_drill(CLI::App& app, Globals& globals);    // drill
void register_shell(CLI::App& app, Globals& globals);    // shell

}  // namespace atolldb::tools
