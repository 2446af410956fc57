#include "tools/atoll/dev_cluster.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "tools/atoll/clock.h"
#include "tools/atoll/node_calls.h"
#include "topology/topology.h"

namespace atolldb::tools {
namespace {

namespace fs = std::filesystem;
using topology::Node;

constexpr Duration kAskLimit = Duration::millis(1000);
constexpr Duration kAskPause = Duration::millis(20);
constexpr size_t kLogLinesShown = 12;

// Binding is the only test that cannot be out of date; SO_REUSEADDR as the daemon's sockets have it, so that
// connections in TIME_WAIT do not count.
bool is_port_free(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return true;
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool free = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return free;
}

// "7001 (RESP of eu-1), 9001 (peers of eu-1)": the ports of `nodes` that somebody else holds.
std::string ports_in_use(const NodeList& nodes) {
  std::string taken;
  const auto look = [&](const topology::Address& address, const char* what, const Node& node) {
    if (is_port_free(address.port)) return;
    taken +=
        (taken.empty() ? "" : ", ") + std::to_string(address.port) + " (" + what + " of " + node.name + ")";
  };
  for (const Node* node : nodes) {
    look(node->resp, "RESP", *node);
    look(node->http, "HTTP", *node);
    look(node->peer, "peers", *node);
    look(node->client, "clients", *node);
  }
  return taken;
}

Result<std::string> find_daemon() {
  const auto directory = executable_directory();
  if (!directory) return directory.error();
  const std::string path = *directory + "/atolld";
  if (::access(path.c_str(), X_OK) == 0) return path;
  return {Errc::not_found,
          "there is no atolld beside this command (" + path + "); build it: ninja -C build atolld"};
}

std::vector<NodeNumber> numbers_of(const NodeList& nodes) {
  std::vector<NodeNumber> numbers;
  for (const Node* node : nodes) numbers.push_back(node->number);
  return numbers;
}

std::string names_of(const NodeList& nodes) {
  std::string names;
  for (const Node* node : nodes) names += (names.empty() ? "" : " ") + node->name;
  return names;
}

Status check_ports(const NodeList& nodes) {
  const std::string taken = ports_in_use(nodes);
  if (taken.empty()) return ok();
  return {Errc::refused, "another process holds port " + taken +
                             "; end it, or make a cluster elsewhere with --dir and --base-port"};
}

// Before anything is written: whoever is told of a port in use will want to choose another one.
Status check_new(const DevSpec& spec) {
  if (Status valid = check(spec); !valid) return valid;
  if (const auto daemon = find_daemon(); !daemon) return daemon.error();
  const topology::Topology planned = make_topology(spec);
  NodeList nodes;
  for (const Node& node : planned.nodes) nodes.push_back(&node);
  return check_ports(nodes);
}

std::pair<std::string, std::string> sorted_pair(const std::string& a, const std::string& b) {
  return a < b ? std::pair(a, b) : std::pair(b, a);
}

}  // namespace

Result<DevCluster> DevCluster::load(DevPaths paths, DevSpec spec) {
  auto topology = topology::load(paths.topology());
  if (!topology) return topology.error();
  return DevCluster(std::move(paths), std::move(spec), *std::move(topology));
}

Result<DevCluster> DevCluster::open_or_create(const std::string& dir, const DevSpec& spec) {
  DevPaths paths(fs::absolute(dir).lexically_normal().string());
  auto found = read_manifest(paths);
  if (!found) return found.error();
  if (!*found) {
    if (Status possible = check_new(spec); !possible) return possible.error();
  }
  const DevSpec kept = *found ? **found : spec;
  std::error_code error;
  fs::create_directories(paths.dir(), error);
  if (error) return {Errc::io, "cannot create " + paths.dir() + ": " + error.message()};
  const auto lock = DirectoryLock::acquire(paths);
  if (!lock) return lock.error();
  if (Status written = write_cluster_files(paths, kept); !written) return written.error();
  return load(std::move(paths), kept);
}

Result<DevCluster> DevCluster::open(const std::string& dir) {
  DevPaths paths(fs::absolute(dir).lexically_normal().string());
  auto found = read_manifest(paths);
  if (!found) return found.error();
  if (!*found) {
    return {Errc::not_found,
            "there is no dev cluster in " + paths.dir() + "; make one: atoll dev up --dir " + dir};
  }
  return load(std::move(paths), **found);
}

NodeList DevCluster::all() const {
  NodeList nodes;
  for (const Node& node : topology_.nodes) nodes.push_back(&node);
  return nodes;
}

Result<NodeList> DevCluster::select(const std::string& target) const {
  if (const Node* node = topology_.find(target)) return NodeList{node};
  if (const topology::Region* region = topology_.find_region(target)) {
    NodeList nodes;
    for (const NodeNumber number : region->nodes) nodes.push_back(topology_.find(number));
    return nodes;
  }
  std::string known;
  for (const topology::Region& region : topology_.regions) known += (known.empty() ? "" : ", ") + region.name;
  return {Errc::not_found, "found no region or node '" + target + "'; regions are " + known + ", nodes are " +
                               names_of(all())};
}

std::optional<ProcessId> DevCluster::process_of(const Node& node) const {
  const auto process = read_pid_file(paths_.pid(node.name));
  if (!process || !is_running(*process)) return std::nullopt;
  return process;
}

Result<ProcessId> DevCluster::spawn(const Node& node, const std::string& daemon) const {
  const SpawnSpec spec{
      {daemon, "--topology", paths_.topology(), "--node", node.name, "--data", paths_.node_dir(node.name)},
      paths_.log(node.name)};
  auto process = spawn_detached(spec);
  if (!process) return process;
  if (Status written = write_pid_file(paths_.pid(node.name), *process); !written) {
    // Nobody could find this process again, so it must not stay.
    (void)send_signal(*process, SIGKILL);
    return written.error();
  }
  return process;
}

Result<NodeList> DevCluster::start(const NodeList& nodes) {
  const auto lock = DirectoryLock::acquire(paths_);
  if (!lock) return lock.error();
  NodeList missing;
  for (const Node* node : nodes) {
    if (!process_of(*node)) missing.push_back(node);
  }
  if (missing.empty()) return missing;
  const auto daemon = find_daemon();
  if (!daemon) return daemon.error();
  if (Status free = check_ports(missing); !free) return free.error();
  for (const Node* node : missing) {
    if (const auto process = spawn(*node, *daemon); !process) return process.error();
  }
  return missing;
}

bool DevCluster::is_alone(const Node& node) const {
  const NodeList running = running_in(topology_.region(node.region).name);
  return topology_.region(node.region).nodes.size() > 1 && running.size() <= 1;
}

Status DevCluster::wait_until_serving(const NodeList& nodes, Duration limit, const OnWait& on_wait) {
  const Instant deadline = monotonic_now() + limit;
  NodeList waiting = nodes;
  NodeList uncut = nodes;  // answer not yet, so that the cuts were not applied
  std::string detail;
  while (!waiting.empty()) {
    on_wait(nodes.size() - waiting.size(), nodes.size(), names_of(waiting));
    for (const Node* node : waiting) {
      if (process_of(*node)) continue;
      return {Errc::unavailable, node->name + " ended while it was starting; the end of " +
                                     paths_.log(node->name) + ":\n" +
                                     tail_of(paths_.log(node->name), kLogLinesShown)};
    }
    const auto states = ask_states(topology_, numbers_of(waiting), kAskLimit);
    NodeList still;
    for (size_t i = 0; i < waiting.size(); ++i) {
      const auto pending = std::find(uncut.begin(), uncut.end(), waiting[i]);
      if (states[i].answers && pending != uncut.end()) {
        if (Status applied = apply_cuts_to({waiting[i]}); !applied) return applied;
        uncut.erase(pending);
      }
      if (states[i].ready || (states[i].answers && is_alone(*waiting[i]))) continue;
      still.push_back(waiting[i]);
      detail = waiting[i]->name + ": " + states[i].detail;
    }
    waiting = std::move(still);
    if (waiting.empty()) break;
    if (monotonic_now() >= deadline) {
      return {Errc::timeout, names_of(waiting) + " did not serve within " +
                                 std::to_string(limit.as_millis() / 1000) + " s (" + detail + "); see " +
                                 paths_.log(waiting.front()->name)};
    }
    // A node that ends is news at once; otherwise this is the pause between two questions.
    if (const auto process = process_of(*waiting.front())) (void)wait_until_gone(*process, kAskPause);
  }
  on_wait(nodes.size(), nodes.size(), "");
  return ok();
}

Result<NodeList> DevCluster::kill(const NodeList& nodes) {
  const auto lock = DirectoryLock::acquire(paths_);
  if (!lock) return lock.error();
  NodeList killed;
  std::vector<ProcessId> processes;
  for (const Node* node : nodes) {
    const auto process = process_of(*node);
    if (!process) continue;
    const auto sent = send_signal(*process, SIGKILL);
    if (!sent) return sent.error();
    if (!*sent) continue;
    killed.push_back(node);
    processes.push_back(*process);
  }
  for (const ProcessId& process : processes) {
    if (!wait_until_gone(process, kStopLimit)) {
      return {Errc::timeout,
              "process " + std::to_string(process.pid) + " survives SIGKILL; the kernel holds it"};
    }
  }
  return killed;
}

Result<size_t> DevCluster::stop(const NodeList& nodes, Duration limit) {
  const auto lock = DirectoryLock::acquire(paths_);
  if (!lock) return lock.error();
  std::vector<ProcessId> processes;
  for (const Node* node : nodes) {
    const auto process = process_of(*node);
    if (!process) continue;
    if (const auto sent = send_signal(*process, SIGTERM); !sent) return sent.error();
    processes.push_back(*process);
  }
  const Instant deadline = monotonic_now() + limit;
  size_t forced = 0;
  for (const ProcessId& process : processes) {
    const Duration left = std::max(deadline - monotonic_now(), Duration{});
    if (wait_until_gone(process, left)) continue;
    ++forced;
    if (const auto sent = send_signal(process, SIGKILL); !sent) return sent.error();
    if (!wait_until_gone(process, kStopLimit)) {
      return {Errc::timeout,
              "process " + std::to_string(process.pid) + " survives SIGKILL; the kernel holds it"};
    }
  }
  return forced;
}

Status DevCluster::check_regions(const std::string& a, const std::string& b) const {
  for (const std::string& name : {a, b}) {
    if (topology_.find_region(name)) continue;
    return {Errc::not_found, "found no region '" + name + "'; a cut is between two regions, such as " +
                                 topology_.regions.front().name + " " + topology_.regions.back().name};
  }
  if (a == b) return {Errc::invalid, "found '" + a + "' twice; a cut is between two regions"};
  return ok();
}

NodeList DevCluster::running_in(const std::string& region) const {
  NodeList running;
  for (const NodeNumber number : topology_.find_region(region)->nodes) {
    const Node* node = topology_.find(number);
    if (process_of(*node)) running.push_back(node);
  }
  return running;
}

Status DevCluster::tell(const NodeList& nodes, region::Op op, const std::vector<std::string>& regions) const {
  if (nodes.empty()) return ok();
  region::Request request;
  request.op = op;
  request.args.assign(regions.begin(), regions.end());
  for (const NodeAnswer& answer : ask_nodes(topology_, numbers_of(nodes), request, Duration::seconds(5))) {
    if (answer.response && answer.response->outcome == region::Outcome::done) continue;
    const std::string why = answer.response ? answer.response->message : "no answer in 5 s";
    return {Errc::unavailable, topology_.find(answer.node)->name + " did not take the change of links (" +
                                   why +
                                   "); it is recorded and applied when the node starts; or run this again"};
  }
  return ok();
}

Status DevCluster::cut(const std::string& a, const std::string& b) {
  if (Status valid = check_regions(a, b); !valid) return valid;
  const auto lock = DirectoryLock::acquire(paths_);
  if (!lock) return lock.error();
  auto cuts = read_cuts(paths_);
  if (!cuts) return cuts.error();
  // Recorded first: a node that starts in between finds it.
  if (std::find(cuts->begin(), cuts->end(), sorted_pair(a, b)) == cuts->end()) {
    cuts->push_back(sorted_pair(a, b));
    if (Status written = write_cuts(paths_, *cuts); !written) return written;
  }
  if (Status told = tell(running_in(a), region::Op::cut, {b}); !told) return told;
  return tell(running_in(b), region::Op::cut, {a});
}

Status DevCluster::heal(const std::string& a, const std::string& b) {
  if (Status valid = check_regions(a, b); !valid) return valid;
  const auto lock = DirectoryLock::acquire(paths_);
  if (!lock) return lock.error();
  auto cuts = read_cuts(paths_);
  if (!cuts) return cuts.error();
  std::erase(*cuts, sorted_pair(a, b));
  if (Status written = write_cuts(paths_, *cuts); !written) return written;
  if (Status told = tell(running_in(a), region::Op::heal, {b}); !told) return told;
  return tell(running_in(b), region::Op::heal, {a});
}

Status DevCluster::heal_all() {
  const auto lock = DirectoryLock::acquire(paths_);
  if (!lock) return lock.error();
  if (Status written = write_cuts(paths_, {}); !written) return written;
  NodeList running;
  for (const Node* node : all()) {
    if (process_of(*node)) running.push_back(node);
  }
  return tell(running, region::Op::heal, {});
}

Status DevCluster::apply_cuts_to(const NodeList& nodes) const {
  const auto cuts = read_cuts(paths_);
  if (!cuts) return cuts.error();
  for (const Node* node : nodes) {
    const std::string& region = topology_.region(node->region).name;
    std::vector<std::string> others;
    for (const auto& [a, b] : *cuts) {
      if (a == region) others.push_back(b);
      if (b == region) others.push_back(a);
    }
    if (others.empty()) continue;
    if (Status told = tell({node}, region::Op::cut, others); !told) return told;
  }
  return ok();
}

Status DevCluster::wipe() {
  for (const Node* node : all()) {
    if (process_of(*node)) return {Errc::refused, node->name + " still runs; its files stay"};
  }
  return wipe_cluster_files(paths_, topology_);
}

}  // namespace atolldb::tools
