#include "tests/wan/free_port.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstddef>
#include <cstring>
#include <string>

namespace atolldb::wan {
namespace {

// tests/cluster/ports.py gives clusters those above.
constexpr uint16_t kFirst = 10'000, kEnd = 12'000;
constexpr uint16_t kBlock = 50;

// Who has bound the block's name owns it until the process ends, however it ends: abstract addresses leave
// nothing behind, and children do not inherit them.
bool own_block(uint16_t first) {
  const std::string name = "atoll-test-ports-" + std::to_string(first);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0) return true;
  close(fd);
  return false;
}

uint16_t next_block() {
  for (uint16_t first = kFirst; first < kEnd; first += kBlock)
    if (own_block(first)) return first;
  FAIL("found no block of " << kBlock << " ports from " << kFirst << " to " << kEnd << " that no test owns");
  return 0;
}

bool is_free(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool free = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return free;
}

}  // namespace

uint16_t free_port() {
  static uint16_t next = 0, end = 0;
  while (true) {
    if (next == end) {
      next = next_block();
      end = next + kBlock;
    }
    if (const uint16_t port = next++; is_free(port)) return port;
  }
}

}  // namespace atolldb::wan
