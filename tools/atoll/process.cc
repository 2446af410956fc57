#include "tools/atoll/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// The header of glibc 2.36 forgets to say that its functions are C.
extern "C" {
#include <sys/pidfd.h>
}

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>

namespace atolldb::tools {
namespace {

// Owns one descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() { close(); }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

std::string system_error(const std::string& what) { return what + ": " + std::strerror(errno); }

// The fields after the command's name, which may itself hold spaces and brackets: "state ppid ...".
std::optional<std::string> stat_after_name(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  const size_t end = line.rfind(')');
  if (end == std::string::npos || end + 2 > line.size()) return std::nullopt;
  return line.substr(end + 2);
}

std::optional<uint64_t> start_ticks_of(pid_t pid) {
  const auto fields = stat_after_name(pid);
  if (!fields) return std::nullopt;
  std::istringstream in(*fields);
  std::string skipped;
  for (int field = 3; field < 22; ++field) in >> skipped;
  uint64_t ticks = 0;
  if (!(in >> ticks)) return std::nullopt;
  return ticks;
}

// Open first, check second: what the descriptor names cannot change any more.
Descriptor open_process(const ProcessId& process) {
  if (process.pid <= 0) return Descriptor(-1);
  Descriptor fd(pidfd_open(process.pid, 0));
  if (fd.valid() && start_ticks_of(process.pid) != process.start_ticks) fd.close();
  return fd;
}

bool ended_within(int pidfd, int timeout_ms) {
  pollfd waiting{pidfd, POLLIN, 0};
  return ::poll(&waiting, 1, timeout_ms) == 1;
}

int64_t monotonic_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

// What the new process tells its starter before it becomes the daemon: its pid, then an errno if it failed.
struct SpawnReport {
  pid_t pid = 0;
  int error = 0;
};

void write_report(int fd, const SpawnReport& report) {
  // A report is far below PIPE_BUF, so it goes whole or not at all; nobody is left to tell if it does not.
  if (::write(fd, &report, sizeof report) < 0) _exit(127);
}

// Between fork and exec of a process that has threads: only calls that are safe in a signal handler.
[[noreturn]] void become_daemon(char* const* argv, int null_fd, int log_fd, int report_fd) {
  write_report(report_fd, {getpid(), 0});
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  const bool wired = dup2(null_fd, 0) == 0 && dup2(log_fd, 1) == 1 && dup2(log_fd, 2) == 2;
  if (wired) {
    close_range(3, UINT_MAX, CLOSE_RANGE_CLOEXEC);
    execv(argv[0], argv);
  }
  write_report(report_fd, {getpid(), errno});
  _exit(127);
}

// The first fork leads the new session and ends at once, so that the daemon can never gain a terminal and
// belongs to init.
Result<SpawnReport> fork_twice(char* const* argv, int null_fd, int log_fd) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return {Errc::io, system_error("cannot make a pipe")};
  Descriptor reader(ends[0]);
  Descriptor writer(ends[1]);
  const pid_t leader = fork();
  if (leader < 0) return {Errc::io, system_error("cannot start a process")};
  if (leader == 0) {
    setsid();
    const pid_t daemon = fork();
    if (daemon == 0) become_daemon(argv, null_fd, log_fd, writer.get());
    if (daemon < 0) write_report(writer.get(), {0, errno});
    _exit(0);
  }
  writer.close();
  while (waitpid(leader, nullptr, 0) < 0 && errno == EINTR) {
  }
  SpawnReport last;
  SpawnReport report;
  // The pipe closes when exec succeeds: the end of the file is the good news.
  for (;;) {
    const ssize_t got = ::read(reader.get(), &report, sizeof report);
    if (got < 0 && errno == EINTR) continue;
    if (got != static_cast<ssize_t>(sizeof report)) break;
    last = report;
  }
  return last;
}

}  // namespace

Result<ProcessId> spawn_detached(const SpawnSpec& spec) {
  ensure(!spec.argv.empty(), "a process to start has a path");
  Descriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null.valid()) return {Errc::io, system_error("cannot open /dev/null")};
  Descriptor log(::open(spec.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!log.valid()) return {Errc::io, system_error("cannot open " + spec.log_file)};
  std::vector<char*> argv;
  for (const std::string& argument : spec.argv) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);

  const auto report = fork_twice(argv.data(), null.get(), log.get());
  if (!report) return report.error();
  if (report->error != 0 || report->pid == 0) {
    errno = report->error;
    return {Errc::io, system_error("cannot run " + spec.argv[0])};
  }
  const auto ticks = start_ticks_of(report->pid);
  // Reaped before we could look: it ended at once, and no start time of zero ever matches.
  return ProcessId{report->pid, ticks.value_or(0)};
}

bool is_running(const ProcessId& process) {
  const Descriptor fd = open_process(process);
  return fd.valid() && !ended_within(fd.get(), 0);
}

Result<bool> send_signal(const ProcessId& process, int signal) {
  const Descriptor fd = open_process(process);
  if (!fd.valid() || ended_within(fd.get(), 0)) return false;
  if (pidfd_send_signal(fd.get(), signal, nullptr, 0) == 0) return true;
  if (errno == ESRCH) return false;
  return {Errc::refused, system_error("cannot signal process " + std::to_string(process.pid))};
}

bool wait_until_gone(const ProcessId& process, Duration limit) {
  const Descriptor fd = open_process(process);
  if (!fd.valid()) return true;
  const int64_t deadline = monotonic_ms() + limit.as_millis();
  for (;;) {
    const int64_t left = deadline - monotonic_ms();
    if (ended_within(fd.get(), static_cast<int>(left > 0 ? left : 0))) return true;
    if (left <= 0) return false;
  }
}

Status write_pid_file(const std::string& path, const ProcessId& process) {
  const std::string fresh = path + ".new";
  std::ofstream file(fresh, std::ios::trunc);
  file << process.pid << ' ' << process.start_ticks << '\n';
  file.close();
  if (!file || std::rename(fresh.c_str(), path.c_str()) != 0) {
    return {Errc::io, system_error("cannot write " + path)};
  }
  return ok();
}

std::optional<ProcessId> read_pid_file(const std::string& path) {
  std::ifstream file(path);
  ProcessId process;
  if (!(file >> process.pid >> process.start_ticks)) return std::nullopt;
  return process;
}

Result<std::string> executable_directory() {
  char path[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  if (length <= 0) return {Errc::io, system_error("cannot read /proc/self/exe")};
  const std::string whole(path, static_cast<size_t>(length));
  return whole.substr(0, whole.rfind('/'));
}

}  // namespace atolldb::tools
