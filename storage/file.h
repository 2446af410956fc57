#pragma once
// Files as the store uses them: positioned reads and writes that finish or say why not.

#include <cstdint>
#include <string>

#include "crdt/base/bytes.h"
#include "crdt/base/result.h"

namespace atolldb::storage {

// Errc::full where the disk (or quota) is full, Errc::io otherwise. `what` names the operation and the file.
Error system_error(const std::string& what, int error_number);

// Owns one file descriptor.
class File {
 public:
  File() = default;
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  static Result<File> open(const std::string& path, int flags, unsigned mode = 0640);

  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  const std::string& path() const { return path_; }

  Status write_at(BytesView bytes, uint64_t offset) const;
  // Fewer bytes than asked for: the file ended.
  Result<size_t> read_at(char* into, size_t size, uint64_t offset) const;
  Status sync_data() const;  // fdatasync
  Status sync_all() const;   // fsync
  Result<uint64_t> size() const;
  Status truncate(uint64_t size) const;

 private:
  int fd_ = -1;
  std::string path_;
};

// Makes the names in a directory durable.
Status sync_directory(const std::string& path);

}  // namespace atolldb::storage
