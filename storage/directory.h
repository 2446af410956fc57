#pragma once
// A data directory: whose it is, in which format, and that nobody else has it open.
//
//   identity      text, checksummed: format version, cluster, node. Written last when a directory is made
//   log/          segments (docs/formats/log.md)
//   rows/         the LMDB environment (docs/formats/lmdb.md)

#include <string>

#include "crdt/base/ids.h"
#include "storage/posix_files.h"

namespace atolldb::storage {

inline constexpr unsigned kDirectoryFormatVersion = 1;

struct DirectoryIdentity {
  std::string cluster;  // digest of what the cluster is; printable, without spaces
  NodeNumber node{};
};

class Directory {
 public:
  // Locks the directory for this process and makes it if it is absent or empty. Refuses, and changes nothing:
  // Errc::refused another node's, another cluster's, in use, not a data directory; Errc::version a newer
  // format; Errc::corrupt an identity that does not verify, a part that is missing; Errc::io the rest.
  static Result<Directory> open(const std::string& path, const DirectoryIdentity& identity);

  std::string log_path() const { return path_ + "/log"; }
  std::string rows_path() const { return path_ + "/rows"; }

 private:
  Status lock();
  Status make(const DirectoryIdentity& identity);
  Status check(const std::string& text, const DirectoryIdentity& identity) const;
  Status check_unused() const;

  std::string path_;
  std::unique_ptr<PosixFile> lock_;  // the directory itself, flock()ed
};

}  // namespace atolldb::storage
