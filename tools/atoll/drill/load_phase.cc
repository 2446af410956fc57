#include "tools/atoll/drill/load_phase.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "tools/atoll/clock.h"
#include "tools/atoll/drill/drill_plan.h"
#include "tools/atoll/drill/loader.h"

namespace atolldb::tools {
namespace {

constexpr Duration kProgressPause = Duration::millis(50);
constexpr uint32_t kDeadlineMs = 30'000;  // where nothing is to go wrong

// The loaders, the outage and the clock of the phases. The thread that runs it watches; the loaders' threads
// only wake it when one of them is done.
class Load {
 public:
  Load(const topology::Topology& topology, DevCluster* cluster, const PackageIndex& index,
       const DrillOptions& options, Progress& progress, DrillReport& report)
      : topology_(topology),
        cluster_(cluster),
        index_(index),
        options_(options),
        progress_(progress),
        report_(report),
        plan_(plan_writes(index, topology.regions.size(), options.seed)) {}

  Status run() {
    if (Status opened = open_loaders(); !opened) return opened;
    phase_began_ = monotonic_now();
    for (const auto& loader : loaders_) loader->start();
    if (cluster_) {
      watch_until([this] { return half_done(); });
      if (Status killed = kill_region(); !killed) return killed;
      const Instant back_at = monotonic_now() + options_.outage;
      watch_until([&] { return others_done() || monotonic_now() >= back_at; });
      if (Status started = restart_region(); !started) return started;
    }
    watch_until([this] { return all_done(); });
    end_phase(cluster_ ? "region back" : "load");
    collect();
    return ok();
  }

 private:
  Status open_loaders() {
    for (size_t i = 0; i < plan_.size(); ++i) {
      LoaderConfig config;
      config.region = topology_.regions[i].name;
      config.in_flight = options_.in_flight;
      config.deadline_ms = kDeadlineMs;
      if (cluster_ && i + 1 == plan_.size()) {
        config.deadline_ms = static_cast<uint32_t>(options_.retry_limit.as_millis());
        // However fast it is, there are writes left to lose when its region dies.
        config.gate = plan_[i].size() * 3 / 4;
      }
      auto loader = Loader::open(config, topology_, index_, plan_[i], phase_, [this] { on_finished(); });
      if (!loader) return loader.error();
      loaders_.push_back(*std::move(loader));
      all_writes_ += plan_[i].size();
    }
    return ok();
  }

  void on_finished() {
    const std::lock_guard hold(mutex_);
    ++finished_;
    changed_.notify_one();
  }

  template <typename Condition>
  void watch_until(Condition condition) {
    while (!condition()) {
      show_progress();
      std::unique_lock hold(mutex_);
      const size_t seen = finished_;
      changed_.wait_for(hold, std::chrono::nanoseconds(kProgressPause.ns), [&] { return finished_ != seen; });
    }
  }

  uint64_t answered() const {
    uint64_t sum = 0;
    for (const auto& loader : loaders_) sum += loader->answered();
    return sum;
  }

  bool half_done() const {
    const Loader& last = *loaders_.back();
    return answered() * 2 >= all_writes_ || last.answered() * 5 >= last.total() * 3;
  }

  bool others_done() const {
    return std::all_of(loaders_.begin(), loaders_.end() - 1,
                       [](const auto& loader) { return loader->answered() == loader->total(); });
  }

  bool all_done() {
    const std::lock_guard hold(mutex_);
    return finished_ == loaders_.size();
  }

  void show_progress() {
    static constexpr const char* kWhat[] = {"loading", "region down", "region back"};
    const uint64_t done = answered();
    uint64_t errors = 0;
    for (const auto& loader : loaders_) errors += loader->errors();
    std::string text = std::string(kWhat[static_cast<size_t>(phase_.load())]) + ": " + std::to_string(done) +
                       " of " + std::to_string(all_writes_) + " writes";
    if (const double seconds = (monotonic_now() - phase_began_).as_seconds(); seconds > 0.2) {
      text += ", " +
              std::to_string(static_cast<uint64_t>(static_cast<double>(done - phase_from_) / seconds)) + "/s";
    }
    progress_.update(done, all_writes_, text + ", " + std::to_string(errors) + " errors");
  }

  Status kill_region() {
    const std::string& region = topology_.regions.back().name;
    const auto nodes = cluster_->select(region);
    if (!nodes) return nodes.error();
    const auto killed = cluster_->kill(*nodes);
    if (!killed) return killed.error();
    killed_at_ = monotonic_now();
    end_phase("all regions up");
    phase_ = LoadPhase::region_down;
    report_.killed = region;
    progress_.line("SIGKILL to all " + std::to_string(killed->size()) + " nodes of " + region);
    loaders_.back()->open_gate();
    return ok();
  }

  Status restart_region() {
    const std::string& region = topology_.regions.back().name;
    const auto nodes = cluster_->select(region);
    if (!nodes) return nodes.error();
    progress_.line("starting " + region + " again");
    if (const auto started = cluster_->start(*nodes); !started) return started.error();
    const Status serving = cluster_->wait_until_serving(
        *nodes, kServeLimit, [this](size_t, size_t, const std::string&) { show_progress(); });
    if (!serving) return serving;
    report_.down_seconds = (monotonic_now() - killed_at_).as_seconds();
    end_phase("region down");
    phase_ = LoadPhase::region_back;
    return ok();
  }

  void end_phase(const std::string& name) {
    const Instant now = monotonic_now();
    PhaseFigures figures;
    figures.name = name;
    figures.seconds = (now - phase_began_).as_seconds();
    report_.phases.push_back(std::move(figures));
    phase_began_ = now;
    phase_from_ = answered();
  }

  // The loaders' figures may be read once they are done.
  void collect() {
    for (size_t region = 0; region < loaders_.size(); ++region) {
      for (size_t phase = 0; phase < report_.phases.size(); ++phase) {
        const auto of = static_cast<LoadPhase>(phase);
        report_.phases[phase].regions.push_back(loaders_[region]->figures(of));
      }
      report_.retries[region] = loaders_[region]->retries();
      report_.first_errors[region] = loaders_[region]->first_error();
    }
  }

  const topology::Topology& topology_;
  DevCluster* cluster_;
  const PackageIndex& index_;
  const DrillOptions& options_;
  Progress& progress_;
  DrillReport& report_;
  const std::vector<std::vector<PlannedWrite>> plan_;

  std::atomic<LoadPhase> phase_ = LoadPhase::all_up;
  Instant phase_began_, killed_at_;
  uint64_t phase_from_ = 0;  // writes answered when the phase began
  uint64_t all_writes_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  size_t finished_ = 0;

  std::vector<std::unique_ptr<Loader>> loaders_;  // last: their threads end before the rest goes
};

}  // namespace

Status run_load(const topology::Topology& topology, DevCluster* cluster, const PackageIndex& index,
                const DrillOptions& options, Progress& progress, DrillReport& report) {
  Load load(topology, cluster, index, options, progress, report);
  return load.run();
}

}  // namespace atolldb::tools
