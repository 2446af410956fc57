#include "tools/atoll/dev_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "topology/format.h"

namespace atolldb::tools {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kManifestVersion = 1;
constexpr size_t kKeyBytes = 40;  // of Z85

Error cannot(const std::string& what, const std::string& path) {
  return {Errc::io, "cannot " + what + " " + path + ": " + std::strerror(errno)};
}

// Beside and renamed, so that a reader or a crash never meets half a file. `mode` holds from the first byte.
Status replace_file(const std::string& path, const std::string& content, mode_t mode) {
  const std::string fresh = path + ".new";
  ::unlink(fresh.c_str());
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fd < 0) return cannot("create", fresh);
  const bool written = ::write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size());
  const bool kept = ::fchmod(fd, mode) == 0 && ::fsync(fd) == 0;
  ::close(fd);
  if (!written || !kept) return cannot("write", fresh);
  if (::rename(fresh.c_str(), path.c_str()) != 0) return cannot("replace", path);
  return ok();
}

Result<json> read_json(const std::string& path) {
  std::ifstream file(path);
  json parsed = json::parse(file, nullptr, false);
  if (parsed.is_discarded()) return {Errc::corrupt, path + " is not JSON; remove it, or restore it"};
  return parsed;
}

// The cluster's hash seed: whoever could guess it could aim keys at one partition.
Result<SipKey> random_seed() {
  SipKey seed;
  static_assert(sizeof seed == 16);
  if (::getrandom(&seed, sizeof seed, 0) != static_cast<ssize_t>(sizeof seed)) {
    return {Errc::io, std::string("cannot get random bytes: ") + std::strerror(errno)};
  }
  return seed;
}

// What session tokens are authenticated with: the same on every node, and unknown to clients.
Result<std::string> random_token_secret() {
  std::string bytes(32, '\0'), text;
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return {Errc::io, std::string("cannot get random bytes: ") + std::strerror(errno)};
  }
  for (const char byte : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += kDigits[static_cast<uint8_t>(byte) >> 4];
    text += kDigits[static_cast<uint8_t>(byte) & 15];
  }
  return text + "\n";
}

// Makes the node's directory and secret key, and returns the public one.
Result<std::string> make_node_key(const DevPaths& paths, const std::string& node) {
  std::error_code error;
  fs::create_directories(paths.node_dir(node), error);
  if (error) return {Errc::io, "cannot create " + paths.node_dir(node) + ": " + error.message()};
  char public_key[kKeyBytes + 1], secret_key[kKeyBytes + 1];
  if (zmq_curve_keypair(public_key, secret_key) != 0) {
    return {Errc::io, std::string("cannot make a CURVE key pair: ") + zmq_strerror(zmq_errno())};
  }
  const Status written = replace_file(paths.key(node), std::string(secret_key) + "\n", 0600);
  if (!written) return written.error();
  return std::string(public_key);
}

Status write_manifest(const DevPaths& paths, const DevSpec& spec) {
  const json manifest = {{"version", kManifestVersion},
                         {"regions", spec.regions},
                         {"nodes", spec.nodes},
                         {"base_port", spec.base_port},
                         {"wan_delay_ms", spec.wan_delay_ms}};
  return replace_file(paths.manifest(), manifest.dump(2) + "\n", 0644);
}

Result<DevSpec> spec_of(const json& manifest, const std::string& path) {
  try {
    if (const int version = manifest.at("version").get<int>(); version != kManifestVersion) {
      return {Errc::version, path + " is of version " + std::to_string(version) +
                                 ", this atoll reads version " + std::to_string(kManifestVersion)};
    }
    DevSpec spec;
    spec.regions = manifest.at("regions").get<std::vector<std::string>>();
    spec.nodes = manifest.at("nodes").get<uint32_t>();
    spec.base_port = manifest.at("base_port").get<uint32_t>();
    spec.wan_delay_ms = manifest.at("wan_delay_ms").get<uint32_t>();
    if (const Status valid = check(spec); !valid) {
      return {Errc::corrupt, path + ": " + valid.error().message};
    }
    return spec;
  } catch (const json::exception& problem) {
    return {Errc::corrupt, path + ": " + problem.what()};
  }
}

}  // namespace

