// atoll-sim-canaries: switches bugs on, one at a time, and looks who catches them (docs/testing.md).

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <iostream>
#include <map>
#include <sstream>
#include <thread>

#include "tests/canaries/hunt.h"
#include "tests/command_line.h"

namespace {

using namespace atolldb;
using namespace atolldb::canaries;
using Clock = std::chrono::steady_clock;

constexpr const char* kAbout =
    "Switches bugs on, one at a time, and runs seeds until a checker catches each. Then the same seeds run\n"
    "without any bug, and nobody may find anything.\n"
    "Exit status: 0 all were caught and nothing else was, 1 otherwise, 2 the call was wrong.";
constexpr unsigned kSecondsMax = 240;  // of a hunt

// One canary's seeds in a process of its own: a bug may well end it, or never come to an end.
struct Job {
  Hunt hunt;
  pid_t process = 0;
  int pipe = -1;
  Clock::time_point began, ended;
  std::string said;
  // -- what came of it
  uint64_t seed = 0, seeds = 0;
  Catch caught;
  std::string trouble;
  double seconds() const { return std::chrono::duration<double>(ended - began).count(); }
};

CanaryText text_of(Canary canary) {
  for (const CanaryText& text : kCanaries)
    if (text.canary == canary) return text;
  return {Canary::none, "-", "-"};
}

// In the child: says each seed before it runs, and the first catch.
void run_seeds(const Hunt& hunt) {
  try {
    for (uint64_t seed = hunt.first; seed <= hunt.last; ++seed) {
      std::cout << "seed " << seed << "\n" << std::flush;
      const Catch caught = canaries::hunt(hunt.canary, hunt.where, seed);
      if (caught.checker.empty()) continue;
      std::string what = caught.what.substr(0, 400);
      std::replace(what.begin(), what.end(), '\n', ' ');
      std::cout << "caught " << caught.checker << "\n" << what << "\n" << std::flush;
      return;
    }
    std::cout << "missed\n" << std::flush;
  } catch (const std::exception& error) {
    std::cout << "error " << error.what() << "\n" << std::flush;
  }
}

void start(Job& job) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("there is no pipe left");
  std::cout << std::flush;
  job.began = Clock::now();
  job.process = fork();
  if (job.process == 0) {
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    alarm(kSecondsMax);
    run_seeds(job.hunt);
    _exit(0);
  }
  close(ends[1]);
  job.pipe = ends[0];
}

// A broken invariant ends the process with a line of its own: that is a catch, too.
void conclude(Job& job, int status) {
  std::istringstream lines(job.said);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("seed ")) {
      job.seed = std::stoull(line.substr(5));
      job.seeds = job.seed - job.hunt.first + 1;
    } else if (line.starts_with("caught ")) {
      job.caught.checker = line.substr(7);
      std::getline(lines, job.caught.what);
    } else if (line.find("broken invariant") != std::string::npos) {
      job.caught = {"invariant", line.substr(line.find("broken invariant"))};
    } else if (line.starts_with("error ")) {
      job.trouble = line.substr(6);
    }
  }
  if (WIFSIGNALED(status) && job.caught.checker.empty())
    job.trouble = WTERMSIG(status) == SIGALRM ? "still running after " + std::to_string(kSecondsMax) + " s"
                                              : "ended by signal " + std::to_string(WTERMSIG(status));
}

// True: it has ended.
bool listen(Job& job) {
  char bytes[4096];
  const ssize_t got = read(job.pipe, bytes, sizeof bytes);
  if (got > 0) {
    job.said.append(bytes, static_cast<size_t>(got));
    return false;
  }
  close(job.pipe);
  int status = 0;
  waitpid(job.process, &status, 0);
  job.ended = Clock::now();
  conclude(job, status);
  return true;
}

template <typename Done>
void run_all(std::vector<Job>& jobs, size_t at_once, Done&& done) {
  std::vector<Job*> running;
  size_t next = 0;
  while (next < jobs.size() || !running.empty()) {
    while (next < jobs.size() && running.size() < at_once) {
      start(jobs[next]);
      running.push_back(&jobs[next++]);
    }
    std::vector<pollfd> waits;
    for (const Job* job : running) waits.push_back({job->pipe, POLLIN, 0});
    poll(waits.data(), waits.size(), -1);
    for (size_t i = waits.size(); i-- > 0;)
      if (waits[i].revents != 0 && listen(*running[i])) {
        done(*running[i]);
        running.erase(running.begin() + static_cast<ptrdiff_t>(i));
      }
  }
}

