#pragma once
// What the subcommands that talk to a cluster share: finding the topology, the options that say whom to ask,
// opening the client, asking many nodes at once, and telling outcomes.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/client.h"
#include "client/session.h"
#include "crdt/base/errc_name.h"
#include "region/core/request.h"
#include "tools/atoll/command.h"
#include "topology/topology.h"

namespace atolldb::tools {

inline constexpr int kFailedStatus = 1;
inline constexpr int kUnknownStatus = 3;  // a write that may or may not have happened

struct Whom {
  std::string region;
  std::string node;
  bool any_region = false;
  bool local = false;
  uint32_t deadline_ms = region::kDeadlineDefaultMs;
  std::string session_file;  // holds a session's token; empty: no session
  client::WhenBehind when_behind = client::WhenBehind::wait;
};
// --region, --node, --any-region, --deadline, --session, --when-behind; with `reads` also --local.
void add_whom_options(CLI::App& command, Whom& whom, bool reads);
// What the shell is set to where the command line says nothing.
void fill_from_shell(const CLI::App& command, const ShellState& shell, Whom& whom);
// "wait", "elsewhere" or "stale".
std::optional<client::WhenBehind> when_behind_from(const std::string& name);

// The file that -t names; without -t ./topology.toml, else .atoll-dev/topology.toml where that exists.
std::string topology_path(const Globals& globals);
Result<topology::Topology> load_topology(const Globals& globals);
client::Options options_for(const Whom& whom);

// One request to each of the nodes at the same time, to exactly that node; the answers in the same order. A
// node that cannot be reached is told by a rejected response, at the latest after `deadline_ms`.
std::vector<region::Response> ask_nodes(client::Client& client, const std::vector<NodeNumber>& nodes,
                                        const region::Request& request, uint32_t deadline_ms);

const char* name_of(region::Outcome outcome);

// To stderr: "atoll COMMAND: SUBJECT: what happened"; returns the exit status that goes with it.
int report(const std::string& command, const Error& error);
int report(const std::string& command, const std::string& subject, region::Outcome outcome, Errc code,
           const std::string& message);

}  // namespace atolldb::tools
