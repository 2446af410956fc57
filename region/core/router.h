#pragma once
// Client requests on their way to the coordinator of their partition: here, or at one other node (one hop,
// never two). A request that certainly had no effect may be tried again until its deadline; one that may have
// had is unknown. An increment whose client has not named it is named here before it leaves (rule 14), and so
// can be asked about again: whether it was counted may be found out within its deadline.

#include <functional>
#include <list>
#include <map>
#include <set>

#include "region/core/coordinator.h"
#include "region/core/node_state.h"
#include "region/core/partition.h"
#include "region/core/seen_tokens.h"

namespace atolldb::region {

class Router {
 public:
  static constexpr size_t kInWorkMax =
      65'536;  // parked, forwarded and waiting at coordinators; beyond it: BUSY

  static constexpr size_t kParkedBytesMax = 64u << 20;

  using FindPartition = std::function<Partition*(PartitionId)>;
  using FindCoordinator = std::function<Coordinator*(PartitionId)>;

  Router(NodeState& node, FindPartition partition, FindCoordinator coordinator)
      : node_(node),
        partition_(std::move(partition)),
        coordinator_(std::move(coordinator)),
        next_token_(node.prng.next() >> 1) {}

  // A keyed request of a client, or one that another node forwarded.
  void handle(const ReplyTo& to, Request&& request);
  // `process`: the random part of the process that sent it.
  void on_forward(NodeNumber from, uint32_t process, const Forward& forward);
  void on_forward_reply(NodeNumber from, const ForwardReply& reply);
  // A request that was placed and had not begun when its coordinator here was deposed.
  void put_back(ReplyTo&& to, Request&& request, Instant deadline);
  void on_peer_down(NodeNumber node);
  // A partition of this node has a coordinator now, or a peer came up: what is parked may go on.
  void retry_parked();
  void tick();

  size_t in_work() const {
    return parked_.size() + forwarded_.size() + unsure_.size() + behind_.size() + node_.waiting;
  }

 private:
  struct Job {
    ReplyTo to;
    Request request;
    Instant deadline;
    PartitionId partition{};
    NodeNumber sent_to{};
    NodeNumber hint{};  // who was said to coordinate
    bool hinted = false;
    bool no_room = false;  // what it was parked for
    // Of an increment: its id is this node's; it was named anew before; an attempt may have been counted.
    bool named = false, renamed = false, unsure = false;
    uint32_t tries = 0;
    Instant again;  // when the next one is due
  };

  enum class Placed : unsigned char {
    yes,
    nobody,   // can take it now
    no_room,  // until a checkpoint has made some
  };
  static size_t bytes_of(const Request& request);
  Placed place(Job& job);
  // Until it can be placed. Those of a partition go in the order in which they came.
  void park(Job&& job);
  void left(const Job& parked);
  std::optional<NodeNumber> believed_coordinator(PartitionId partition, const Job& job) const;
  void answer_locally(const Job& job);
  void reject(const ReplyTo& to, Errc code, std::string message, NodeNumber coordinator = {});
  void park_or_hold(Job&& job);

  // -- increments that this node has named (router_increments.cc)
  void name(Job& job);
  void note_told(const Response& response, PartitionId partition);
  bool ask_again(Job& job, const Response& response);
  void wait_again(Job&& job);
  void decided(const Job& job);
  void retry_unsure();
  void go_on_behind();
  void expire_unsure();
  void answer_unknown(const Job& job);

  NodeState& node_;
  FindPartition partition_;
  FindCoordinator coordinator_;
  std::list<Job> parked_;
  std::map<PartitionId, size_t> parked_of_;  // how many
  size_t parked_bytes_ = 0;                  // of what came behind an unsure increment too
  std::map<NodeNumber, SeenTokens> seen_;    // of each node that forwards
  std::map<uint64_t, Job> forwarded_;        // by token
  // Increments of which nobody can tell yet whether they were counted, and when they are asked about again;
  // how many there are of a connection and key, those under way included; and what came behind them from
  // there. Nobody else waits for them.
  std::list<Job> unsure_, behind_;
  using From = std::pair<Bytes, Bytes>;  // connection, key
  std::map<From, uint32_t> undecided_;
  static From from(const Job& job);
  bool waits_behind(const Job& job) const;
  struct Told {
    Epoch epoch;
    uint64_t stamp_ms = 0;
  };
  std::map<PartitionId, Told> told_;  // what the latest answers said
  uint64_t next_token_;  // begins anywhere: an answer to an earlier process of this node finds nothing
};

}  // namespace atolldb::region
