#include "storage/worker_thread.h"

#include <pthread.h>

#include <chrono>

namespace atolldb::storage {
namespace {

using Clock = std::chrono::steady_clock;

Instant now() {
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count()};
}

}  // namespace

void WorkerThread::start() {
  thread_ = std::thread([this] { run(); });
  ::pthread_setname_np(thread_.native_handle(), name_);
}

void WorkerThread::join() {
  if (!thread_.joinable()) return;
  wake();
  thread_.join();
}

void WorkerThread::wake() {
  if (woken_.exchange(true)) return;
  // Behind this it sees `woken_`, or waits. The one that is woken shall not have to wait for the lock.
  { const std::lock_guard lock(mutex_); }
  changed_.notify_one();
}

void WorkerThread::run() {
  for (;;) {
    woken_ = false;  // what changes from here on is looked for again
    while (!worker_.ended() && worker_.begin(now())) worker_.complete(now());
    if (worker_.ended()) return;
    std::unique_lock lock(mutex_);
    const auto woken = [this] { return woken_.load(); };
    const Instant at = worker_.wake_at();
    if (at == Instant::never())
      changed_.wait(lock, woken);
    else
      changed_.wait_until(lock, Clock::time_point(std::chrono::nanoseconds(at.ns)), woken);
  }
}

}  // namespace atolldb::storage
