#pragma once
// Delta streams between regions, one for each partition and region pair, from coordinator to coordinator.
//
//   sender (coordinates p in A)                 receiver (coordinates p in B)
//   Open(p)                          ------>
//                                    <------    Ack(p, what W replicas of B have of A's)
//   Batch(p, settled deltas)         ------>    enter like writes, show once settled
//                                    <------    Ack(p, ...)           every now and then
//   Marker(p, stamp, clock)          ------>    "up to this stamp I have seen all of A"
//
// Acknowledgements are clocks: a new coordinator on either side opens the stream again and goes on from what
// the other side says it has. A message that reaches the wrong node of a region is passed on inside that
// region, once. What has left the outbox is repaired by a complete exchange, which the sender asks for.
// Nothing here is durable: it can all be asked again.

#include <map>
#include <set>

#include "storage/delta_stream.h"
#include "wan/core/message.h"
#include "wan/core/port.h"

namespace atolldb::wan {

class Streams final : private MessageHandler {
 public:
  static constexpr Duration kTickEvery = Duration::millis(20);     // acknowledgements leave this often
  static constexpr Duration kSweepEvery = Duration::millis(1000);  // all streams, whatever is known of them
  static constexpr Duration kOpenEvery = Duration::millis(1000);
  static constexpr Duration kPatience =
      Duration::seconds(3);  // above every round trip on earth with its queues
  static constexpr Duration kMarkerEvery = Duration::millis(1000);
  static constexpr Duration kExchangeEvery = Duration::seconds(2);
  static constexpr size_t kBatchBytes = 512u << 10;

  explicit Streams(Port& port) : port_(port) {}

  Status handle_message(Now now, NodeNumber from, BytesView message);
  // Something of these partitions was settled: it may leave.
  void handle_settled(Now now, const std::set<PartitionId>& partitions);
  void handle_tick(Now now);
  Instant next_deadline() const { return awake_.empty() ? next_sweep_ : next_tick_; }

  struct Lag {
    uint64_t partitions_open = 0;  // streams that the other side has answered, of those that this node sends
    uint64_t partitions = 0;
    uint64_t dots = 0;  // settled here and not acknowledged over there
    uint64_t behind_ms =
        0;  // how far the newest marker heard is ahead of the newest one that is covered here
  };
  Lag lag(RegionId region) const;

 private:
  struct Sending {
    explicit Sending(std::function<bool(const Dot&)> concerns) : stream(std::move(concerns)) {}
    storage::DeltaStream stream;
    bool open = false;
    NodeNumber target{};
    size_t rotation = 0;
    Instant asked{INT64_MIN / 2};
    Instant exchange_asked{INT64_MIN / 2};
    Instant marked{INT64_MIN / 2};
    crdt::Hlc marked_stamp;
  };
  struct Receiving {
    NodeNumber sender{};
    bool ack_due = false;
    crdt::Hlc marker_stamp;  // the newest marker heard
    crdt::DotSet marker_clock;
    crdt::Hlc covered_stamp;  // the newest that this region's settled clock covers
  };
  using Key = std::pair<PartitionId, RegionId>;

  void on(const Open& m) override;
  void on(const Batch& m) override;
  void on(const Ack& m) override;
  void on(const Marker& m) override;
  void on(const Exchange& m) override;

  Sending& sending(PartitionId partition, RegionId region);
  Receiving& receiving(PartitionId partition, NodeNumber from);
  bool relay_elsewhere(PartitionId partition);
  template <typename Message>
  void send(NodeNumber to, const Message& message);
  std::optional<NodeNumber> choose_target(PartitionId partition, RegionId region, Sending& sending) const;
  crdt::DotSet of_region(const crdt::DotSet& dots, RegionId region) const;
  bool tick_sending(PartitionId partition, RegionId region);
  void sweep();
  void wake(PartitionId partition, RegionId region);
  void open(PartitionId partition, RegionId region, Sending& sending);
  void pump(PartitionId partition, Sending& sending);
  void mark(PartitionId partition, Sending& sending);
  void ask_for_exchange(PartitionId partition, Sending& sending);
  void update_regions_have(PartitionId partition);
  void ack_soon(const Key& key, Receiving& receiving);
  void acknowledge(PartitionId partition, RegionId region, Receiving& receiving);

  Port& port_;
  Now now_;
  NodeNumber from_{};  // of the message that is being handled
  BytesView message_;
  Instant next_tick_, next_sweep_;
  std::set<Key> awake_;  // something is under way: looked at in the next tick
  std::map<Key, Sending> sending_;
  std::map<Key, Receiving> receiving_;
};

}  // namespace atolldb::wan
