#pragma once
// Processes that outlive the command that started them. A pid alone names nobody: the kernel gives it to
// somebody else after a while. A ProcessId therefore carries the start time, and every signal goes through a
// pidfd that was opened first and checked second (pidfd_open(2)), so that no other process can be hit.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crdt/base/result.h"
#include "crdt/base/time.h"

namespace atolldb::tools {

struct ProcessId {
  pid_t pid = 0;
  uint64_t start_ticks = 0;  // since boot, in clock ticks: field 22 of /proc/PID/stat
  friend bool operator==(const ProcessId&, const ProcessId&) = default;
};

struct SpawnSpec {
  std::vector<std::string> argv;  // argv[0] is a path; it is not searched for
  std::string log_file;           // standard output and error are appended to it
};

// Starts a process in a session of its own, with no terminal, no standard input and no other descriptor of
// ours. It is nobody's child: init reaps it. Errc::io when it cannot be executed or the log cannot be opened.
Result<ProcessId> spawn_detached(const SpawnSpec& spec);

// True while it runs; a process that has ended and was not reaped yet does not run.
bool is_running(const ProcessId& process);

// Sends the signal; false when the process was gone already. Errc::refused: it belongs to somebody else.
Result<bool> send_signal(const ProcessId& process, int signal);

// Waits until the process has ended; false when the time is over and it still runs.
bool wait_until_gone(const ProcessId& process, Duration limit);

// The pid file holds "PID START_TICKS\n" and is replaced as a whole.
Status write_pid_file(const std::string& path, const ProcessId& process);
// nullopt: there is no such file, or it holds something else; either way nobody can be named.
std::optional<ProcessId> read_pid_file(const std::string& path);

// The directory of the running executable, where its siblings are found.
Result<std::string> executable_directory();

}  // namespace atolldb::tools
