#pragma once
// Client requests on their way to the coordinator of their partition: here, or at one other node (one hop,
// never two). A request that certainly had no effect may be tried again until its deadline; one that may have
// had is unknown.

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

  size_t in_work() const { return parked_.size() + forwarded_.size() + node_.waiting; }

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
  };

  enum class Placed : unsigned char {
    yes,
    nobody,   // can take it now
    no_room,  // until a checkpoint has made some
  };
  Placed place(Job& job);
  // Until it can be placed. Those of a partition go in the order in which they came.
  void park(Job&& job);
  void left(const Job& parked);
  std::optional<NodeNumber> believed_coordinator(PartitionId partition, const Job& job) const;
  void answer_locally(const Job& job);
  void reject(const ReplyTo& to, Errc code, std::string message, NodeNumber coordinator = {});

  NodeState& node_;
  FindPartition partition_;
  FindCoordinator coordinator_;
  std::list<Job> parked_;
  std::map<PartitionId, size_t> parked_of_;  // how many
  size_t parked_bytes_ = 0;
  std::map<NodeNumber, SeenTokens> seen_;  // of each node that forwards
  std::map<uint64_t, Job> forwarded_;      // by token
  uint64_t next_token_;  // begins anywhere: an answer to an earlier process of this node finds nothing
};

}  // namespace atolldb::region
