#pragma once
// Rare states that a set of runs must have reached to be worth anything, and how often it did.

#include <array>
#include <cstdint>
#include <string_view>

namespace atolldb::sim {

enum class Probe : uint8_t {
  takeover,                 // a coordinator became active
  takeover_with_in_flight,  // and found updates that were not known to be settled
  write_deposed,            // a write waited at a coordinator that was deposed
  epoch_refused,            // a message below the promised epoch was turned away
  handover,                 // a coordinator handed its partition to a more preferred replica
  exchange_completed,
  exchange_in_chunks,
  exchange_overtaken,  // deltas entered at the sender while it scanned
  exchange_abandoned,
  start_forgotten,
  memory_lost,
  memory_regained,
  too_few_kept_theirs,  // it was regained from all that were left
  newcomer_stopped,     // a clone, beside its original
  passed_over_stopped,  // an original whose clone had taken over
  partition_reset,
  checkpoint,
  outbox_cut,
  write_refused_full,
  removed_from_reserve,
  journal_row_written,
  sibling_kept,
  retry_found,        // an increment was found by its request id
  request_id_behind,  // a first attempt named another epoch
  relayed,            // a message of another region went through the wrong node
  count_
};

class Probes {
 public:
  void hit(Probe probe, uint64_t times = 1) { counts_[static_cast<size_t>(probe)] += times; }
  uint64_t count(Probe probe) const { return counts_[static_cast<size_t>(probe)]; }
  void add(const Probes& other) {
    for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  }
  static std::string_view name(Probe probe);
  static constexpr size_t kCount = static_cast<size_t>(Probe::count_);

 private:
  std::array<uint64_t, kCount> counts_{};
};

}  // namespace atolldb::sim
