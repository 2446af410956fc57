#pragma once
// The client's thread: takes requests from any thread, drives the core and the links, and calls back.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "client/core.h"
#include "client/links.h"
#include "crdt/base/result.h"
#include "topology/topology.h"

namespace atolldb::client {

class Loop final : private Links::Handler {
 public:
  // Starts the thread. Errc::io: no thread, socket or eventfd to be had.
  static Result<std::unique_ptr<Loop>> start(const CoreConfig& config, topology::Topology topology);
  ~Loop() override;

  [[nodiscard]] bool send(region::Request&& request, const Target& target, Callback&& callback);
  void set_regions(std::vector<RegionId> nearest_first);
  // The process has forked since: the thread is in the other one, and what goes through the sockets would be
  // read there.
  bool forked() const;
  bool on_thread() const { return std::this_thread::get_id() == thread_.get_id(); }
  const topology::Topology& topology() const { return topology_; }
  uint64_t retries() const { return retries_.load(std::memory_order_relaxed); }
  uint64_t hedges() const { return hedges_.load(std::memory_order_relaxed); }

 private:
  struct Submission {
    region::Request request;
    Target target;
    Callback callback;
  };
  struct ContextEnd {
    void operator()(void* context) const;
  };

  Loop(const CoreConfig& config, topology::Topology topology, void* context, int wake_fd);
  void run();
  void take_inbox();
  void settle();  // until nothing is left to call back, open or send
  void flush(LinkId link);
  Duration idle_time();
  void wake();

  void on_up(LinkId link) override;
  void on_down(LinkId link, const std::string& why) override;
  void on_frame(LinkId link, BytesView frame) override;
  void on_writable(LinkId link) override;

  const topology::Topology topology_;
  const uint32_t in_flight_max_;
  std::unique_ptr<void, ContextEnd> context_;
  const int wake_fd_;

  // Any thread.
  std::mutex mutex_;
  std::vector<Submission> inbox_;       // guarded by mutex_
  std::vector<RegionId> regions_;       // guarded by mutex_; news for the core
  std::atomic<uint32_t> in_flight_{0};  // taken and not called back
  std::atomic<bool> idle_{false};       // the thread waits, or is about to
  std::atomic<bool> stopping_{false};
  const uint64_t forks_;  // of this process when the loop began
  std::atomic<uint64_t> retries_{0}, hedges_{0};

  // The loop's thread.
  Core core_;
  Links links_;
  Instant now_;
  std::vector<Submission> taken_;
  std::thread thread_;
};

}  // namespace atolldb::client
