#pragma once
// Delta streams between regions, one for each partition and region pair, from coordinator to coordinator.
//
//   sender (coordinates p in A)                 receiver (coordinates p in B)
//   Open(p)                          ------>
//                                    <------    Ack(p, what W replicas of B have of A's)
//   Batch(p, settled deltas)         ------>    enter like writes, show once settled
//                                    <------    Ack(p, ...)           every now and then
//                                    <------    Ack(p, ..., again)    what came could not enter; now it can
//   Marker(p, stamp, clock of A's)   ------>    "up to this stamp I have seen all of A"
//   SessionMarker(p, stamp, clock)   ------>    "I have all that a session can have been shown there"
//                                    <------    AskMarker(p, stamp)   where a session waits for one
//
// Acknowledgements are clocks: a new coordinator on either side opens the stream again and goes on from what
// the other side says it has. A message that reaches the wrong node of a region is passed on inside that
// region, once. What has left the outbox is repaired by a complete exchange, which the sender asks for.
// Nothing here is durable: it can all be asked again.
//
// What a region's updates cost grows with the number of regions, and no faster: they are acknowledged and
// marked by their own region's stream alone, and a stream at rest is not looked at (docs/scale.md).

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "storage/delta_stream.h"
#include "wan/core/message.h"
#include "wan/core/port.h"

namespace atolldb::wan {

class Streams final : private MessageHandler {
 public:
  static constexpr Duration kTickEvery = Duration::millis(20);
  // What was settled leaves at once where nothing has left lately, or else with what is settled within this
  // time: under load a frame for many updates, and one sync over there.
  static constexpr Duration kGather = Duration::millis(5);
  static constexpr Duration kLookEvery = Duration::millis(100);    // acknowledgements leave this often,
  static constexpr size_t kAckBytes = 32u << 10;                   // or after so much
  static constexpr Duration kSweepEvery = Duration::millis(1000);  // what is not at rest, and no event wakes
  static constexpr uint32_t kSweepsToAll = 32;  // then all streams, whatever is known of them
  static constexpr Duration kOpenEvery = Duration::millis(1000);
  static constexpr Duration kPatience =
      Duration::seconds(3);  // above every round trip on earth with its queues
  static constexpr Duration kSessionMarkEvery = Duration::millis(1000);  // of a partition
  static constexpr Duration kAskEvery = Duration::millis(300);
  static constexpr Duration kExchangeEvery = Duration::seconds(2);
  static constexpr size_t kBatchBytes = 512u << 10;
  static constexpr size_t kInvitedMax = 8;  // streams that begin again at a time: each with a small window
  static constexpr Duration kInviteEvery = Duration::seconds(1);  // while what was dropped is missing
  static constexpr uint32_t kInvitationsMax = 8;

  explicit Streams(Port& port) : port_(port) {}

  Status handle_message(Now now, NodeNumber from, BytesView message);
  // Partitions, and regions whose updates were settled there: this one's may leave, and the others are told.
  using News = std::set<std::pair<PartitionId, RegionId>>;
  void handle_settled(Now now, const News& news);
  // Sessions were answered in these partitions at stamps above their markers: other regions get new ones.
  void handle_answered(Now now, const std::set<PartitionId>& partitions);
  // Their coordinators here can give the markers that were asked for.
  void handle_marked(Now now, const std::set<PartitionId>& partitions);
  // Sessions wait here for other regions' markers.
  void handle_wanted(Now now, const std::map<std::pair<PartitionId, RegionId>, crdt::Hlc>& wanted);
  void handle_tick(Now now);
  Instant next_deadline() const {
    const Instant next = idle() ? next_sweep_ : next_tick_;
    return fresh_.empty() ? next : std::min(next, next_batch_);
  }

  struct Lag {
    uint64_t partitions_open = 0;  // streams that the other side has answered, of those that this node sends
    uint64_t partitions = 0;
    uint64_t dots = 0;  // settled here and not acknowledged over there
    uint64_t behind_ms =
        0;  // how far the newest marker heard is ahead of the newest one that is covered here
    // Since the process began: streams that were open when their target went down; those that were sent again
    // from what is confirmed, for nothing was heard of them; partitions that were offered whole, for deltas
    // were gone.
    uint64_t streams_lost = 0, streams_stalled = 0, exchanges = 0;
  };
  Lag lag(RegionId region) const;

