#include "tools/atoll/drill/verification.h"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "tools/atoll/clock.h"

namespace atolldb::tools {
namespace {

constexpr size_t kForeignKeysMax = 1'000'000;
constexpr uint32_t kInFlight = 128;  // reads of one node
constexpr uint32_t kVerifyDeadlineMs = 60'000;
constexpr auto kVerifyPause = std::chrono::milliseconds(50);

Result<std::unique_ptr<client::Client>> open_client(const topology::Topology& topology,
                                                    const topology::Region& region) {
  client::Options options;
  options.region = region.name;
  options.attempt_timeout_ms = kVerifyDeadlineMs;
  options.in_flight_max = kInFlight * static_cast<uint32_t>(region.nodes.size() + 1);
  return client::Client::open(topology, options);
}

Result<region::Response> scan_page(client::Client& client, const topology::Node& node, Bytes&& cursor) {
  region::Request request;
  request.op = region::Op::scan;
  request.local = true;
  request.deadline_ms = kVerifyDeadlineMs;
  request.args.push_back(std::move(cursor));
  client::Target target;
  target.node = node.number;
  auto response = client.call(std::move(request), target);
  if (response.outcome == region::Outcome::done) return response;
  return {response.code, node.name + " does not list its keys: " + response.message};
}

Status collect_foreign(client::Client& client, const topology::Node& node, bool loaded, KeySet& foreign) {
  Bytes cursor;
  do {
    auto page = scan_page(client, node, std::move(cursor));
    if (!page) return page.error();
    for (Bytes& key : page->values) {
      if (!is_drill_key(key)) {
        foreign.insert(std::move(key));
      } else if (!loaded) {
        return {Errc::refused, "the cluster holds a drill's keys already, such as " + key + " on " +
                                   node.name +
                                   "; a drill needs a fresh cluster: atoll dev down --wipe, atoll dev up; or "
                                   "compare what is there with --verify-only"};
      }
    }
    if (foreign.size() > kForeignKeysMax) {
      return {Errc::refused,
              "the cluster holds more than a million other keys; a drill is for fresh clusters"};
    }
    cursor = std::move(page->value);
  } while (!cursor.empty());
  return ok();
}

// A client a region, and so a thread; the nodes of a region share it.
class Verification {
 public:
  Verification(const topology::Topology& topology, const Expectation& expected, const KeySet& foreign)
      : topology_(topology), expected_(expected), foreign_(foreign) {}

  Status run(Progress& progress, DrillReport& report) {
    if (Status opened = open(); !opened) return opened;
    for (const auto& verifier : verifiers_) verifier->start();
    uint64_t all = 1;
    for (const auto& verifier : verifiers_) all += verifier->total();
    std::unique_lock hold(mutex_);
    while (!changed_.wait_for(hold, kVerifyPause, [this] { return finished_ == verifiers_.size(); })) {
      uint64_t answered = 0;
      for (const auto& verifier : verifiers_) answered += verifier->answered();
      progress.update(answered, all, "comparing every node: " + std::to_string(answered) + " reads");
    }
    for (const auto& verifier : verifiers_) report.nodes.push_back(verifier->verdict());
    return ok();
  }

 private:
  Status open() {
    for (const topology::Region& region : topology_.regions) {
      auto client = open_client(topology_, region);
      if (!client) return client.error();
      clients_.push_back(*std::move(client));
      for (const NodeNumber node : region.nodes) {
        const VerifierConfig config{node, kInFlight, kVerifyDeadlineMs};
        verifiers_.push_back(std::make_unique<Verifier>(config, topology_, expected_, foreign_,
                                                        *clients_.back(), [this] { on_finished(); }));
      }
    }
    return ok();
  }

  void on_finished() {
    const std::lock_guard hold(mutex_);
    ++finished_;
    changed_.notify_one();
  }

  const topology::Topology& topology_;
  const Expectation& expected_;
  const KeySet& foreign_;
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t finished_ = 0;
  std::vector<std::unique_ptr<Verifier>> verifiers_;
  std::vector<std::unique_ptr<client::Client>> clients_;  // last: their threads end before the rest goes
};

}  // namespace

Result<KeySet> find_foreign_keys(const topology::Topology& topology, bool loaded) {
  KeySet foreign;
  for (const topology::Region& region : topology.regions) {
    auto client = open_client(topology, region);
    if (!client) return client.error();
    for (const NodeNumber node : region.nodes) {
      const Status collected = collect_foreign(**client, *topology.find(node), loaded, foreign);
      if (!collected) return collected.error();
    }
  }
  return foreign;
}

Status verify_nodes(const topology::Topology& topology, const Expectation& expected, const KeySet& foreign,
                    Progress& progress, DrillReport& report) {
  const Instant began = monotonic_now();
  Verification verification(topology, expected, foreign);
  const Status run = verification.run(progress, report);
  report.verify_seconds = (monotonic_now() - began).as_seconds();
  return run;
}

}  // namespace atolldb::tools
