#pragma once
// The client without its input and output: which node is asked, when it is asked again, and what the caller
// is told. Requests, responses, link changes and ticks go in; frames to send, links to open and completions
// come out. One thread drives it (client.h does, tests do).
//
// A request leaves as one or more attempts, each with a correlation number of its own. What is repeated:
//
// - Reads: always, at the next node, after a lost link, a timeout or a rejection that may pass.
// - Everything, after `rejected` with busy, full, unavailable, behind or timeout: certainly nothing happened.
//   With backoff, until the deadline.
//   A region that is behind what a session has seen has waited already, or was asked not to: the caller is
//   told.
// - Increments, after a lost link, a timeout or `unknown`: by request id, in the same region, so that they
//   count exactly once. An id names the epoch of its partition as the client knew it; a coordinator of
//   another epoch rejects a first attempt with `behind` and its own epoch, and a new id is made under that.
// - Other writes, after a lost link, a timeout or `unknown`: only with `retry_unknown_writes`, because a
//   repeated SET is a new write that may overwrite a later one of somebody else. Otherwise: unknown.
// - Reads that take longer than nearly all others: a second time, elsewhere in the region (hedges.h).
//
// A node that is silent while it owes answers is asked for a sign of life; one that gives none within the
// same time again is left, long before the system notices that a machine is gone. With any_region, a region
// of which every node is lost or silent is left as a whole until it answers a read again (absences.h).
//
// Bounds: in_flight_max requests; timers are a small multiple of that.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/absences.h"
#include "client/hedges.h"
#include "client/routes.h"
#include "client/target.h"
#include "crdt/base/bytes.h"
#include "crdt/base/prng.h"
#include "crdt/base/time.h"
#include "region/core/request.h"
#include "topology/topology.h"

namespace atolldb::client {

inline constexpr uint32_t kSlotBits = 20;  // of a correlation number; the rest is the slot's sequence
inline constexpr uint32_t kSlotsMax = 1u << kSlotBits;

struct CoreConfig {
  std::vector<RegionId> regions;  // nearest first; only the first one is asked unless any_region
  bool any_region = false;        // with every node of a region failing, go on in the next
  bool wait_for_nodes = true;     // false: rejected at once when no node can be reached
  bool retry_unknown_writes = false;
  Duration attempt_timeout = Duration::millis(1'000);
  Duration backoff_min = Duration::millis(2);
  Duration backoff_max = Duration::millis(200);
  Duration silence = Duration::millis(150);  // then a node is asked for a sign of life
  bool hedge_reads = true;
  uint32_t in_flight_max = 65'536;    // at most kSlotsMax
  uint32_t connections_per_node = 1;  // lanes; a request keeps to one
  uint64_t seed = 0;                  // of nonces and jitter; from the system's entropy
};

// One DEALER: a lane to a node.
struct LinkId {
  uint32_t index = 0;
  friend bool operator==(LinkId, LinkId) = default;
};

struct Completion {
  Callback callback;
  region::Response response;
};

class Core {
 public:
  // `topology` outlives the core.
  Core(const CoreConfig& config, const topology::Topology& topology);

  // ---- inputs
  // Every request that is taken is completed exactly once. False: in_flight_max are under way, nothing was
  // taken.
  [[nodiscard]] bool submit(Instant now, region::Request&& request, const Target& target,
                            Callback&& callback);
  void handle_response(Instant now, LinkId link, region::Response&& response);
  void handle_link_up(Instant now, LinkId link);
  // The link is closed and what was sent on it is lost; `why` is for people.
  void handle_link_down(Instant now, LinkId link, const std::string& why);
  void handle_tick(Instant now);
  void set_regions(std::vector<RegionId> nearest_first);
  // Completes all that is under way: rejected where nothing was sent, otherwise unknown.
  void close();

  // ---- outputs; poll all of them after every input
  std::vector<LinkId> take_opens();            // links to open; each answers with up or down
  std::vector<LinkId> take_ready();            // links that are up and have something to send
  Bytes take_frame(Instant now, LinkId link);  // the next frame for a ready link; empty: nothing more
  std::vector<Completion> take_completions();
  Instant next_deadline();

  // ---- getters
  NodeNumber node_of(LinkId link) const;
  size_t links() const { return links_.size(); }
  size_t in_flight() const { return slots_.size() - free_.size() - questions_; }
  uint64_t retries() const { return retries_; }  // attempts beyond the first, since the start
  uint64_t hedges() const { return hedged_; }    // those of them that were reads waiting elsewhere
  bool is_away(RegionId region) const { return absences_.away(region); }

 private:
  enum class State : uint8_t { unused, queued, sent, waiting };
  enum class LinkState : uint8_t { closed, opening, up };