std::string padded(std::string text, size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

void print(const Job& job) {
  std::ostringstream seconds;
  seconds.precision(1);
  seconds << std::fixed << job.seconds();
  const bool caught = !job.caught.checker.empty();
  std::cout << padded(text_of(job.hunt.canary).name, 28) << padded(caught ? job.caught.checker : "NOBODY", 30)
            << padded(job.hunt.where, 14) << padded(std::to_string(job.seed), 8)
            << padded(std::to_string(job.seeds), 8) << padded(seconds.str(), 8)
            << (caught ? job.caught.what.substr(0, 110) : job.trouble) << "\n"
            << std::flush;
}

// A checker that catches nothing here may catch nothing anywhere.
std::string silent_checkers(const std::vector<Job>& jobs) {
  std::string out;
  for (const std::string& checker : checkers()) {
    const bool heard = std::any_of(jobs.begin(), jobs.end(), [&](const Job& job) {
      return (", " + job.caught.checker + ",").find(", " + checker + ",") != std::string::npos;
    });
    if (!heard) out += (out.empty() ? "" : ", ") + checker;
  }
  return out;
}

// As docs/testing.md has them.
void print_table(const std::vector<Job>& jobs) {
  for (const Job& job : jobs) {
    const CanaryText text = text_of(job.hunt.canary);
    std::cout << "| `" << text.name << "` | " << text.what << " | "
              << (job.caught.checker.empty() ? "NOBODY" : job.caught.checker) << " | " << job.hunt.where
              << " | " << job.seeds << " |\n";
  }
}

// The seeds that the hunts ran, without any canary, in pieces that keep all processors busy.
std::vector<Job> clean_jobs(const std::vector<Job>& hunted) {
  constexpr uint64_t kPiece = 16;
  std::map<std::string, std::pair<uint64_t, uint64_t>> ranges;
  for (const Job& job : hunted) {
    auto& range = ranges.try_emplace(job.hunt.where, job.hunt.first, job.seed).first->second;
    range = {std::min(range.first, job.hunt.first), std::max(range.second, job.seed)};
  }
  std::vector<Job> out;
  for (const Job& job : hunted) {
    const auto at = ranges.find(job.hunt.where);
    if (at == ranges.end()) continue;
    const uint64_t piece = at->first == "model" ? 4000 : kPiece;
    for (uint64_t seed = at->second.first; seed <= at->second.second; seed += piece) {
      Job clean;
      clean.hunt = {Canary::none, job.hunt.where, seed, std::min(seed + piece - 1, at->second.second)};
      out.push_back(std::move(clean));
    }
    ranges.erase(at);
  }
  return out;
}

struct Call {
  std::vector<std::string> only;
  std::string where;
  uint64_t first = 1, seeds = 0;
  size_t jobs = std::max(1u, std::thread::hardware_concurrency());
  bool list = false, table = false, no_clean = false;
  bool whole() const { return only.empty() && where.empty() && seeds == 0; }
};

std::vector<Job> chosen(const Call& call) {
  std::vector<Job> out;
  for (const Hunt& hunt : hunts()) {
    const bool asked = call.only.empty() || std::find(call.only.begin(), call.only.end(),
                                                      text_of(hunt.canary).name) != call.only.end();
    if (!asked) continue;
    Job job;
    job.hunt = hunt;
    if (!call.where.empty()) job.hunt.where = call.where.c_str();
    if (call.seeds > 0) job.hunt.first = call.first, job.hunt.last = call.first + call.seeds - 1;
    out.push_back(std::move(job));
  }
  return out;
}

int run(const Call& call) {
  std::vector<Job> jobs = chosen(call);
  if (jobs.empty() || (!call.only.empty() && jobs.size() != call.only.size())) {
    std::cerr << "atoll-sim-canaries: found a name that is no canary's; see --list\n";
    return 2;
  }
  const auto began = Clock::now();
  std::cout << padded("canary", 28) << padded("checker", 30) << padded("where", 14) << padded("seed", 8)
            << padded("seeds", 8) << padded("s", 8) << "what it said\n";
  size_t caught = 0;
  run_all(jobs, call.jobs, [&](const Job& job) {
    print(job);
    caught += job.caught.checker.empty() ? 0 : 1;
  });
  size_t false_alarms = 0;
  uint64_t clean_seeds = 0;
  if (!call.no_clean) {
    std::vector<Job> clean = clean_jobs(jobs);
    run_all(clean, call.jobs, [&](const Job& job) {
      clean_seeds += job.seeds;
      if (job.caught.checker.empty() && job.trouble.empty()) return;
      ++false_alarms;
      std::cout << "WITHOUT A CANARY " << job.hunt.where << " seed " << job.seed << ": " << job.caught.checker
                << " " << job.caught.what << job.trouble << "\n";
    });
  }
  const std::string silent = call.whole() ? silent_checkers(jobs) : "";
  if (!silent.empty()) std::cout << "checkers that no canary set off: " << silent << "\n";
  std::cout << "figures: " << caught << " of " << jobs.size() << " canaries caught; " << clean_seeds
            << " of the same seeds without one, " << false_alarms << " alarms; "
            << std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - began).count() << " s\n";
  if (call.table) print_table(jobs);
  return caught == jobs.size() && false_alarms == 0 && silent.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CommandLine app(kAbout, "atoll-sim-canaries");
  Call call;
  app.add("--only", call.only, "These canaries, by name").called("NAME");
  app.add("--where", call.where, "everything, model, or a scenario's name; without it, where each is at home")
      .called("NAME");
  app.add("--first", call.first, "The first seed, with --seeds").called("N");
  app.add("--seeds", call.seeds, "At most so many seeds for each").called("N");
  app.add("--jobs", call.jobs, "Canaries at a time").called("N").within(1, 1000);
  app.add("--no-clean", call.no_clean, "Leave out the runs without a canary");
  app.add("--table", call.table, "Print the table of docs/testing.md at the end");
  app.add("--list", call.list, "Print the canaries and what goes wrong");
  if (const auto status = app.parse(argc, argv)) return *status;
  if (call.list) {
    for (const CanaryText& text : kCanaries) std::cout << padded(text.name, 28) << text.what << "\n";
    return 0;
  }
  return run(call);
}
