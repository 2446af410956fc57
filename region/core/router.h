#pragma once
// Client requests on their way to the coordinator of their partition: here, or at one other node (one hop,
// never two). A request that certainly had no effect may be tried again until its deadline; one that may have
// had is unknown. An increment whose client has not named it is named here before it leaves (rule 14), and so
// can be asked about again: whether it was counted may be found out within its deadline.

#include <deque>
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
  // What coordinators here have handed back (NodeState::returned): requests that were placed and had not
  // begun when theirs was deposed, or for which room went away.
  void take_returned();
  void on_peer_down(NodeNumber node);
  // A partition of this node has a coordinator now, or a peer came up: what is parked may go on.
  void retry_parked();
  void tick();

  size_t in_work() const {
    return parked_count_ + forwarded_.size() + unsure_count_ + behind_ + node_.waiting;
  }

 private:
  using From = std::pair<Bytes, Bytes>;  // connection, key
  struct Job {
    ReplyTo to;
    Request request;
    Instant deadline;
    PartitionId partition{};
    NodeNumber sent_to{};
    bool no_room = false;  // what it was parked for
    // Of an increment: its id is this node's; it was named anew before; an attempt may have been counted.
    bool named = false, renamed = false, unsure = false;
    uint32_t tries = 0;
    Instant again;  // when the next one is due
  };

  // A partition's requests on their way to another node. They are all at one, and nothing goes elsewhere
  // before all of them have been answered, nor, after one that was sent back, before those behind it have
  // come back, too: what comes later would overtake them.
  struct Way {
    NodeNumber to{};
    std::deque<uint64_t> under_way;  // tokens
    bool sent_back = false;          // one of them
    uint64_t from_token = 0;         // and so will be what was sent after this one
    size_t to_come_back = 0;         // of those, not answered yet
    uint64_t refused = 0;            // the highest token of which it was heard that it was sent back
    // The latest turn of a connection's write that was answered and may have happened.
    uint64_t written = 0;
    std::map<From, uint64_t> written_by;   // likewise, of each that wrote since something was sent back
    std::optional<Instant> awaited_since;  // by requests that go elsewhere, or come again
    NodeNumber hint{};  // who was said to coordinate, while nobody here has promised more than then
    Epoch hint_at;
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
  bool retry_first(PartitionId partition);
  void expire_parked();
  std::optional<NodeNumber> believed_coordinator(PartitionId partition) const;
  void note_hint(PartitionId partition, const Response& response);
  Placed forward(Job& job, NodeNumber to);
  // An answer has come, or nobody waits for one any more.
  void came_back(PartitionId partition, uint64_t token);
  void sent_back(PartitionId partition, uint64_t token);
  bool overtaken(const Way& way, const Job& job) const;
  void note_written(Way& way, const Job& job);
  Response read_again() const;
  void reject_overtaken(PartitionId partition, const std::map<From, uint64_t>& written);
  void heard(Job&& job, Response&& response);
  void expire_forwarded();
  // Of those under way for which it holds no answer is waited for any more.
  void give_up(const std::function<bool(const Job&)>& which, const std::string& why);
  bool may_go(Way& way) const;
  void answer_locally(const Job& job);
  void reject(const ReplyTo& to, Errc code, std::string message, NodeNumber coordinator = {});
  void park_or_hold(Job&& job);

  // -- increments that this node has named (router_increments.cc)
  void name(Job& job);
  void note_told(const Response& response, PartitionId partition);
  bool ask_again(Job& job, const Response& response);
  void wait_again(Job&& job);
  void decided(const Job& job);
  void retry_unsure(PartitionId partition);
  void go_on_behind();
  void expire_unsure();
  void answer_unknown(const Job& job);

  NodeState& node_;
  FindPartition partition_;
  FindCoordinator coordinator_;
  // By partition, and there by turn: whatever lets one partition's go on does not look at the others'.
  using Jobs = std::map<PartitionId, std::map<uint64_t, Job>>;
  Jobs parked_;
  size_t parked_count_ = 0;
  size_t parked_bytes_ = 0;                // of what came behind an unsure increment too
  std::map<NodeNumber, SeenTokens> seen_;  // of each node that forwards
  std::map<uint64_t, Job> forwarded_;      // by token
  std::map<PartitionId, Way> ways_;
  uint64_t turns_ = 0;
  // Increments of which nobody can tell yet whether they were counted, and when they are asked about again.
  Jobs unsure_;
  size_t unsure_count_ = 0;
  struct Undecided {
    size_t count = 0;                // increments, those that are being asked about included
    std::map<uint64_t, Job> behind;  // what came after them from there, by turn. Nobody else waits for them.
  };
  std::map<From, Undecided> undecided_;
  std::vector<From> decided_;  // what waits there may go on
  size_t behind_ = 0;          // of all
  static From from(const Job& job);
  static bool is_ordered(const Job& job);
  bool waits_behind(const Job& job) const;
  struct Told {
    Epoch epoch;
    uint64_t stamp_ms = 0;
  };
  std::map<PartitionId, Told> told_;  // what the latest answers said
  uint64_t next_token_;  // begins anywhere: an answer to an earlier process of this node finds nothing
};

}  // namespace atolldb::region