  struct Slot {
    State state = State::unused;
    bool maybe_happened = false;  // an attempt left whose fate is open
    bool question = false;        // ours: is the region of its target back?
    bool may_hedge = false;       // its timer is not the attempt's end but a hedge's begin
    uint8_t behinds = 0;          // in a row
    uint32_t link = 0;            // queued, sent
    uint32_t tries = 0;           // attempts that left
    uint32_t failures = 0;        // for the backoff
    size_t rank = 0;              // of the region asked, in config_.regions
    RegionId region{};
    PartitionId partition{};
    uint64_t tried = 0;           // nodes that failed in this round, by place in the region
    uint64_t sequence = 0;        // of the last attempt; never goes back, so late answers are told apart
    uint64_t first_sequence = 0;  // the first one of the present request id
    uint64_t timer = 0;           // number of the live timer
    Instant deadline;
    Instant attempt_due;  // end of the present attempt
    Instant started;      // the first attempt left
    Target target;
    region::Request request;
    Callback callback;
    Errc last_code = Errc::unavailable;
    std::string last_error;
  };
  struct Link {
    LinkState state = LinkState::closed;
    bool ready = false;              // listed in ready_
    uint32_t failures = 0;           // in a row
    Instant retry_at{INT64_MIN};     // closed: not before
    Instant avoid_until{INT64_MIN};  // it did not answer; ask others first
    // Whether the node gives a sign of life while it owes answers.
    bool watched = false;
    bool silent = false;      // it gave none; ask others first until it does
    bool wants_sign = false;  // the next frame asks for one
    Instant opened_at;        // when it began to connect
    Instant heard_at{INT64_MIN / 2};
    Instant sign_asked_at{INT64_MIN / 2};  // since it was heard last, if later than that
    Instant watch_due;
    Duration patience;            // silence that is no news: by the round trips that were seen
    std::vector<uint32_t> queue;  // slots in order
  };
  struct Timer {
    Instant due;
    uint32_t slot = 0;
    uint64_t number = 0;
    friend bool operator<(const Timer& a, const Timer& b) { return a.due > b.due; }  // earliest on top
  };

  uint32_t take_slot();
  void prepare(Instant now, Slot& slot, region::Request&& request, const Target& target);
  void release(uint32_t index);
  void complete(uint32_t index, region::Response&& response);
  void fail(uint32_t index, Errc code, std::string message);
  void expire(uint32_t index);
  std::string last_words(const Slot& slot) const;
  std::string describe(NodeNumber node) const;

  std::optional<uint32_t> pick(Instant now, const Slot& slot, uint32_t lane);
  void route(Instant now, uint32_t index);
  void end_round(Instant now, uint32_t index);
  bool next_region(Slot& slot);
  bool to_next_rank(Slot& slot);
  void enqueue(Instant now, uint32_t index, uint32_t link);
  void wait(Instant now, uint32_t index);
  void mark_ready(uint32_t link);
  void mark_tried(Slot& slot, NodeNumber node);
  void begin_attempt(Instant now, uint32_t index);
  uint32_t first_link_of(NodeNumber node) const;

  void arm(uint32_t index, Instant due);
  bool is_live(const Timer& timer) const;
  void drop_stale_timers();
  void pop_timer();
  Instant next_timer();

  void handle_rejected(Instant now, uint32_t index, LinkId link, region::Response&& response);
  bool go_elsewhere(Instant now, uint32_t index);
  void handle_unknown(Instant now, uint32_t index, region::Response&& response);
  // ---- core_links.cc: signs of life, hedges, regions that are away
  Duration patience_for(Duration round_trips) const;
  void hear(Instant now, uint32_t index, const region::Response& response);
  void watch(Instant now, uint32_t index);
  void check_silence(Instant now, uint32_t index);
  void ask_for_sign(Instant now, uint32_t index);
  void go_around(Instant now, uint32_t index);
  bool owes_answers(uint32_t index) const;
  void measure(Instant now, const Slot& slot);
  void hedge(Instant now, uint32_t index);
  size_t first_rank() const;
  bool is_lost(RegionId region) const;
  void ask_whether_back(Instant now, RegionId region, const Bytes& key);
  void upkeep(Instant now);
  Instant upkeep_due() const;

  void handle_refused_frame(Instant now, LinkId link, const region::Response& response);
  void handle_lost(Instant now, uint32_t index, const std::string& why);
  void handle_timeout(Instant now, uint32_t index);
  bool may_repeat(const Slot& slot) const;
  void leave_open(Slot& slot);

  static constexpr uint64_t kSignCorrelation = UINT64_MAX;

  CoreConfig config_;
  const topology::Topology& topology_;
  Routes routes_;
  Prng dice_;
  Hedges hedges_;
  Absences absences_;
  region::Request sign_;                   // what asks for a sign of life
  size_t questions_ = 0;                   // slots of our own
  Instant now_;                            // of the last input
  Instant watch_next_ = Instant::never();  // not after the first watch_due of all links
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  std::vector<Link> links_;    // by node in the topology's order, then lane
  std::vector<Timer> timers_;  // a heap; those whose number is not their slot's are stale
  uint64_t timer_number_ = 0;
  uint64_t retries_ = 0, hedged_ = 0;
  std::vector<LinkId> opens_, ready_;
  std::vector<Completion> completions_;
  std::vector<NodeNumber> order_;                 // scratch of pick()
  std::vector<const region::Request*> outgoing_;  // scratch of take_frame()
  std::vector<uint32_t> places_, first_links_;    // by node number
};

}  // namespace atolldb::client
