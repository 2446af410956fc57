// `atoll dev`: a whole cluster on this machine (docs/guide/dev-cluster.md).

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "tools/atoll/command.h"
#include "tools/atoll/dev_cluster.h"
#include "tools/atoll/node_calls.h"
#include "tools/atoll/progress.h"

namespace atolldb::tools {
namespace {

using nlohmann::json;
using topology::Node;

// What the command line gave; lives as long as the command's callbacks.
struct DevOptions {
  std::string dir = ".atoll-dev";
  std::string regions = "eu,us,ap";
  uint32_t nodes = 3;
  uint32_t base_port = 7000;
  std::string wan_delay = "40ms";
  std::string target;
  std::vector<std::string> pair;
  bool wipe = false;
  CLI::Option* regions_given = nullptr;
  CLI::Option* nodes_given = nullptr;
  CLI::Option* base_port_given = nullptr;
  CLI::Option* wan_delay_given = nullptr;
};

std::string plural(size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string names_of(const NodeList& nodes) {
  std::string names;
  for (const Node* node : nodes) names += (names.empty() ? "" : " ") + node->name;
  return names;
}

json names_json(const NodeList& nodes) {
  json names = json::array();
  for (const Node* node : nodes) names.push_back(node->name);
  return names;
}

// Every subcommand is a function that fails or not; this is the one place that prints and sets the status.
template <typename Run>
void finish(Globals& globals, Run run) {
  const Status status = run();
  if (status) return;
  std::fprintf(stderr, "atoll dev: %s\n", status.error().message.c_str());
  globals.exit_status = 1;
}

void say(const Globals& globals, const json& machine, const std::string& person) {
  std::printf("%s\n", globals.json ? machine.dump().c_str() : person.c_str());
}

Result<DevSpec> spec_from(const DevOptions& options) {
  const auto delay = parse_delay(options.wan_delay);
  if (!delay) return delay.error();
  DevSpec spec{split_names(options.regions), options.nodes, options.base_port, *delay};
  if (Status valid = check(spec); !valid) return valid.error();
  return spec;
}

// A cluster that is there keeps its shape; an option that says otherwise is a mistake, not a wish.
Status check_same(const DevOptions& options, const DevSpec& asked, const DevCluster& cluster) {
  const DevSpec& made = cluster.spec();
  const bool differs = (*options.regions_given && asked.regions != made.regions) ||
                       (*options.nodes_given && asked.nodes != made.nodes) ||
                       (*options.base_port_given && asked.base_port != made.base_port) ||
                       (*options.wan_delay_given && asked.wan_delay_ms != made.wan_delay_ms);
  if (!differs) return ok();
  return {Errc::refused,
          cluster.paths().dir() + " holds a cluster of " + describe(made) +
              "; leave the options out, choose another --dir, or remove it: atoll dev down --wipe"};
}

Status wait_with_progress(DevCluster& cluster, const NodeList& nodes) {
  Progress progress(stderr);
  return cluster.wait_until_serving(
      nodes, kServeLimit, [&](size_t ready, size_t all, const std::string& waiting_for) {
        const std::string tail = waiting_for.empty() ? "" : ": waiting for " + waiting_for;
        progress.update(ready, all, std::to_string(ready) + " of " + plural(all, "node") + " serve" + tail);
        if (ready == all) progress.show(ready, all, plural(all, "node") + " serve");
      });
}

std::string next_steps(const DevCluster& cluster) {
  std::string text;
  for (const topology::Region& region : cluster.topology().regions) {
    const Node* first = cluster.topology().find(region.nodes.front());
    text += "  " + region.name + ": RESP 127.0.0.1:" + std::to_string(first->resp.port) + ", C++ clients " +
            first->client.endpoint() + "\n";
  }
  return text + "  commands: -t " + cluster.paths().topology();
}

// The first port that the kernel gives to outgoing connections; Linux' default where it does not say.
uint32_t ephemeral_from() {
  std::ifstream range("/proc/sys/net/ipv4/ip_local_port_range");
  uint32_t first = 0;
  return range >> first ? first : 32'768;
}

Status up(const DevOptions& options, const Globals& globals) {
  const auto asked = spec_from(options);
  if (!asked) return asked.error();
  if (const std::string warning = port_warning(*asked, ephemeral_from()); !warning.empty())
    std::fprintf(stderr, "atoll dev: warning: %s\n", warning.c_str());
  auto cluster = DevCluster::open_or_create(options.dir, *asked);
  if (!cluster) return cluster.error();
  if (Status same = check_same(options, *asked, *cluster); !same) return same;
  const NodeList nodes = cluster->all();
  const auto started = cluster->start(nodes);
  if (!started) return started.error();
  if (Status serving = wait_with_progress(*cluster, nodes); !serving) return serving;
  std::string person;
  if (started->empty()) {
    person = "the cluster in " + cluster->paths().dir() + " was running: " + describe(cluster->spec());
  } else if (started->size() < nodes.size()) {
    person =
        "the cluster in " + cluster->paths().dir() + " was running in part; started " + names_of(*started);
  } else {
    person = "started " + describe(cluster->spec()) + " in " + cluster->paths().dir();
  }
  say(globals,
      {{"dir", cluster->paths().dir()},
       {"topology", cluster->paths().topology()},
       {"started", names_json(*started)}},
      person + "\n" + next_steps(*cluster));
  return ok();
}

json status_json(const Node& node, const std::optional<ProcessId>& process, const NodeState& state) {
  return {{"node", node.name},
          {"running", process.has_value()},
          {"pid", process ? json(process->pid) : json()},
          {"answers", state.answers},
          {"ready", state.ready},
          {"detail", state.detail},
          {"resp", node.resp.port},
          {"http", node.http.port},
          {"peer", node.peer.port},
          {"client", node.client.port}};
}

void print_status_line(const Node& node, const std::optional<ProcessId>& process, const NodeState& state) {
  const std::string pid = process ? std::to_string(process->pid) : "-";
  const char* what = !process ? "down" : state.ready ? "serves" : state.answers ? "answers" : "silent";
  std::printf("%-12s %-8s %-9s %6u %6u %6u %6u  %s\n", node.name.c_str(), pid.c_str(), what, node.resp.port,
              node.http.port, node.peer.port, node.client.port,
              state.ready || !process ? "" : state.detail.c_str());
}

Status status(const DevOptions& options, Globals& globals) {
  const auto cluster = DevCluster::open(options.dir);
  if (!cluster) return cluster.error();
  const NodeList nodes = cluster->all();
  std::vector<std::optional<ProcessId>> processes;
  std::vector<NodeNumber> running;
  for (const Node* node : nodes) {
    processes.push_back(cluster->process_of(*node));
    if (processes.back()) running.push_back(node->number);
  }
  const auto cuts = read_cuts(cluster->paths());
  if (!cuts) return cuts.error();
  const auto states = ask_states(cluster->topology(), running, Duration::seconds(2));
  json lines = json::array();
  if (!globals.json) {
    std::printf("%-12s %-8s %-9s %6s %6s %6s %6s\n", "node", "pid", "state", "resp", "http", "peer",
                "client");
  }
  size_t asked = 0;
  bool all_serve = true;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const NodeState state = processes[i] ? states[asked++] : NodeState{};
    all_serve = all_serve && state.ready;
    if (globals.json) {
      lines.push_back(status_json(*nodes[i], processes[i], state));
    } else {
      print_status_line(*nodes[i], processes[i], state);
    }
  }
  if (globals.json) {
    std::printf("%s\n", json{{"nodes", lines}, {"cuts", *cuts}}.dump().c_str());
  } else {
    for (const auto& [a, b] : *cuts) std::printf("cut: %s %s\n", a.c_str(), b.c_str());
  }
  if (!all_serve) globals.exit_status = 1;
  return ok();
}

Status kill(const DevOptions& options, const Globals& globals) {
  auto cluster = DevCluster::open(options.dir);
  if (!cluster) return cluster.error();
  const auto nodes = cluster->select(options.target);
  if (!nodes) return nodes.error();
  const auto killed = cluster->kill(*nodes);
  if (!killed) return killed.error();
  say(globals, {{"killed", names_json(*killed)}},
      killed->empty() ? "nothing ran in " + options.target : "killed " + names_of(*killed));
  return ok();
}

Status start(const DevOptions& options, const Globals& globals) {
  auto cluster = DevCluster::open(options.dir);
  if (!cluster) return cluster.error();
  const auto nodes = cluster->select(options.target);
  if (!nodes) return nodes.error();
  const auto started = cluster->start(*nodes);
  if (!started) return started.error();
  if (Status serving = wait_with_progress(*cluster, *nodes); !serving) return serving;
  say(globals, {{"started", names_json(*started)}},
      started->empty() ? options.target + " was running" : "started " + names_of(*started));
  return ok();
}

Status cut(const DevOptions& options, const Globals& globals) {
  auto cluster = DevCluster::open(options.dir);
  if (!cluster) return cluster.error();
  if (Status done = cluster->cut(options.pair[0], options.pair[1]); !done) return done;
  say(globals, {{"cut", options.pair}}, "cut " + options.pair[0] + " from " + options.pair[1]);
  return ok();
}

Status heal(const DevOptions& options, const Globals& globals) {
  auto cluster = DevCluster::open(options.dir);
  if (!cluster) return cluster.error();
  if (options.pair.empty()) {
    if (Status done = cluster->heal_all(); !done) return done;
    say(globals, {{"healed", "all"}}, "healed every link");
    return ok();
  }
  if (options.pair.size() != 2) return {Errc::invalid, "heal takes two regions, or none for every link"};
  if (Status done = cluster->heal(options.pair[0], options.pair[1]); !done) return done;
  say(globals, {{"healed", options.pair}}, "healed " + options.pair[0] + " and " + options.pair[1]);
  return ok();
}

Status down(const DevOptions& options, const Globals& globals) {
  auto cluster = DevCluster::open(options.dir);
  if (!cluster) return cluster.error();
  const auto forced = cluster->stop(cluster->all(), kStopLimit);
  if (!forced) return forced.error();
  std::string person = "stopped the cluster in " + cluster->paths().dir();
  if (*forced > 0) person += "; " + plural(*forced, "node") + " did not stop in time and got SIGKILL";
  if (options.wipe) {
    if (Status wiped = cluster->wipe(); !wiped) return wiped;
    person += " and removed it";
  }
  say(globals, {{"stopped", true}, {"forced", *forced}, {"wiped", options.wipe}}, person);
  return ok();
}

using Options = std::shared_ptr<DevOptions>;

CLI::App& add(CLI::App& dev, Globals& globals, const Options& options, const char* name, const char* about) {
  CLI::App& command = *dev.add_subcommand(name, about);
  command.add_option("--dir", options->dir, "the cluster's directory")->capture_default_str();
  command.add_flag("--json", globals.json, "print JSON");
  return command;
}

void add_up(CLI::App& dev, Globals& globals, const Options& options) {
  CLI::App& command =
      add(dev, globals, options, "up", "make the cluster where there is none, and start what does not run");
  options->regions_given =
      command.add_option("--regions", options->regions, "names, with commas between")->capture_default_str();
  options->nodes_given =
      command.add_option("--nodes", options->nodes, "in each region")->capture_default_str();
  options->base_port_given =
      command.add_option("--base-port", options->base_port, "node j of region i: RESP on base + 100 i + j")
          ->capture_default_str();
  options->wan_delay_given =
      command.add_option("--wan-delay", options->wan_delay, "between regions, in each direction")
          ->capture_default_str();
  command.callback([options, &globals] { finish(globals, [&] { return up(*options, globals); }); });
}

}  // namespace

void register_dev(CLI::App& app, Globals& globals) {
  const auto options = std::make_shared<DevOptions>();
  CLI::App& dev = *app.add_subcommand("dev", "a whole cluster on this machine");
  dev.require_subcommand(1);
  add_up(dev, globals, options);
  add(dev, globals, options, "status", "a line a node; exit status 0 when all serve")
      .callback([options, &globals] { finish(globals, [&] { return status(*options, globals); }); });
  CLI::App& kill_command = add(dev, globals, options, "kill", "SIGKILL to a region or a node");
  kill_command.add_option("target", options->target, "such as eu or eu-1")->required();
  kill_command.callback([options, &globals] { finish(globals, [&] { return kill(*options, globals); }); });
  CLI::App& start_command =
      add(dev, globals, options, "start", "start a region or a node, and wait until it serves");
  start_command.add_option("target", options->target, "such as eu or eu-1")->required();
  start_command.callback([options, &globals] { finish(globals, [&] { return start(*options, globals); }); });
  CLI::App& cut_command = add(dev, globals, options, "cut", "cut the links between two regions");
  cut_command.add_option("regions", options->pair, "such as eu us")->required()->expected(2);
  cut_command.callback([options, &globals] { finish(globals, [&] { return cut(*options, globals); }); });
  CLI::App& heal_command = add(dev, globals, options, "heal", "heal the links between two regions, or all");
  heal_command.add_option("regions", options->pair, "such as eu us; none: all")->expected(0, 2);
  heal_command.callback([options, &globals] { finish(globals, [&] { return heal(*options, globals); }); });
  CLI::App& down_command = add(dev, globals, options, "down", "stop every node");
  down_command.add_flag("--wipe", options->wipe, "and remove the cluster's files");
  down_command.callback([options, &globals] { finish(globals, [&] { return down(*options, globals); }); });
}

}  // namespace atolldb::tools
