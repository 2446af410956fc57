#include "tools/atoll/connect.h"

#include <CLI/CLI.hpp>
#include <condition_variable>
#include <filesystem>
#include <iostream>
#include <mutex>

#include "tools/atoll/shell_state.h"

namespace atolldb::tools {
namespace {

constexpr const char* kDefaultFile = "topology.toml";
constexpr const char* kDevFile = ".atoll-dev/topology.toml";

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

}  // namespace

void add_whom_options(CLI::App& command, Whom& whom, bool reads) {
  CLI::Option* region = command.add_option("--region", whom.region, "ask this region; default: the nearest");
  CLI::Option* node = command.add_option("--node", whom.node, "ask this node and no other");
  node->excludes(region);
  command
      .add_flag("--any-region", whom.any_region, "when no node of the region answers, go on in the next one")
      ->excludes(node);
  command.add_option("--deadline", whom.deadline_ms, "give up after so many milliseconds")
      ->check(CLI::Range(uint32_t{1}, region::kDeadlineMaxMs))
      ->capture_default_str();
  command.add_option("--session", whom.session_file,
                     "go on with the session whose token is in this file, and leave its token there");
  command
      .add_option_function<std::string>(
          "--when-behind",
          [&whom](const std::string& name) {
            const auto when = when_behind_from(name);
            if (!when)
              throw CLI::ValidationError("--when-behind",
                                         "found \"" + name + "\", expected wait, elsewhere or stale");
            whom.when_behind = *when;
          },
          "of a session in a region that lacks some of it: wait, ask elsewhere, or take it stale")
      ->type_name("wait|elsewhere|stale");
  if (reads)
    command.add_flag("--local", whom.local, "read what one node holds, without a quorum (may be behind)");
}

std::optional<client::WhenBehind> when_behind_from(const std::string& name) {
  if (name == "wait") return client::WhenBehind::wait;
  if (name == "elsewhere") return client::WhenBehind::elsewhere;
  if (name == "stale") return client::WhenBehind::stale;
  return std::nullopt;
}

void fill_from_shell(const CLI::App& command, const ShellState& shell, Whom& whom) {
  const auto given = [&command](const char* option) { return command.count(option) > 0; };
  if (!given("--region") && !given("--node")) {
    whom.region = shell.region;
    whom.node = shell.node;
  }
  if (!given("--any-region") && whom.node.empty()) whom.any_region = shell.any_region;
  if (!given("--when-behind")) whom.when_behind = shell.when_behind;
}

std::string topology_path(const Globals& globals) {
  if (globals.topology_file == kDefaultFile && !exists(kDefaultFile) && exists(kDevFile)) return kDevFile;
  return globals.topology_file;
}

Result<topology::Topology> load_topology(const Globals& globals) {
  const std::string path = topology_path(globals);
  if (path == kDefaultFile && !exists(path))
    return {Errc::not_found,
            std::string("which cluster? There is no ") + kDefaultFile + " here and no " + kDevFile +
                ": name its topology with -t FILE or ATOLL_TOPOLOGY, or make a cluster on this "
                "machine: atoll dev up"};
  return topology::load(path);
}

client::Options options_for(const Whom& whom) {
  client::Options options;
  options.region = whom.region;
  options.node = whom.node;
  options.any_region = whom.any_region;
  options.wait_for_nodes = whom.node.empty();
  options.local = whom.local;
  options.deadline_ms = whom.deadline_ms;
  return options;
}

std::vector<region::Response> ask_nodes(client::Client& client, const std::vector<NodeNumber>& nodes,
                                        const region::Request& request, uint32_t deadline_ms) {
  std::mutex mutex;
  std::condition_variable answered;
  std::vector<region::Response> answers(nodes.size());
  size_t open = nodes.size();
  for (size_t i = 0; i < nodes.size(); ++i) {
    const auto keep = [&, i](region::Response&& response) {
      const std::lock_guard lock(mutex);
      answers[i] = std::move(response);
      --open;
      answered.notify_one();
    };
    region::Request one = request;
    one.deadline_ms = deadline_ms;
    if (client.send(std::move(one), client::Target{nodes[i], std::nullopt}, keep)) continue;
    region::Response full;
    full.outcome = region::Outcome::rejected;
    full.code = Errc::busy;
    full.message = "too many requests under way";
    keep(std::move(full));
  }
  std::unique_lock lock(mutex);
  answered.wait(lock, [&] { return open == 0; });
  return answers;
}

const char* name_of(region::Outcome outcome) {
  switch (outcome) {
    case region::Outcome::done:
      return "done";
    case region::Outcome::rejected:
      return "rejected";
    case region::Outcome::unknown:
      return "unknown";
  }
  return "unknown";
}

int report(const std::string& command, const Error& error) {
  std::cerr << "atoll " << command << ": " << error.message << "\n";
  return kFailedStatus;
}

int report(const std::string& command, const std::string& subject, region::Outcome outcome, Errc code,
           const std::string& message) {
  const bool unknown = outcome == region::Outcome::unknown;
  std::cerr << "atoll " << command << ": " << (subject.empty() ? "" : subject + ": ")
            << (unknown ? "outcome unknown, it may have happened or may yet" : "nothing was done") << " ("
            << name_of(code) << "): " << message << "\n";
  return unknown ? kUnknownStatus : kFailedStatus;
}

}  // namespace atolldb::tools
