#pragma once
// Does this disk hold all that its node has ever acknowledged? Rules 15 and 16 of docs/coordinator.md. A
// process begins by asking its peers how far they have heard that its log was synced. If one knows more than
// the disk does, the node has lost its memory: it takes part without a vote until complete exchanges have
// brought back what it had acknowledged.

#include <functional>
#include <map>
#include <set>

#include "region/core/exchange.h"
#include "region/core/node_state.h"
#include "region/core/partition.h"

namespace atolldb::region {

class Memory {
 public:
  static constexpr Duration kAskEvery = Duration::millis(200);
  static constexpr Duration kHearAtLeast = Duration::millis(250);   // let others than the fastest be heard
  static constexpr Duration kRegionsWithin = Duration::seconds(2);  // where no replica can witness
  static constexpr Duration kTwinPatience = Duration::seconds(6);

  using Partitions = std::function<std::vector<Partition*>()>;

  Memory(NodeState& node, Exchanges& exchanges, Partitions partitions)
      : node_(node), exchanges_(exchanges), partitions_(std::move(partitions)) {}

  // What the disk says of the process before this one. Until it has been judged the log stays as it is, also
  // where this process ends before; `on_joining` goes into the log with the start.
  void begin(uint32_t disk_start, storage::LogPosition disk_position, bool lost, storage::Batch&& on_joining);
  void on_hello(NodeNumber from, const Hello& hello);
  void on_position(NodeNumber from, const Position& position);
  // A complete exchange that regains memory has ended.
  void on_exchanged(const Exchanges::Pulled& pulled);
  // A damaged row: the node begins a new start without memory, in the running process. Commits `batch`, which
  // has what was forgotten.
  void lose(storage::Batch&& batch);
  // It has no vote and what has been fetched does not give it back yet.
  bool regaining() const { return node_.standing == Standing::lost && !regaining_done_; }
  // Damaged rows while it is: what has been fetched of these partitions counts no more.
  void fetch_again(const std::set<PartitionId>& partitions, storage::Batch&& batch);
  // This process's start has been logged.
  bool joined() const { return joined_; }
  // Somebody else holds the partition.
  bool can_regain(const Partition& partition) const { return !witnesses(partition).empty(); }
  void tick();

 private:
  void ask();
  void try_join();
  void join(storage::Batch&& batch);
  void regain();
  size_t needed(const Partition& partition) const;
  bool regained(const Partition& partition) const;
  bool too_few_kept_theirs(const Partition& partition) const;
  std::vector<NodeNumber> witnesses(const Partition& partition) const;
  std::vector<NodeNumber> far_witnesses(const Partition& partition) const;
  bool has_local_peers() const;
  bool regions_answered() const;

  NodeState& node_;
  Exchanges& exchanges_;
  Partitions partitions_;
  uint32_t disk_start_ = 0;
  storage::LogPosition disk_position_;
  storage::Batch on_joining_;
  bool lost_ = false;
  bool joined_ = false;  // the start has been logged
  bool regaining_done_ = false;
  Instant began_, asked_{INT64_MIN / 2};
  std::optional<Instant> twin_since_;  // another process of this node is running
  std::set<NodeNumber> agreed_;
  std::set<RegionId> regions_;  // that have answered
  struct Done {
    std::set<NodeNumber> with_vote, any;
  };
  std::map<PartitionId, Done> exchanged_;
  bool told_too_few_ = false;
};

}  // namespace atolldb::region
