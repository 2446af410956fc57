#pragma once
// SIGTERM, SIGINT and SIGHUP as a file descriptor, so that the protocol loop takes them like any other event.

namespace atolldb::region {

class Signals {
 public:
  // Blocks the signals in this thread and in all that it starts from now on: construct it before any thread.
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  int fd() const { return fd_; }
  // The number of a signal that has arrived; 0: none.
  int take();

 private:
  int fd_;
};

}  // namespace atolldb::region
