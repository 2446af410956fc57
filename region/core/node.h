#pragma once
// One node's part in its region: every partition that it holds a replica of, the coordinators that run here,
// and what the nodes of the region say to each other. Driven by region/node; owns no socket, thread, file or
// clock.

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "region/core/coordinator.h"
#include "region/core/exchange.h"
#include "region/core/memory.h"
#include "region/core/message.h"
#include "region/core/node_state.h"
#include "region/core/partition.h"
#include "region/core/router.h"

namespace atolldb::region {

class Node final : private MessageHandler {
 public:
  static constexpr Duration kTickEvery = Duration::millis(20);       // while something is under way
  static constexpr Duration kIdleTickEvery = Duration::millis(100);  // a heartbeat's distance
  static constexpr Duration kSweepEvery = Duration::millis(4);       // while a collection is cleared in steps

  // `on_wan`: a message of wan/core, from a node of another region (or relayed inside this one).
  using OnWan = std::function<void(NodeNumber from, BytesView message)>;

  Node(const topology::Topology& topology, NodeNumber self, uint64_t seed, storage::Store& store,
       EventLog& log, OnWan on_wan, const ClearSteps& clears = {});

  // Reads back what the disk knows. The store's recovery runs in here.
  Status recover(Now now);

  void handle_frame(Now now, NodeNumber from, BytesView frame);
  void handle_link(Now now, NodeNumber peer, bool up);
  void handle_request(Now now, const ReplyTo& to, Request&& request);  // keyed requests
  void handle_storage(Now now);
  void handle_tick(Now now);
  void begin_drain(Now now);
  bool drained() const;

  Instant next_deadline() const { return std::min(next_tick_, next_sweep_); }
  // The partition is looked at in the next tick.
  void wake(Partition& partition);
  void wake_all();
  void set_now(Now now) { state_.now = now; }
  void take_frames(std::vector<std::pair<NodeNumber, Bytes>>& out);

  NodeState& state() { return state_; }
  // Whoever handles something of a partition takes it, or its coordinator, from here, and thereby wakes it.
  Partition* partition(PartitionId id);
  Coordinator* coordinator(PartitionId id);  // nullptr: none runs here
  // The same for those who only look.
  const Partition* peek(PartitionId id) const;
  const Coordinator* peek_coordinator(PartitionId id) const;
  std::map<PartitionId, std::unique_ptr<Partition>>& partitions() { return partitions_; }
  Exchanges& exchanges() { return exchanges_; }
  size_t in_work() const { return router_.in_work(); }
  // A delta of another region enters through the coordinator here. False: there is none, or it cannot take it
  // now.
  bool enter(PartitionId partition, BytesView delta);
  // Of sessions (rule 18): see Coordinator. False: no marker can be given for that stamp.
  bool mark(PartitionId partition, crdt::Hlc at_least);
  // All that had entered the other region's partition up to a stamp is settled here.
  void covered(PartitionId partition, RegionId region, crdt::Hlc stamp);
  // The message that is being handled came through another node of this region.
  bool relayed() const { return relayed_; }

 private:
  void on(const Append& m) override;
  void on(const Ack& m) override;
  void on(const Fenced& m) override;
  void on(const Prepare& m) override;
  void on(const Promise& m) override;
  void on(const Late& m) override;
  void on(const Confirm& m) override;
  void on(const Stands& m) override;
  void on(const Progress& m) override;
  void on(const Hello& m) override;
  void on(const Position& m) override;
  void on(const NeedExchange& m) override;
  void on(const Pull& m) override;
  void on(const Chunk& m) override;
  void on(const PullGone& m) override;
  void on(const Forward& m) override;
  void on(const ForwardReply& m) override;
  void on(const Refuse& m) override;
  void on(const Relay& m) override;
  void on(const Handover& m) override;
  void on(const SendAgain& m) override;
  void on(const ProgressLost& m) override;
  void on(const Raise& m) override;
  void on(const Raised& m) override;
  void on_wan(BytesView message) override;

