#include "storage/directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <sstream>

namespace atolldb::storage {
namespace {

namespace fs = std::filesystem;

std::string checksum_line(const std::string& text) {
  char line[32];
  std::snprintf(line, sizeof line, "checksum %016" PRIx64 "\n",
                static_cast<uint64_t>(XXH3_64bits(text.data(), text.size())));
  return line;
}

std::string identity_text(const DirectoryIdentity& identity) {
  const std::string text = "atoll data directory\nformat " + std::to_string(kDirectoryFormatVersion) +
                           "\ncluster " + identity.cluster + "\nnode " + std::to_string(raw(identity.node)) +
                           "\n";
  return text + checksum_line(text);
}

bool verifies(const std::string& text) {
  const size_t last = text.rfind("checksum ");
  return last != std::string::npos && text.substr(last) == checksum_line(text.substr(0, last));
}

// The word behind `name` at the beginning of a line.
std::string field(const std::string& text, const std::string& name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line.rfind(name + " ", 0) == 0) return line.substr(name.size() + 1);
  return {};
}

Status make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0750) != 0 && errno != EEXIST)
    return system_error("make directory " + path, errno);
  return ok();
}

}  // namespace

Result<Directory> Directory::open(const std::string& path, const DirectoryIdentity& identity) {
  Directory directory;
  directory.path_ = path;
  while (directory.path_.size() > 1 && directory.path_.back() == '/') directory.path_.pop_back();
  if (Status made = make_directory(directory.path_); !made) return made.error();
  if (Status locked = directory.lock(); !locked) return locked.error();
  if (::access(path.c_str(), W_OK | X_OK) != 0)
    return Error{Errc::io, "the data directory " + path +
                               " is not writable: " + system_error("access", errno).message +
                               "; give it to the user that runs the node"};
  const std::string identity_path = directory.path_ + "/identity";
  auto file = PosixFile::open(identity_path, O_RDONLY);
  if (!file) {
    if (fs::exists(identity_path)) return file.error();
    if (Status made = directory.make(identity); !made) return made.error();
    return directory;
  }
  std::string text(4096, '\0');
  const Result<size_t> got = (*file)->read_at(text.data(), text.size(), 0);
  if (!got) return got.error();
  text.resize(*got);
  if (Status sound = directory.check(text, identity); !sound) return sound.error();
  return directory;
}

Status Directory::lock() {
  auto file = PosixFile::open(path_, O_RDONLY | O_DIRECTORY);
  if (!file) return file.error();
  lock_ = std::move(*file);
  if (::flock(lock_->fd(), LOCK_EX | LOCK_NB) == 0) return ok();
  if (errno != EWOULDBLOCK) return system_error("lock " + path_, errno);
  return {Errc::refused,
          "the data directory " + path_ +
              " is open in another process; stop that one, or give this node its own directory"};
}

Status Directory::check(const std::string& text, const DirectoryIdentity& identity) const {
  const std::string format = field(text, "format"), cluster = field(text, "cluster"),
                    node = field(text, "node");
  if (text.rfind("atoll data directory\n", 0) != 0 || !verifies(text))
    return {Errc::corrupt, path_ +
                               "/identity does not verify; restore the directory, or start this node with an "
                               "empty one and it is filled from its peers"};
  if (std::strtoul(format.c_str(), nullptr, 10) > kDirectoryFormatVersion)
    return {Errc::version, "the data directory " + path_ + " has format " + format +
                               ", this version reads up to " + std::to_string(kDirectoryFormatVersion) +
                               "; start the version that wrote it"};
  if (cluster != identity.cluster)
    return {Errc::refused, "the data directory " + path_ + " belongs to cluster " + cluster + ", expected " +
                               identity.cluster + "; check --data and --topology"};
  if (node != std::to_string(raw(identity.node)))
    return {Errc::refused, "the data directory " + path_ + " belongs to node number " + node + ", expected " +
                               std::to_string(raw(identity.node)) + "; check --data and --node"};
  for (const std::string& part : {log_path(), rows_path() + "/data.mdb"})
    if (!fs::exists(part))
      return {Errc::corrupt,
              part +
                  " is missing; restore the directory, or start this node with an empty one and "
                  "it is filled from its peers"};
  return ok();
}

// Without an identity, only what an interrupted make() leaves is taken for a fresh directory: its log has
// never held a segment.
Status Directory::check_unused() const {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path_, error)) {
    const std::string name = entry.path().filename().string();
    const bool ours = name == "log" || name == "rows" || name == "identity.new" ||
                      // What a node's directory holds beside the store: its key, and its process' files.
                      name == "node.key" || name == "pid" || name == "log.txt";
    if (!ours)
      return {Errc::refused, "the directory " + path_ + " is not empty and has no identity (it contains " +
                                 name +
                                 "); expected an empty or absent directory, or a node's data directory"};
  }
  if (!error && fs::exists(log_path()) && !fs::is_empty(log_path(), error) && !error)
    return {Errc::corrupt, path_ +
                               "/identity is missing beside a log that was used; restore the directory, or "
                               "start this node with an empty one"};
  if (error) return system_error("read directory " + path_, error.value());
  return ok();
}

Status Directory::make(const DirectoryIdentity& identity) {
  if (Status unused = check_unused(); !unused) return unused;
  for (const std::string& part : {log_path(), rows_path()})
    if (Status made = make_directory(part); !made) return made;
  const std::string data = rows_path() + "/data.mdb";
  if (auto file = PosixFile::open(data, O_WRONLY | O_CREAT); !file) return file.error();
  for (const std::string& path : {rows_path(), log_path()})
    if (Status synced = sync_directory(path); !synced) return synced;

  auto file = PosixFile::open(path_ + "/identity.new", O_WRONLY | O_CREAT | O_TRUNC);
  if (!file) return file.error();
  if (Status written = (*file)->write_at(identity_text(identity), 0); !written) return written;
  if (Status synced = (*file)->sync_all(); !synced) return synced;
  if (::rename((*file)->path().c_str(), (path_ + "/identity").c_str()) != 0)
    return system_error("rename " + (*file)->path(), errno);
  if (Status synced = sync_directory(path_); !synced) return synced;
  return sync_directory(fs::absolute(path_).parent_path().string());
}

}  // namespace atolldb::storage
