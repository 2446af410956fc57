#include "region/io/client_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace atolldb::region {
namespace {

constexpr int kSilentSeconds = 60;  // until the first question
constexpr int kAskAgainSeconds = 20;
constexpr int kQuestions = 3;
// With it the system no longer counts questions: it ends a connection at the first one that is due when
// nothing was heard for so long. Shorter than this, and a single lost packet would do it.
constexpr int kUnacknowledgedMs = 1000 * (kSilentSeconds + kAskAgainSeconds * kQuestions);

}  // namespace

void set_client_socket_options(int fd) {
  const auto set = [&](int level, int option, int value) {
    static_cast<void>(setsockopt(fd, level, option, &value, sizeof value));
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kSilentSeconds);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kAskAgainSeconds);
  set(IPPROTO_TCP, TCP_KEEPCNT, kQuestions);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, kUnacknowledgedMs);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
}

}  // namespace atolldb::region
