// `atoll dev kill` sends SIGKILL by a number from a file: it must never hit anybody else.

#include "tools/atoll/process.h"

#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace atolldb::tools {
namespace {

// A directory that goes with the test.
class ProcessFiles {
 public:
  ProcessFiles() { REQUIRE(mkdtemp(path_) != nullptr); }
  ~ProcessFiles() {
    std::remove(file("log").c_str());
    std::remove(file("pid").c_str());
    rmdir(path_);
  }
  std::string file(const std::string& name) const { return std::string(path_) + "/" + name; }

 private:
  char path_[32] = "/tmp/atoll-process-XXXXXX";
};

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST_CASE("process: started, runs in a session of its own, ends by a signal", "[tools]") {
  const ProcessFiles scratch;
  const auto process = spawn_detached({{"/bin/sleep", "60"}, scratch.file("log")});
  REQUIRE(process);
  CHECK(is_running(*process));
  CHECK(getsid(process->pid) != getsid(0));
  CHECK_FALSE(wait_until_gone(*process, Duration::millis(1)));
  CHECK(*send_signal(*process, SIGKILL));
  CHECK(wait_until_gone(*process, Duration::seconds(10)));
  CHECK_FALSE(is_running(*process));
  CHECK_FALSE(*send_signal(*process, SIGKILL));
}

TEST_CASE("process: same pid with another start time, is somebody else", "[tools]") {
  const ProcessFiles scratch;
  const auto process = spawn_detached({{"/bin/sleep", "60"}, scratch.file("log")});
  REQUIRE(process);
  ProcessId other = *process;
  ++other.start_ticks;
  CHECK_FALSE(is_running(other));
  CHECK_FALSE(*send_signal(other, SIGKILL));
  CHECK(wait_until_gone(other, Duration::millis(0)));
  CHECK(is_running(*process));
  CHECK(*send_signal(*process, SIGKILL));
}

TEST_CASE("process: its output, appended to the log", "[tools]") {
  const ProcessFiles scratch;
  for (const char* word : {"one", "two"}) {
    const auto process = spawn_detached({{"/bin/echo", word}, scratch.file("log")});
    REQUIRE(process);
    REQUIRE(wait_until_gone(*process, Duration::seconds(10)));
  }
  CHECK(content_of(scratch.file("log")) == "one\ntwo\n");
}

TEST_CASE("process: what cannot run, an error with the reason", "[tools]") {
  const ProcessFiles scratch;
  const auto missing = spawn_detached({{"/no/such/file"}, scratch.file("log")});
  REQUIRE_FALSE(missing);
  CHECK_THAT(missing.error().message, Catch::Contains("/no/such/file") && Catch::Contains("No such file"));
  const auto no_log = spawn_detached({{"/bin/true"}, "/no/such/log"});
  REQUIRE_FALSE(no_log);
  CHECK_THAT(no_log.error().message, Catch::Contains("/no/such/log"));
}

TEST_CASE("process: pid file, read back; another content names nobody", "[tools]") {
  const ProcessFiles scratch;
  const std::string path = scratch.file("pid");
  CHECK_FALSE(read_pid_file(path));
  REQUIRE(write_pid_file(path, {123, 456}));
  CHECK(read_pid_file(path) == ProcessId{123, 456});
  std::ofstream(path) << "123\n";
  CHECK_FALSE(read_pid_file(path));
  CHECK_FALSE(is_running({-1, 0}));
  CHECK_FALSE(is_running({0, 0}));
}

}  // namespace
}  // namespace atolldb::tools
