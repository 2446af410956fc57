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
  // `name`: what tools call the thread; at most 15 characters.
  WorkerThread(Worker& worker, const char* name) : worker_(worker), name_(name) {}
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
  std::atomic<bool> woken_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::thread thread_;
};

}  // namespace atolldb::storage
