// What a client's connection is told to do when its other end has gone without a word (G9). That real nodes
// do so at their doors is resp_bounds_test.py's: test_connections_of_silent_clients_are_asked_after.

#include "region/io/client_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

namespace atolldb::region {
namespace {

// Both ends of a TCP connection on this machine.
struct Pair {
  Pair() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const at = reinterpret_cast<sockaddr*>(&address);
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(bind(listener, at, size) == 0);
    REQUIRE(listen(listener, 1) == 0);
    REQUIRE(getsockname(listener, at, &size) == 0);
    client = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(connect(client, at, size) == 0);
    accepted = accept(listener, nullptr, nullptr);
    REQUIRE(accepted >= 0);
    close(listener);
  }
  ~Pair() {
    close(client);
    close(accepted);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  int client = -1, accepted = -1;
};

int option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  REQUIRE(getsockopt(fd, level, name, &value, &size) == 0);
  return value;
}

}  // namespace

TEST_CASE("client socket: other end is gone, noticed within two minutes and not by one lost packet",
          "[region]") {
  const Pair pair;
  set_client_socket_options(pair.accepted);
  CHECK(option(pair.accepted, SOL_SOCKET, SO_KEEPALIVE) != 0);
  const int idle = option(pair.accepted, IPPROTO_TCP, TCP_KEEPIDLE);
  const int again = option(pair.accepted, IPPROTO_TCP, TCP_KEEPINTVL);
  const int count = option(pair.accepted, IPPROTO_TCP, TCP_KEEPCNT);
  const int unacknowledged_ms = option(pair.accepted, IPPROTO_TCP, TCP_USER_TIMEOUT);
  CHECK(idle + again * count <= 120);
  CHECK(unacknowledged_ms > 0);
  CHECK(unacknowledged_ms <= 120'000);
  CHECK(unacknowledged_ms > 1000 * (idle + again));  // a second question is asked before it ends
  CHECK(option(pair.accepted, IPPROTO_TCP, TCP_NODELAY) != 0);
}

TEST_CASE("client socket: no TCP connection, nothing happens", "[region]") {
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  set_client_socket_options(ends[0]);
  CHECK(write(ends[0], "x", 1) == 1);
  close(ends[0]);
  close(ends[1]);
}

}  // namespace atolldb::region
