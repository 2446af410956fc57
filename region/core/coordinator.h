#pragma once
// The coordinator of one partition in one region, from takeover to deposition: docs/coordinator.md, rules 3
// to 14; its executable form is tests/model/coordinator_model.py.
//
//   candidate --N-W+1 promises, all that they name fetched--> active --a higher epoch is promised--> gone
//
// There is no lease and no timeout in the argument: a deposed coordinator can no longer assemble W
// acknowledgements or R confirmations under its epoch, so nothing that it still does is ever answered.

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "region/core/node_state.h"
#include "region/core/partition.h"
#include "storage/delta_stream.h"

namespace atolldb::region {

inline constexpr const char* kBeingRepaired = "a damaged row was found; this replica is being repaired";
inline constexpr size_t kUnsettledMax = 65'536;  // of a partition
inline constexpr size_t kUnsettledOfNodeMax = 262'144;
inline constexpr const char* kWrongType = "Operation against a key holding the wrong kind of value";

// What one replica's rows answer to a read, with nothing said about quorums. A damaged row is noted in the
// node's state.
Response look(NodeState& node, Partition& partition, const Request& request);

class Coordinator : public std::enable_shared_from_this<Coordinator> {
 public:
  // Promises an epoch above all that this replica knows and asks the others to.
  Coordinator(NodeState& node, Partition& partition);

  const Epoch& epoch() const { return epoch_; }
  bool active() const { return active_; }
  // A higher epoch has been promised here: whoever owns this object drops it after resign().
  bool deposed() const { return partition_.highest() != epoch_; }
  // Answers what waits: reads and what has not begun are rejected, writes are unknown.
  void resign(const char* why);

  // -- requests; only while active. Each is answered through the node's Outgoing, at the latest at its
  // deadline.
  void execute(const Request& request, const ReplyTo& to, Instant deadline);
  // Whether it can be told of an increment with this id, sent before, if it was counted: else the answer
  // would be *unknown* now (rule 14).
  bool can_tell(const RequestId& id) const;
  // A delta from another region, or a late one of this region (rule 11). False: send it again later.
  bool enter(const Entry& entry);
  // Below the bounds of what is not settled, and with all verdicts of the takeover.
  bool may_enter() const;

  // -- from the other replicas
  void on_promise(NodeNumber from, const Promise& promise);
  // The follower had dropped what came, and has room now.
  void on_send_again(NodeNumber from, const Epoch& epoch);
  void on_ack(NodeNumber from, const Ack& ack);
  void on_stands(NodeNumber from, uint64_t round);
  void on_progress_lost(NodeNumber from, const Epoch& epoch);
  // The clock has grown by deltas or an exchange: promises may count now.
  void on_caught_up();
  // An exchange has brought rows whose entry nobody has stamped.
  void on_exchanged();
  void on_raised(NodeNumber from, const Raised& raised);
  void on_peer_up(NodeNumber peer);
  void on_forgot(NodeNumber peer);  // its acknowledgements no longer count

  // -- from this node
  void on_own_durable(const Dot& dot);
  void on_own_durable_all(const crdt::DotSet& clock);
  // The reads that wait for confirmations are served by this round.
  void assign_round(uint64_t round);
  // Whom to ask: R-1 replicas, all of them when those have not answered in time.
  std::vector<NodeNumber> confirmers() const;
  // False: nothing is left to be done before the next event.
  bool tick();
  // Answers what can be answered.
  void serve();

  // -- markers for other regions (rule 18)

  // Makes a marker at `at_least` or above, or above all that has entered: marked() will say so. False: that
  // stamp is further ahead than clocks may be.
  bool mark(crdt::Hlc at_least);
  // All that has entered or will ever enter with a stamp up to this one is settled.
  crdt::Hlc marked() const { return marked_; }
  // More of other regions is covered here: requests of sessions may go on.
  void on_covered();

  // A more preferred replica is there again: nothing new is begun here, and when nothing waits any more it is
  // told.
  void hand_over(NodeNumber to);
  bool nearly_has_all(NodeNumber node);
  // Nobody is there to hand over to: serves on.
  void keep() { handing_over_ = false; }
  bool handing_over() const { return handing_over_; }
  size_t waiting() const { return waiting_.size() + blocked_.size(); }
  bool reported_by_all() const;

 private:
  struct Follower {
    NodeNumber node{};
    storage::DeltaStream stream;
    bool reported = false;         // its promise counts
    bool promise_pending = false;  // it has promised, and names dots that are still to be fetched
    crdt::DotSet promise_clock, promise_settled;
    std::vector<std::pair<Dot, Epoch>> promise_pending_writes;
    crdt::DotSet judged;  // acknowledged with this epoch's verdict, and not carried out yet
    uint64_t lost_epoch = 0;
    uint64_t stands_round = 0;
    bool progress_whole = true;  // it is to be told everything
    uint64_t progress_number = 0;
    Instant asked{INT64_MIN / 2};  // when Prepare last went out
    Instant exchange_asked{INT64_MIN / 2};
  };
  struct Waiting {
    ReplyTo to;
    Response response;
    std::optional<Dot> own;  // until this is settled
    // Until all that entered for the key up to a number is settled.
    std::shared_ptr<const Partition::KeyUnsettled> of_key;
    uint64_t up_to = 0;
    bool bulk = false;  // until what an exchange brought is settled
    bool write = false;
    size_t bytes = 0;            // of a large answer
    uint32_t confirmations = 0;  // needed, beside this replica's own
    uint32_t copies = 0;         // of `dot`: more than W were asked for
    Dot dot;
    bool session = false;
    crdt::Hlc stamp;     // of the answer; none: the partition's when it leaves
    uint64_t round = 0;  // of them; 0: not asked for yet
    Instant since, deadline;
  };

