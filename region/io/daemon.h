#pragma once
// atolld: one node as a process. Puts topology, key, store, transport, client port and engine together, runs
// the protocol loop until the process is asked to stop, and says in one sentence why when it cannot start
// (docs/operations.md has flags, exit codes, signals and log lines).
//
// Threads: this one runs the protocol loop; the store has a log writer and a checkpointer; ZeroMQ has an I/O
// thread and a reaper; the transport has one for handshakes.

#include <string>

#include "crdt/base/log.h"

namespace atolldb::region {

struct DaemonOptions {
  std::string topology_file, node, data_directory;
  std::string secret_key_file;  // empty: node.key in the data directory
  LogLevel log_level = LogLevel::info;
  bool log_json = false;
  std::string version;  // of the program, for the log
};

// Persistent: scripts and supervisors act on these.
enum class ExitCode : int {
  stopped = 0,
  usage = 2,           // flags, topology, secret key: restarting will not help
  data_directory = 3,  // it cannot be used by this node
  address = 4,         // a port is in use, or not this machine's
  fatal = 5,           // the running node could not go on; the last error line says why
};

ExitCode run_daemon(const DaemonOptions& options);

}  // namespace atolldb::region
