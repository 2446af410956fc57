#pragma once
// The longest time for which this process did not run although it wanted to. A machine that stands still for
// longer than nodes are patient makes them suspect each other, and then a write whose coordinator was
// replaced is unknown without any node's fault: tests ask here before they blame one.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace atolldb::tests {

class StallWatch {
 public:
  StallWatch() : thread_([this] { run(); }) {}
  ~StallWatch() {
    {
      const std::lock_guard hold(mutex_);
      ended_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  StallWatch(const StallWatch&) = delete;
  StallWatch& operator=(const StallWatch&) = delete;

  int64_t longest_ms() const { return longest_ms_; }

 private:
  static constexpr auto kEvery = std::chrono::milliseconds(20);

  void run() {
    std::unique_lock hold(mutex_);
    while (!ended_) {
      const auto due = std::chrono::steady_clock::now() + kEvery;
      changed_.wait_until(hold, due, [this] { return ended_; });
      const auto late =
          std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - due);
      if (late.count() > longest_ms_) longest_ms_ = late.count();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
  std::atomic<int64_t> longest_ms_{0};
  std::thread thread_;  // last: it uses the rest
};

}  // namespace atolldb::tests
