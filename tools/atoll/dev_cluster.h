#pragma once
// The processes of a dev cluster: starts, ends and questions them. Used by `atoll dev`, by the drill, which
// kills a region and brings it back, and by whoever wants a cluster on this machine.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "crdt/base/result.h"
#include "crdt/base/time.h"
#include "region/core/request.h"
#include "tools/atoll/dev_files.h"
#include "tools/atoll/dev_layout.h"
#include "tools/atoll/process.h"
#include "topology/topology.h"

namespace atolldb::tools {

using NodeList = std::vector<const topology::Node*>;

class DevCluster {
 public:
  // Called while waiting: how many of how many nodes serve, and who is being waited for.
  using OnWait = std::function<void(size_t ready, size_t all, const std::string& waiting_for)>;

  // Opens the cluster in `dir`, or makes it with `spec` where there is none. A cluster that is there keeps
  // its own options. Errors of read_manifest(), write_cluster_files() and topology::load().
  static Result<DevCluster> open_or_create(const std::string& dir, const DevSpec& spec);
  // Errc::not_found: there is no cluster in `dir`.
  static Result<DevCluster> open(const std::string& dir);

  const topology::Topology& topology() const { return topology_; }
  const DevPaths& paths() const { return paths_; }
  const DevSpec& spec() const { return spec_; }

  NodeList all() const;
  // A region's nodes, or one node. Errc::not_found lists what there is.
  Result<NodeList> select(const std::string& target) const;

  std::optional<ProcessId> process_of(const topology::Node& node) const;  // nullopt: it does not run

  // Starts those of `nodes` that do not run and returns them. Before it starts any, it makes sure that atolld
  // is there and that no other process holds one of their ports.
  Result<NodeList> start(const NodeList& nodes);
  // Waits until every one of `nodes` answers and serves, and applies the cuts that are in force. Fails with
  // the end of the log of the first node that ends meanwhile, or when `limit` is over.
  Status wait_until_serving(const NodeList& nodes, Duration limit, const OnWait& on_wait);

  // SIGKILL; returns those that ran.
  Result<NodeList> kill(const NodeList& nodes);
  // SIGTERM, SIGKILL for those that still run after `limit`; returns how many needed the latter.
  Result<size_t> stop(const NodeList& nodes, Duration limit);

  // Records the cut and tells every running node of both regions.
  Status cut(const std::string& a, const std::string& b);
  Status heal(const std::string& a, const std::string& b);
  Status heal_all();

  // Errc::refused while a node runs.
  Status wipe();

 private:
  DevCluster(DevPaths paths, DevSpec spec, topology::Topology topology)
      : paths_(std::move(paths)), spec_(std::move(spec)), topology_(std::move(topology)) {}

  static Result<DevCluster> load(DevPaths paths, DevSpec spec);
  Result<ProcessId> spawn(const topology::Node& node, const std::string& daemon) const;
  Status check_regions(const std::string& a, const std::string& b) const;
  bool is_alone(const topology::Node& node) const;
  NodeList running_in(const std::string& region) const;
  Status apply_cuts_to(const NodeList& nodes) const;
  Status tell(const NodeList& nodes, region::Op op, const std::vector<std::string>& regions) const;

  DevPaths paths_;
  DevSpec spec_;
  topology::Topology topology_;
};

// How far a wait may go: recovery takes a second, an overloaded machine ten times as long.
inline constexpr Duration kServeLimit = Duration::seconds(60);
inline constexpr Duration kStopLimit = Duration::seconds(15);

}  // namespace atolldb::tools
