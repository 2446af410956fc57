#pragma once
// The file operations that the log needs, and nothing else. Two of them: PosixFiles in the daemon,
// VirtualDisk where disks fail on purpose. The log is the same code over both.
//
// Paths are what the caller of the store names; the log's files lie in one directory. What is written counts
// after a crash when it was synced; a name, when its directory was synced. Every operation may fail:
// Errc::full where there is no space, Errc::io otherwise, and the message names the operation and the file.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/result.h"

namespace atolldb::storage {

// Errc::full for ENOSPC and EDQUOT, Errc::io otherwise. `what` names the operation and the file.
Error system_error(const std::string& what, int error_number);

// An open file; its destruction closes it. One thread writes; others may read meanwhile.
class File {
 public:
  virtual ~File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  const std::string& path() const { return path_; }

  virtual Status write_at(BytesView bytes, uint64_t offset) = 0;
  // Fewer bytes than asked for: the file ended.
  virtual Result<size_t> read_at(char* into, size_t size, uint64_t offset) const = 0;
  virtual Status sync_data() = 0;  // the bytes, and of the rest what it takes to read them
  virtual Status sync_all() = 0;
  virtual Result<uint64_t> size() const = 0;
  virtual Status truncate(uint64_t size) = 0;
  // Takes the space for `bytes` zeros and syncs them: later writes into it need no space and change no
  // metadata.
  virtual Status reserve(uint64_t bytes) = 0;

 protected:
  explicit File(std::string path) : path_(std::move(path)) {}

 private:
  std::string path_;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // To read and write. Errc::io: there is none.
  virtual Result<std::unique_ptr<File>> open(const std::string& path) = 0;
  // An empty one. Errc::io: there is one already.
  virtual Result<std::unique_ptr<File>> create(const std::string& path) = 0;
  virtual Status remove(const std::string& path) = 0;
  // The names in a directory, in order.
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;
  virtual Status sync_directory(const std::string& directory) = 0;
};

}  // namespace atolldb::storage
