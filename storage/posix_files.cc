#include "storage/posix_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

namespace atolldb::storage {
namespace {

constexpr size_t kFillBytes = 1u << 20;

template <typename T>
Result<std::unique_ptr<File>> as_file(Result<std::unique_ptr<T>>&& file) {
  if (!file) return file.error();
  return std::unique_ptr<File>(std::move(*file));
}

}  // namespace

Error system_error(const std::string& what, int error_number) {
  const bool full = error_number == ENOSPC || error_number == EDQUOT;
  return {full ? Errc::full : Errc::io, what + ": " + std::generic_category().message(error_number)};
}

Result<std::unique_ptr<PosixFile>> PosixFile::open(const std::string& path, int flags, unsigned mode,
                                                   const DiskFaults* faults) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return system_error("open " + path, errno);
  return std::unique_ptr<PosixFile>(new PosixFile(path, fd, faults));
}

PosixFile::~PosixFile() { ::close(fd_); }

Status PosixFile::write_at(BytesView bytes, uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("write " + path(), errno);
    bytes.remove_prefix(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return ok();
}

Result<size_t> PosixFile::read_at(char* into, size_t size, uint64_t offset) const {
  size_t done = 0;
  while (done < size) {
    const ssize_t n = ::pread(fd_, into + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("read " + path(), errno);
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

Status PosixFile::sync_data() {
  if (faults_ && faults_->fail_log_sync) return system_error("sync " + path(), EIO);
  if (::fdatasync(fd_) != 0) return system_error("sync " + path(), errno);
  return ok();
}

Status PosixFile::sync_all() {
  if (::fsync(fd_) != 0) return system_error("sync " + path(), errno);
  return ok();
}

Result<uint64_t> PosixFile::size() const {
  struct stat info {};
  if (::fstat(fd_, &info) != 0) return system_error("stat " + path(), errno);
  return static_cast<uint64_t>(info.st_size);
}

Status PosixFile::truncate(uint64_t size) {
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return system_error("truncate " + path(), errno);
  return ok();
}

// Takes the space and writes it once: blocks that were never written would cost the journal a commit at the
// first sync.
Status PosixFile::reserve(uint64_t bytes) {
  if (faults_ && faults_->full) return system_error("preallocate " + path(), ENOSPC);
  if (::posix_fallocate(fd_, 0, static_cast<off_t>(bytes)) == ENOSPC)
    return system_error("preallocate " + path(), ENOSPC);
  const Bytes zeros(kFillBytes, '\0');
  for (uint64_t at = 0; at < bytes; at += kFillBytes) {
    const uint64_t n = std::min<uint64_t>(kFillBytes, bytes - at);
    if (Status written = write_at(BytesView(zeros).substr(0, n), at); !written) return written;
  }
  return sync_all();
}

Result<std::unique_ptr<File>> PosixFiles::open(const std::string& path) {
  return as_file(PosixFile::open(path, O_RDWR, 0, faults_));
}

Result<std::unique_ptr<File>> PosixFiles::create(const std::string& path) {
  return as_file(PosixFile::open(path, O_RDWR | O_CREAT | O_EXCL, 0640, faults_));
}

Status PosixFiles::remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return system_error("remove " + path, errno);
  return ok();
}

Result<std::vector<std::string>> PosixFiles::list(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error))
    names.push_back(entry.path().filename().string());
  if (error) return system_error("read directory " + directory, error.value());
  std::sort(names.begin(), names.end());
  return names;
}

Status PosixFiles::sync_directory(const std::string& directory) { return storage::sync_directory(directory); }

Status sync_directory(const std::string& path) {
  const auto directory = PosixFile::open(path, O_RDONLY | O_DIRECTORY);
  if (!directory) return directory.error();
  return (*directory)->sync_all();
}

}  // namespace atolldb::storage
