#include "region/io/node_key.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "wan/io/curve_keys.h"

namespace atolldb::region {

Result<NodeKey> read_node_key(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return {Errc::io, "the node's secret key " + path + " cannot be read: " + std::strerror(errno) +
                          "; `atoll topology keygen --out " + path + "` makes a new one"};
  std::array<char, 128> buffer{};
  const auto size = ::read(fd, buffer.data(), buffer.size());
  struct stat info {};
  const bool known = ::fstat(fd, &info) == 0;
  const int error = errno;
  ::close(fd);
  if (size < 0 || !known)
    return {Errc::io, "the node's secret key " + path + " cannot be read: " + std::strerror(error)};
  NodeKey key{std::string(buffer.data(), static_cast<size_t>(size)),
              (info.st_mode & (S_IRGRP | S_IROTH)) != 0};
  key.secret_key.resize(key.secret_key.find_last_not_of(" \t\r\n") + 1);
  if (!wan::is_key(key.secret_key))
    return {Errc::invalid,
            path + ": found " + std::to_string(key.secret_key.size()) +
                " characters that are no CURVE key, expected one secret key of 40 characters in Z85, as "
                "`atoll topology keygen` writes it"};
  return key;
}

}  // namespace atolldb::region
