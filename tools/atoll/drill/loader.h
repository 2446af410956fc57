#pragma once
// One region's loader: sends its part of the plan through a client that asks this region and no other, so
// many at once, and measures what comes back. What is unknown the client repeats, increments by their request
// id, until the region answers again.
//
// Everything that changes runs on the client's thread; the counters may be read from anywhere.

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/client.h"
#include "crdt/base/result.h"
#include "crdt/base/time.h"
#include "tools/atoll/drill/drill_plan.h"
#include "tools/atoll/drill/drill_report.h"
#include "tools/atoll/drill/package_index.h"
#include "topology/topology.h"

namespace atolldb::tools {

// What happens in the cluster while writes are answered; a write counts for the phase in which its answer
// comes.
enum class LoadPhase : uint8_t { all_up, region_down, region_back };
inline constexpr size_t kLoadPhases = 3;

struct LoaderConfig {
  std::string region;
  uint32_t in_flight = 64;
  uint32_t deadline_ms = 30'000;  // of one write, repeats included
  size_t gate = SIZE_MAX;         // so many writes are sent before open_gate() is called
};

class Loader {
 public:
  // `topology`, `index`, `writes` and `phase` outlive the loader. `on_finished` is called once, on the
  // client's thread, when the last write is answered.
  static Result<std::unique_ptr<Loader>> open(const LoaderConfig& config, const topology::Topology& topology,
                                              const PackageIndex& index,
                                              const std::vector<PlannedWrite>& writes,
                                              const std::atomic<LoadPhase>& phase,
                                              std::function<void()> on_finished);

  // Gives up what is under way.
  ~Loader();

  void start();
  void open_gate();

  uint64_t total() const { return writes_.size(); }
  uint64_t answered() const { return answered_.load(std::memory_order_relaxed); }
  uint64_t errors() const { return errors_.load(std::memory_order_relaxed); }
  uint64_t retries() const { return client_->retries(); }

  // After `on_finished` only.
  const RegionFigures& figures(LoadPhase phase) const { return figures_[static_cast<size_t>(phase)]; }
  const std::string& first_error() const { return first_error_; }

 private:
  struct Slot {
    Instant sent_at;
    PlannedWrite write;
  };

  Loader(const LoaderConfig& config, const PackageIndex& index, const std::vector<PlannedWrite>& writes,
         const std::atomic<LoadPhase>& phase, std::function<void()> on_finished);
  void poke();
  void fill();
  void send(uint32_t slot);
  void take(uint32_t slot, const region::Response& response);
  region::Request request_for(const PlannedWrite& write) const;

  const LoaderConfig config_;
  const PackageIndex& index_;
  const std::vector<PlannedWrite>& writes_;
  const std::atomic<LoadPhase>& phase_;
  const std::function<void()> on_finished_;

  // Of the client's thread.
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  size_t next_ = 0;
  std::array<RegionFigures, kLoadPhases> figures_;
  std::string first_error_;

  std::atomic<bool> gate_open_;
  std::atomic<bool> stopping_ = false;
  std::atomic<uint64_t> answered_ = 0;
  std::atomic<uint64_t> errors_ = 0;

  std::unique_ptr<client::Client> client_;  // last: its thread ends before the rest goes
};

}  // namespace atolldb::tools