 private:
  struct Sending {
    explicit Sending(std::function<bool(const Dot&)> concerns) : stream(std::move(concerns)) {}
    storage::DeltaStream stream;
    bool awake = false;  // in awake_
    bool open = false;
    bool complete = false;          // at the last look, all that is settled here was acknowledged over there
    bool mark_due = true;           // something was settled here that no marker has spoken of
    bool session_mark_due = false;  // a session was answered here at a stamp that no marker has spoken of
    crdt::Hlc asked_for;            // by a session over there; none: nobody waits
    NodeNumber asked_by{};
    NodeNumber target{};
    size_t rotation = 0;
    Instant asked{INT64_MIN / 2};
    Instant exchange_asked{INT64_MIN / 2};
  };
  struct Receiving {
    NodeNumber sender{};
    bool ack_due = false;        // in acks_
    size_t unacked = 0;          // bytes that came since the last acknowledgement
    bool dropped = false;        // something of it could not enter; in dropped_
    bool invited = false;        // the sender was told to send that again, and nothing has come since
    std::optional<Dot> missing;  // the first that was dropped
    uint32_t invitations = 0;
    Instant invited_at;
    crdt::Hlc marker_stamp;  // the newest marker heard
    crdt::DotSet marker_clock;
    crdt::Hlc covered_stamp;  // the newest that this region's settled clock covers
    // Session markers that it does not cover yet: the oldest, so that it is reached however fast newer ones
    // come, and the newest.
    struct Heard {
      crdt::Hlc stamp;
      crdt::DotSet clock;
    };
    std::optional<Heard> oldest, newest;
    Instant asked{INT64_MIN / 2};
    crdt::Hlc asked_stamp;
    size_t rotation = 0;
  };
  using Key = std::pair<PartitionId, RegionId>;

  void on(const Open& m) override;
  void on(const Batch& m) override;
  void on(const Ack& m) override;
  void on(const Marker& m) override;
  void on(const Exchange& m) override;
  void on(const AskMarker& m) override;
  void on(const SessionMarker& m) override;

  Sending& sending(PartitionId partition, RegionId region);
  Receiving& receiving(PartitionId partition, NodeNumber from);
  bool relay_elsewhere(PartitionId partition);
  template <typename Message>
  void send(NodeNumber to, const Message& message) {
    Bytes bytes;
    encode(message, bytes);
    port_.send(to, bytes);
  }
  std::optional<NodeNumber> choose_target(PartitionId partition, RegionId region, Sending& sending) const;
  crdt::DotSet of_region(const crdt::DotSet& dots, RegionId region) const;
  bool tick_sending(PartitionId partition, RegionId region);
  void sweep();
  void drop_gone();
  void look();
  void wake(const Key& key, Sending& sending);
  bool idle() const {
    return awake_.empty() && acks_.empty() && have_due_.empty() && marking_.empty() && answered_.empty() &&
           dropped_.empty() && missing_.empty();
  }
  void hurry();
  bool at_rest(PartitionId partition, RegionId region) const;
  void open(PartitionId partition, RegionId region, Sending& sending);
  // The streams of a partition to different regions mostly stand at the same place: one message for all.
  struct Encoded {
    std::vector<uint64_t> sequences;
    Bytes batch;
  };
  void send_fresh();
  void pump(PartitionId partition, Sending& sending, Encoded& last);
  void pump(PartitionId partition, Sending& sending) {
    Encoded none;
    pump(partition, sending, none);
  }
  bool mark(PartitionId partition);
  void mark_for_sessions();
  void look_if_covered(const Key& key);
  void ask_for_exchange(PartitionId partition, Sending& sending);
  void update_regions_have(PartitionId partition);
  void ack_soon(const Key& key, Receiving& receiving);
  void acknowledge(PartitionId partition, RegionId region, Receiving& receiving, bool again = false);
  void invite(size_t looks);
  void invite(const Key& key, Receiving& receiving);
  void invite_again();
  bool misses(PartitionId partition, const Receiving& receiving) const;

  Port& port_;
  Now now_;
  NodeNumber from_{};  // of the message that is being handled
  BytesView message_;
  Instant next_tick_, next_look_, next_batch_, next_sweep_;
  uint32_t sweeps_ = 0;
  std::set<PartitionId> fresh_;  // updates of this region were settled, and have not left
  std::vector<Key> awake_;       // something is under way
  std::vector<Key> acks_;        // acknowledgements are due
  std::set<Key> restless_;       // looked at with the next sweep
  std::set<PartitionId> known_;  // of sending_ and receiving_
  std::set<PartitionId>
      have_due_;  // acknowledgements came: what all regions have is worked out with the next look
  std::set<PartitionId> unmarked_;                 // streams whose marker is due with the next sweep
  std::set<PartitionId> marking_;                  // and those that wait for all to be settled
  std::map<PartitionId, Instant> answered_;        // sessions were, and a marker is due then
  std::map<PartitionId, Instant> session_marked_;  // when one last was, a second ago at most
  std::deque<Key> dropped_;                        // they wait until they may enter, in turn
  size_t invited_ = 0;                             // since the last tick, and not heard of yet
  std::set<Key> missing_;                          // invited, and what was dropped may not be there yet
  std::set<Key> uncovered_;                        // session markers wait for what they name
  std::map<Key, Sending> sending_;
  struct Losses {
    uint64_t streams = 0, stalls = 0, exchanges = 0;
  };
  std::map<RegionId, Losses> losses_;
  std::map<Key, Receiving> receiving_;
};

}  // namespace atolldb::wan
