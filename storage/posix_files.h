#pragma once
// Files of the operating system: positioned reads and writes that finish or say why not.

#include "storage/disk_faults.h"
#include "storage/file_system.h"

namespace atolldb::storage {

// Owns one file descriptor.
class PosixFile final : public File {
 public:
  static Result<std::unique_ptr<PosixFile>> open(const std::string& path, int flags, unsigned mode = 0640,
                                                 const DiskFaults* faults = nullptr);
  ~PosixFile() override;

  int fd() const { return fd_; }

  Status write_at(BytesView bytes, uint64_t offset) override;
  Result<size_t> read_at(char* into, size_t size, uint64_t offset) const override;
  Status sync_data() override;  // fdatasync
  Status sync_all() override;   // fsync
  Result<uint64_t> size() const override;
  Status truncate(uint64_t size) override;
  Status reserve(uint64_t bytes) override;

 private:
  PosixFile(const std::string& path, int fd, const DiskFaults* faults)
      : File(path), fd_(fd), faults_(faults) {}
  const int fd_;
  const DiskFaults* const faults_;
};

class PosixFiles final : public FileSystem {
 public:
  explicit PosixFiles(const DiskFaults* faults = nullptr) : faults_(faults) {}  // tests only
  Result<std::unique_ptr<File>> open(const std::string& path) override;
  Result<std::unique_ptr<File>> create(const std::string& path) override;
  Status remove(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Status sync_directory(const std::string& directory) override;

 private:
  const DiskFaults* const faults_;
};

// Makes the names in a directory durable.
Status sync_directory(const std::string& path);

}  // namespace atolldb::storage
