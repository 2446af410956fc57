#include "tests/region_io/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "crdt/base/ensure.h"

extern char** environ;

namespace atolldb::testing {
namespace {

constexpr Duration kPatience = Duration::seconds(20);

Instant now() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(since).count()};
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& command) {
  int ends[2];
  ensure(pipe2(ends, O_CLOEXEC) == 0, "a pipe can be made");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  std::vector<char*> arguments;
  for (const auto& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  const int rc = posix_spawn(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  stderr_ = ends[0];
  ensure(rc == 0, "the program under test can be started");
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(stderr_);
}

void ChildProcess::send_signal(int number) { kill(pid_, number); }

// False: the end of the output, or of the time.
bool ChildProcess::read_some(Instant deadline) {
  pollfd fd{stderr_, POLLIN, 0};
  const int64_t left = (deadline - now()).as_millis();
  if (left <= 0 || poll(&fd, 1, static_cast<int>(left)) <= 0) return false;
  char buffer[4096];
  const auto got = read(stderr_, buffer, sizeof buffer);
  if (got <= 0) return false;
  output_.append(buffer, static_cast<size_t>(got));
  return true;
}

bool ChildProcess::wait_for_line(const std::string& text) {
  const Instant deadline = now() + kPatience;
  while (true) {
    const size_t at = output_.find(text);
    if (at != std::string::npos && output_.find('\n', at) != std::string::npos) return true;
    if (!read_some(deadline)) return false;
  }
}

std::optional<int> ChildProcess::wait() {
  const Instant deadline = now() + kPatience;
  while (read_some(deadline)) continue;
  if (now() >= deadline) return std::nullopt;
  int status = 0;
  waitpid(pid_, &status, 0);  // its standard error is closed: it is at its end
  pid_ = -1;
  if (!WIFEXITED(status)) return std::nullopt;
  return WEXITSTATUS(status);
}

Duration ChildProcess::cpu() const {
  clockid_t clock{};
  timespec used{};
  ensure(clock_getcpuclockid(pid_, &clock) == 0 && clock_gettime(clock, &used) == 0,
         "a process has a CPU clock");
  return Duration::seconds(used.tv_sec) + Duration::nanos(used.tv_nsec);
}

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "atoll-test-XXXXXX").string();
  ensure(mkdtemp(name.data()) != nullptr, "a temporary directory can be made");
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace atolldb::testing
