#pragma once
// Nodes of a small cluster on this machine as processes: topology, keys and data directories on disk. The
// program is named by the environment variable ATOLLD.

#include <memory>
#include <string>
#include <vector>

#include "tests/region_io/child_process.h"
#include "tests/wan/transport_rig.h"

namespace atolldb::testing {

class DaemonRig {
 public:
  explicit DaemonRig(const std::vector<int>& nodes_in_region);
  const topology::Node& node(uint16_t number) const { return *cluster.topology.find(NodeNumber{number}); }
  std::string topology_file() const { return directory_.path() + "/topology.toml"; }
  std::string data(uint16_t number) const { return directory_.path() + "/" + node(number).name; }
  std::string file(const std::string& name) const { return directory_.path() + "/" + name; }
  void write_topology() const;

  // atolld for this node, with more flags behind the usual ones; later ones count.
  std::unique_ptr<ChildProcess> start(uint16_t number, const std::vector<std::string>& more = {}) const;
  std::unique_ptr<ChildProcess> run(const std::vector<std::string>& flags) const;

  wan::Cluster cluster;

 private:
  TemporaryDirectory directory_;
};

void write_file(const std::string& path, const std::string& text, unsigned mode = 0600);

}  // namespace atolldb::testing
