#include "storage/worker_thread.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>

namespace atolldb::storage {
namespace {

using Clock = std::chrono::steady_clock;

Instant now() {
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count()};
}

// Of the calling thread. Older kernels pass it over; where a sandbox forbids it, the thread runs as others
// do.
void shorten_slices() {
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t slice_ns, deadline_ns, period_ns;
  } attributes{};
  if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
  if (attributes.policy != SCHED_OTHER) return;
  attributes.slice_ns = 100'000;  // the least there is
  ::syscall(SYS_sched_setattr, 0, &attributes, 0);
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
  if (prompt_) shorten_slices();
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