Result<std::optional<DevSpec>> read_manifest(const DevPaths& paths) {
  std::error_code error;
  const fs::file_status status = fs::status(paths.dir(), error);
  if (!fs::exists(status)) return std::optional<DevSpec>{};
  if (!fs::is_directory(status)) return {Errc::refused, paths.dir() + " is not a directory"};
  if (!fs::exists(paths.manifest(), error)) {
    const fs::directory_iterator entries(paths.dir(), error);
    if (error) return {Errc::io, "cannot read " + paths.dir() + ": " + error.message()};
    const bool empty = std::all_of(begin(entries), end(entries),
                                   [](const auto& entry) { return entry.path().filename() == "lock"; });
    if (empty) return std::optional<DevSpec>{};
    return {Errc::refused, paths.dir() +
                               " holds files but no dev.json, so `atoll dev up` did not make it; "
                               "choose another --dir"};
  }
  const auto manifest = read_json(paths.manifest());
  if (!manifest) return manifest.error();
  if (!manifest->is_object()) return {Errc::corrupt, paths.manifest() + " is not a JSON object"};
  auto spec = spec_of(*manifest, paths.manifest());
  if (!spec) return spec.error();
  return std::optional<DevSpec>{*std::move(spec)};
}

Status write_cluster_files(const DevPaths& paths, const DevSpec& spec) {
  std::error_code error;
  if (fs::exists(paths.topology(), error)) return ok();
  fs::create_directories(paths.dir(), error);
  if (error) return {Errc::io, "cannot create " + paths.dir() + ": " + error.message()};
  if (Status written = write_manifest(paths, spec); !written) return written;
  topology::Topology made = make_topology(spec);
  const auto seed = random_seed();
  if (!seed) return seed.error();
  made.placement.seed = *seed;
  const auto token_secret = random_token_secret();
  if (!token_secret) return token_secret.error();
  if (Status kept = replace_file(paths.token_secret(), *token_secret, 0600); !kept) return kept;
  for (topology::Node& node : made.nodes) {
    auto key = make_node_key(paths, node.name);
    if (!key) return key.error();
    node.public_key = *std::move(key);
  }
  return replace_file(paths.topology(), topology::format(made), 0644);
}

Result<Cuts> read_cuts(const DevPaths& paths) {
  std::error_code error;
  if (!fs::exists(paths.cuts(), error)) return Cuts{};
  const auto parsed = read_json(paths.cuts());
  if (!parsed) return parsed.error();
  try {
    return parsed->get<Cuts>();
  } catch (const json::exception&) {
    return {Errc::corrupt, paths.cuts() + " is not a list of pairs of region names; remove it, then heal"};
  }
}

Status write_cuts(const DevPaths& paths, const Cuts& cuts) {
  return replace_file(paths.cuts(), json(cuts).dump() + "\n", 0644);
}

Status wipe_cluster_files(const DevPaths& paths, const topology::Topology& topology) {
  std::error_code error;
  for (const topology::Node& node : topology.nodes) {
    fs::remove_all(paths.node_dir(node.name), error);
    if (error) return {Errc::io, "cannot remove " + paths.node_dir(node.name) + ": " + error.message()};
  }
  for (const std::string& file :
       {paths.topology(), paths.token_secret(), paths.cuts(), paths.manifest(), paths.lock()}) {
    fs::remove(file, error);
    if (error) return {Errc::io, "cannot remove " + file + ": " + error.message()};
  }
  fs::remove(paths.dir(), error);
  if (error) {
    return {Errc::refused, "the cluster is removed, but " + paths.dir() +
                               " stays: it holds files that are not the cluster's"};
  }
  return ok();
}

std::string tail_of(const std::string& path, size_t lines) {
  std::ifstream file(path);
  std::deque<std::string> last;
  for (std::string line; std::getline(file, line);) {
    last.push_back(std::move(line));
    if (last.size() > lines) last.pop_front();
  }
  std::string text;
  for (const std::string& line : last) text += "    " + line + "\n";
  return text;
}

Result<DirectoryLock> DirectoryLock::acquire(const DevPaths& paths) {
  const int fd = ::open(paths.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return cannot("open", paths.lock());
  while (::flock(fd, LOCK_EX) != 0) {
    if (errno == EINTR) continue;
    ::close(fd);
    return cannot("lock", paths.lock());
  }
  return DirectoryLock(fd);
}

DirectoryLock::~DirectoryLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace atolldb::tools
