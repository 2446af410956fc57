#include "tests/region_io/daemon_rig.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "topology/format.h"

namespace atolldb::testing {

void write_file(const std::string& path, const std::string& text, unsigned mode) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
  REQUIRE(chmod(path.c_str(), mode) == 0);
}

DaemonRig::DaemonRig(const std::vector<int>& nodes_in_region) : cluster(nodes_in_region) {
  write_topology();
  for (const auto& node : cluster.topology.nodes) {
    std::filesystem::create_directory(data(raw(node.number)));
    write_file(data(raw(node.number)) + "/node.key", cluster.keys.at(node.number).secret_key + "\n");
  }
}

void DaemonRig::write_topology() const { write_file(topology_file(), topology::format(cluster.topology)); }

std::unique_ptr<ChildProcess> DaemonRig::start(uint16_t number, const std::vector<std::string>& more) const {
  std::vector<std::string> flags{"--topology",      topology_file(), "--node",
                                 node(number).name, "--data",        data(number)};
  flags.insert(flags.end(), more.begin(), more.end());
  return run(flags);
}

std::unique_ptr<ChildProcess> DaemonRig::run(const std::vector<std::string>& flags) const {
  const char* program = std::getenv("ATOLLD");
  REQUIRE(program != nullptr);
  std::vector<std::string> command{program};
  command.insert(command.end(), flags.begin(), flags.end());
  return std::make_unique<ChildProcess>(command);
}

}  // namespace atolldb::testing