  // A request that has to wait for a conditional write to be settled (rule 12).
  struct Blocked {
    Request request;
    ReplyTo to;
    Instant deadline;
  };
  // A request whose session has seen more of another region than is settled here.
  struct Waiter {
    Request request;
    ReplyTo to;
    Instant deadline;
    size_t bytes = 0;
  };
  struct Marking {
    crdt::Hlc stamp;
    std::vector<Dot> unsettled;  // of what had entered; those at the end are looked at first
    bool bulk = false;
    bool own = false;  // this node's log has the stamp
    std::set<NodeNumber> logged;
    Instant asked;
  };

  uint32_t promises_needed() const;
  void prepare(Follower& follower);
  void count_promises();
  bool has_all(const Follower& follower) const;
  void on_judged(Follower& follower, const crdt::DotSet& dots);
  void try_activate();
  void activate();

  // -- verdicts (coordinator_verdicts.cc)
  bool judge();
  bool fits(Verdict verdict, const Dot& dot, const crdt::Delta& delta) const;
  void gather_verdicts();
  bool open();
  bool block(const Request& request, const ReplyTo& to, Instant deadline);
  void run_blocked();
  void return_blocked(std::deque<Blocked>& queue);
  void reject_blocked(Errc code, const char* why, Instant due);

  void read(const Request& request, const ReplyTo& to, Instant deadline, Response&& response);
  void write(const Request& request, const ReplyTo& to, Instant deadline);
  Result<crdt::Mutation> mutate(const Request& request, const Dot& dot, crdt::Hlc stamp);
  // True: the id has decided what happens and the request is answered or waits.
  bool nobody_else_can_bring(const RequestId& id) const;
  bool decide_by_id(const Request& request, const ReplyTo& to, Instant deadline, Bytes& id_bytes);
  void wait(Waiting&& waiting);
  void answer(Waiting& waiting);
  bool has_room_for(const Request& request) const;
  void refuse_for_room(const Request& request, const ReplyTo& to, Instant deadline);
  Response filled(Response&& response) const;
  Response filled_for(const Request& request, Response&& response);
  void answer_session(Response& response, crdt::Hlc stamp);

  std::optional<Behind> behind(const Request& request) const;
  bool decide_if_behind(const Request& request, const ReplyTo& to, Instant deadline);
  void perform(const Request& request, const ReplyTo& to, Instant deadline);
  Response too_far_behind(const Behind& behind) const;
  void want_markers(const Request& request);
  void leave_behind(const Waiter& waiter);
  void tick_behind();
  void serve_covered();
  void begin_marking();
  void ask_to_raise();
  void try_mark();

  crdt::Hlc next_stamp();
  uint64_t present_stamp_ms() const;
  void entered(const Dot& dot, const Entry& entry);
  // What has just entered, for all followers that lack nothing else: encoded once.
  struct Fresh {
    uint64_t sequence = 0;
    const Entry& entry;
    Bytes append;
  };
  void pump(Follower& follower, Fresh* fresh = nullptr);
  uint32_t holders(const Dot& dot) const;
  bool held_by_w(const Dot& dot) const;
  void settle_bulk();
  void settle_held();
  void recount();
  void settle_acked(const crdt::DotSet& dots);
  void settled(const Dot& dot);
  void tell_settled(const crdt::DotSet& dots);
  void forget(const Waiting& waiting);  // it has been answered
  bool ripe(const Waiting& waiting) const;
  Follower* follower(NodeNumber node);
  void tick_followers();
  bool idle() const;
  void tick_deadlines();
  void tick_progress();
  void confirm();
  void ask_for_exchange(Follower& follower);

  NodeState& node_;
  Partition& partition_;
  Epoch epoch_;
  bool active_ = false;
  bool self_promised_ = false;
  std::vector<Follower> followers_;
  crdt::DotSet own_;  // what this node's log holds durably, counted under this epoch
  std::list<Waiting> waiting_;
  std::vector<uint64_t> sequences_;  // kept for its memory
  // What the takeover found or gave of verdicts, until W replicas have it: nothing enters before.
  std::set<Dot> verdicts_;
  std::map<Bytes, std::deque<Blocked>> blocked_;  // by key, in their order
  std::vector<Bytes> unblocked_;                  // a verdict was settled of these keys
  bool progress_soon_ = false;                    // what was settled has no effect elsewhere until it is told
  std::list<Waiter> behind_;
  crdt::Hlc shown_;  // the highest stamp of what is settled
  crdt::Hlc marked_, mark_wanted_;
  std::optional<Marking> marking_;
  bool ask_everybody_ = false;
  bool handing_over_ = false;
  Instant handover_since_, handover_told_{INT64_MIN / 2};
  Instant handover_after_{INT64_MIN / 2};  // not again before
  std::set<Actor> progress_actors_;        // what is settled or confirmed of these has changed
  bool covered_news_ = false;              // more of other regions is covered
  bool confirm_news_ = true;               // an acknowledgement came: more may be confirmed
  Instant recounted_{INT64_MIN / 2};
  Instant progress_said_{INT64_MIN / 2};
};

}  // namespace atolldb::region