  Status replay(storage::LogPosition at, BytesView bytes);
  Status replay(storage::LogPosition at, const DeltaRecord& r);
  Status replay(storage::LogPosition at, const VerdictRecord& r);
  Status replay(storage::LogPosition at, const PromiseRecord& r);
  Status replay(storage::LogPosition at, const StartRecord& r);
  Status replay(storage::LogPosition at, const StandingRecord& r);
  Status replay(storage::LogPosition at, const KnownRecord& r);
  Status replay(storage::LogPosition at, const ForgotRecord& r);
  Status replay(storage::LogPosition at, const RegainedRecord& r);
  Status replay(storage::LogPosition at, const ResetRecord& r);
  Status replay(storage::LogPosition at, const StampRecord& r);
  Status replay(storage::LogPosition at, const PullBeginRecord& r);
  Status replay(storage::LogPosition at, const PullChunkRecord& r);
  Status replay(storage::LogPosition at, const PullAppliedRecord& r);
  Status replay(storage::LogPosition at, const PullAbandonRecord& r);
  Status restore_meta();
  Status restore_node(BytesView value);
  Bytes encode_node() const;

  bool hear(Now now, const FrameHeader& header);
  Partition* partition_of_sender(PartitionId id, const Epoch& epoch);
  void tick_partitions();
  bool tick_partition(Partition& partition);
  bool quiet() const;
  void hurry();
  void take_over(Partition& partition);
  void depose(PartitionId id);
  bool fit(NodeNumber node) const;
  bool holds(const Epoch& epoch) const;
  bool has_room(NodeNumber node) const;
  void look_for_sweeps();
  void sweep();
  void look_for_room();
  void ask_again();
  void send_again();
  // Of what its coordinator sent and there was no room for, the first.
  struct Dropped {
    Epoch epoch;  // the coordinator's
    Dot dot;
    bool carried_out = false;  // it waits here, and its verdict is to be carried out
    Instant asked;             // for all from it on, when last and how often
    uint32_t asks = 0;
  };
  void dropped(PartitionId id, const Dropped& what);
  bool is_missing(PartitionId id, const Dropped& what) const;
  void ask_again(PartitionId id, Dropped& what);
  void ask_for_missing();
  bool take(PartitionId id, const Entry& entry);
  std::optional<NodeNumber> first_fit(const Partition& partition) const;
  bool preferred(const Partition& partition) const;
  void report_vacant(const Partition& partition);
  std::optional<NodeNumber> more_preferred(const Partition& partition) const;
  void acknowledge(Partition& partition, NodeNumber to, const Epoch& epoch, crdt::DotSet&& dots);
  void carry_out(Partition& partition, const Progress& progress);
  void exchanged(const Exchanges::Pulled& pulled);
  void acknowledge_everything();
  void peer_down(NodeNumber node);
  void flush_confirmations();
  void check_news();
  void recover_from_damage();
  void tick_second();
  void log_positions(bool all);
  void forget_ids(storage::Batch& batch);
  void forget_surplus_ids();
  void checkpoint();
  std::optional<storage::LogRange> index_outboxes(std::vector<storage::Batch::Change>& meta) const;
  FrameHeader header() const;
  void beat();

  NodeState state_;
  std::map<PartitionId, std::unique_ptr<Partition>> partitions_;
  std::vector<Partition*> held_;  // the same by number; nullptr: not held here
  std::map<PartitionId, std::shared_ptr<Coordinator>> coordinators_;
  OutboxIndex outbox_index_;
  Exchanges exchanges_;
  Memory memory_;
  Router router_;
  OnWan on_wan_;
  uint64_t cluster_hash_ = 0;
  NodeNumber from_{};  // of the frame that is being handled
  uint32_t from_process_ = 0;
  bool relayed_ = false;
  uint64_t round_ = 0;
  Instant next_tick_, next_second_;
  Instant next_sweep_ = Instant::never();
  std::set<PartitionId> sweeping_;
  PartitionId swept_{};             // last; the next one in the order is due
  size_t swept_in_checkpoint_ = 0;  // rows, since the one that runs began
  std::vector<Partition*> awake_;
  bool full_ = false;
  bool had_room_ = true;  // when the store was asked last
  std::map<PartitionId, Dropped> dropped_, asked_again_;
  std::optional<Instant> room_lost_;
  std::map<PartitionId, Instant> takeover_after_;
  uint32_t disk_start_ = 0;
  Standing disk_standing_ = Standing::unsure;
  Standing standing_seen_ = Standing::unsure;
  bool checkpoint_running_ = false;
  uint64_t seconds_ = 0;
  Instant drain_began_;
  std::array<bool, 4> said_{};  // vote, joining, leaving, full, as the peers of the region have heard them
};

}  // namespace atolldb::region
