#pragma once
// The files of a dev cluster's directory: made by `atoll dev up`, read by every other command, removed by
// `atoll dev down --wipe`.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "crdt/base/result.h"
#include "tools/atoll/dev_layout.h"
#include "topology/topology.h"

namespace atolldb::tools {

// nullopt: DIR does not exist or is empty, so that a cluster may be made there. Errc::refused: it holds
// something that `atoll dev up` did not make. Errc::version, Errc::corrupt: a dev.json that cannot be read.
Result<std::optional<DevSpec>> read_manifest(const DevPaths& paths);

// Writes what is missing of dev.json, the key pairs and topology.toml, the topology last: where it stands,
// the others do. Made once; a second call changes nothing.
Status write_cluster_files(const DevPaths& paths, const DevSpec& spec);

// Pairs of region names, each sorted, in the order in which they were cut. No file: nothing is cut.
using Cuts = std::vector<std::pair<std::string, std::string>>;
Result<Cuts> read_cuts(const DevPaths& paths);
Status write_cuts(const DevPaths& paths, const Cuts& cuts);

// Removes what `up` and the daemons made: the node directories that the topology names and the files above,
// then DIR, which stays, with an error that says so, where it holds anything else.
Status wipe_cluster_files(const DevPaths& paths, const topology::Topology& topology);

// The last lines of a file, for messages; empty when it cannot be read.
std::string tail_of(const std::string& path, size_t lines);

// Held while processes of a cluster are started or ended, so that two commands cannot start a node twice.
class DirectoryLock {
 public:
  static Result<DirectoryLock> acquire(const DevPaths& paths);
  DirectoryLock(DirectoryLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  DirectoryLock& operator=(DirectoryLock&&) = delete;
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace atolldb::tools
