#pragma once
// A thread that does one worker's pieces as they come.

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "storage/worker.h"

namespace atolldb::storage {

class WorkerThread {
 public:
  // `name`: what tools call the thread; at most 15 characters. `prompt`: its pieces are short and others wait
  // for them, so it runs at once when it is woken, where the processors are busy too and the kernel can do
  // that (Linux 6.12: short slices, of EEVDF, Stoica and Abdel-Wahab 1995).
  WorkerThread(Worker& worker, const char* name, bool prompt = false)
      : worker_(worker), name_(name), prompt_(prompt) {}
  ~WorkerThread() { join(); }
  WorkerThread(const WorkerThread&) = delete;
  WorkerThread& operator=(const WorkerThread&) = delete;

  void start();
  // There may be something to do. From any thread; costs nothing while the worker is awake anyway.
  void wake();
  // Waits until the worker has ended; whoever calls has seen to it that it will.
  void join();

 private:
  void run();

  Worker& worker_;
  const char* const name_;
  const bool prompt_;
  std::atomic<bool> woken_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::thread thread_;
};

}  // namespace atolldb::storage
