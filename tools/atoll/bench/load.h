#pragma once
// A load on one region or node, and what came of it.
//
// Closed loop: so many requests are always under way; each answer triggers the next request, and latency is
// measured from sending. Open loop: requests leave on a schedule, whatever is answered, and latency is
// measured from the moment at which the request was due, so that a stall is felt by all that were due in it
// (no coordinated omission).

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "client/client.h"
#include "client/histogram.h"
#include "crdt/base/result.h"
#include "tools/atoll/bench/workload.h"

namespace atolldb::tools {

struct LoadConfig {
  client::Options client;
  WorkloadConfig workload;
  uint32_t in_flight = 64;  // of all connections together; closed loop
  double rate = 0;          // requests a second; above 0: open loop
  uint64_t requests = 0;    // end after so many measured ones; 0: at stop()
};

struct OperationResult {
  std::string name;
  client::Histogram latency;  // of those that were done
  uint64_t hits = 0;          // reads that found something
  uint64_t rejected = 0, unknown = 0;
};

struct LoadResult {
  struct Failures {
    uint64_t count = 0;
    std::string example;  // one of their messages
  };
  std::vector<OperationResult> operations;   // as in the mix
  std::map<std::string, Failures> failures;  // by "rejected busy" and the like
  uint64_t retries = 0;                      // attempts beyond the first, warm-up included
  Instant last_end;                          // when the last measured request ended
  uint64_t overrun = 0;                      // open loop: due, but too many were under way to send them
};

class Load {
 public:
  static Result<std::unique_ptr<Load>> open(const topology::Topology& topology, const LoadConfig& config);
  ~Load();

  // Sets every key of the string key space once. Errc: what the first failure was.
  Status fill(const std::function<void(uint64_t done)>& progress);

  // Starts sending. Nothing is recorded, and no request counts as one of `requests`, before
  // begin_measuring(); that may come first.
  void start();
  void begin_measuring();
  // No new requests; waits for those that are under way.
  void stop();
  // With `requests`: all of them have been answered.
  bool finished() const { return flying_ == 0 && (config_.rate == 0 || schedule_over_); }

  // Of the measured ones.
  uint64_t completed() const { return completed_.load(std::memory_order_relaxed); }
  uint64_t failed() const { return failed_.load(std::memory_order_relaxed); }
  // Requires: stopped.
  const LoadResult& result() const { return result_; }
  const std::string& name() const { return name_; }

 private:
  struct Flight {
    Instant start;
    uint32_t part = 0;
  };

  Load(const LoadConfig& config, std::string name, std::unique_ptr<client::Client> client);
  bool launch(region::Request&& request, Flight* flight);
  void land(Flight* flight, region::Response&& response);
  void record(const Flight& flight, Instant now, const region::Response& response);
  bool enough();
  void run_schedule();
  void one_less();

  const LoadConfig config_;
  const std::string name_;
  Workload workload_;               // closed loop: the client's thread; open loop: the pacer's
  LoadResult result_;               // the client's thread until stopped
  uint64_t measured_launches_ = 0;  // as workload_

  std::atomic<int64_t> measure_from_{INT64_MAX};  // an Instant
  std::atomic<bool> stopping_{false}, schedule_over_{false};
  std::atomic<uint64_t> completed_{0}, failed_{0};
  std::atomic<uint64_t> flying_{0};
  std::thread pacer_;
  std::unique_ptr<client::Client> client_;  // last: its callbacks use all of the above
};

}  // namespace atolldb::tools
