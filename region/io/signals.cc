#include "region/io/signals.h"

#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <initializer_list>

#include "crdt/base/ensure.h"

namespace atolldb::region {

Signals::Signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  ensure(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0, "signals can be blocked");
  signal(SIGPIPE, SIG_IGN);  // a log reader that goes away must not take the node with it
  fd_ = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  ensure(fd_ >= 0, "no file descriptor for signals");
}

Signals::~Signals() { close(fd_); }

int Signals::take() {
  signalfd_siginfo info{};
  return read(fd_, &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

}  // namespace atolldb::region
