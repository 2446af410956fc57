#pragma once
// A daemon under test as a real process, with its standard error kept. Killed when it goes out of scope.

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "crdt/base/time.h"

namespace atolldb::testing {

class ChildProcess {
 public:
  // `command[0]` is the program's path.
  explicit ChildProcess(const std::vector<std::string>& command);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  void send_signal(int number);
  // Reads standard error until a line contains `text` or the process closes it. False: it did not come in 20
  // s.
  bool wait_for_line(const std::string& text);
  // Waits for the end. The exit status; nothing: a signal ended it, or it did not end in 20 s.
  std::optional<int> wait();
  Duration cpu() const;                                  // that it has used so far
  const std::string& output() const { return output_; }  // standard error as far as it was read

 private:
  bool read_some(Instant deadline);

  pid_t pid_ = -1;
  int stderr_ = -1;
  std::string output_;
};

// An empty directory that goes with its name.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace atolldb::testing
