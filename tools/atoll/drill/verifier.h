#pragma once
// Compares what one node holds with what the file says: reads every key at exactly that node (R=1, never
// forwarded), so many at once, and then walks all keys that it holds to find those that should not be there.

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "client/client.h"
#include "tools/atoll/drill/drill_plan.h"
#include "tools/atoll/drill/drill_report.h"
#include "topology/topology.h"

namespace atolldb::tools {

// Keys that are none of the drill's and were there before it.
using KeySet = std::unordered_set<Bytes>;

struct VerifierConfig {
  NodeNumber node{};
  uint32_t in_flight = 128;
  uint32_t deadline_ms = 60'000;  // of one read
};

class Verifier {
 public:
  // `client` takes in_flight requests of this verifier besides all others. `topology`, `expected` and
  // `foreign` outlive the verifier, which outlives its last callback. `on_finished` is called once, on the
  // client's thread, which also runs everything else here.
  Verifier(const VerifierConfig& config, const topology::Topology& topology, const Expectation& expected,
           const KeySet& foreign, client::Client& client, std::function<void()> on_finished);

  void start();
  // How many of all reads are answered; from any thread.
  uint64_t answered() const { return answered_.load(std::memory_order_relaxed); }
  uint64_t total() const { return strings_.size() + sets_.size(); }
  // After `on_finished` only.
  const NodeVerdict& verdict() const { return verdict_; }

 private:
  using Handle = void (Verifier::*)(uint32_t subject, region::Response&& response);

  void fill();
  void send(region::Request&& request, uint32_t subject, Handle handle);
  void read_string(uint32_t subject);
  void read_members(uint32_t subject, Bytes&& cursor);
  void scan(Bytes&& cursor);
  void take_string(uint32_t subject, region::Response&& response);
  void take_members(uint32_t subject, region::Response&& response);
  void take_scan(uint32_t subject, region::Response&& response);
  void judge_set(uint32_t subject);
  void finish_if_done();
  void wrong(const std::string& what);
  bool failed(const region::Response& response, const Bytes& key);

  const VerifierConfig config_;
  const Expectation& expected_;
  const KeySet& foreign_;
  client::Client& client_;
  const std::function<void()> on_finished_;

  // What of the expectation this node must hold: where a region has more nodes than replicas, a part.
  std::vector<uint32_t> strings_;
  std::vector<uint32_t> sets_;
  std::unordered_set<BytesView> keys_;

  size_t next_ = 0;  // of strings_, then of sets_
  uint32_t under_way_ = 0;
  bool scanned_ = false;
  bool finished_ = false;
  std::vector<std::vector<Bytes>> members_;  // by place in expected_.sets; gathered page by page
  NodeVerdict verdict_;
  std::atomic<uint64_t> answered_ = 0;
};

}  // namespace atolldb::tools
