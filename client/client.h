#pragma once
// The locality-aware client: it knows the rings and the distances, asks the coordinator of a key's partition
// directly, and repeats what is safe to repeat (docs/client.md says what that is).
//
//   auto client = Client::open("topology.toml", {.region = "eu"});
//   auto sum = (*client)->add("visits", 1);
//   if (sum.unknown()) ...   // the only case in which it is open whether the visit counts
//
// All of a client's work runs on one background thread of its own. What is started without waiting (caller.h)
// calls back on that thread, and what one round of answers triggers leaves as one frame for each node.

#include <cstdint>
#include <memory>
#include <string>

#include "client/caller.h"
#include "client/reply.h"
#include "client/target.h"
#include "crdt/base/result.h"
#include "region/core/request.h"
#include "topology/topology.h"

namespace atolldb::client {

struct Options {
  std::string region = {};     // the home region; empty: the nearest by ping
  bool any_region = false;     // while the home region does not answer, go on in the next nearest one
  std::string node = {};       // ask this node only; then `region` is its region
  bool wait_for_nodes = true;  // false: rejected at once when no node can be reached, not at the deadline
  bool local = false;          // reads: what one replica holds, without a quorum; may be behind
  bool retry_unknown_writes = false;                  // repeat plain writes whose outcome is open
  uint32_t deadline_ms = region::kDeadlineDefaultMs;  // of each call, kDeadlineMaxMs at most
  uint32_t attempt_timeout_ms = 1'000;                // then what may be repeated is, at another node
  uint32_t silent_node_ms =
      300;                  // a near node that owes answers and gives no sign of life is left; 10 at least
  bool hedge_reads = true;  // reads that take longer than 95 of 100 are sent a second time: one in 20 at most
  uint32_t in_flight_max = 65'536;
  uint32_t connections_per_node = 1;
};

class Loop;

class Client final : public Caller {
 public:
  // Connects lazily; without a region it asks which one is near, for two seconds at most. Errc::not_found: no
  // such region or node. Errc::io: no thread or socket to be had.
  static Result<std::unique_ptr<Client>> open(const topology::Topology& topology, const Options& options);
  // The same with the topology in that file; Errc::invalid and Errc::io say what is wrong with it.
  static Result<std::unique_ptr<Client>> open(const std::string& topology_file, const Options& options);
  // What is under way is completed: rejected or unknown.
  ~Client() override;

  // Single requests as they go over the wire, for programs that need more than calls.h has. The callback is
  // called exactly once. False: in_flight_max requests are under way; nothing was taken. Only the request's
  // correlation, id and attempt are not the caller's: the client sets them.
  [[nodiscard]] bool send(region::Request&& request, const Target& target, Callback callback);
  [[nodiscard]] bool send(region::Request&& request, Callback callback);
  region::Response call(region::Request&& request, const Target& target);
  region::Response call(region::Request&& request);

  RegionId region() const;       // the home region
  uint64_t retries() const;      // attempts beyond the first of each request
  uint64_t hedges() const;       // those of them that were slow reads, asked a second time
  uint32_t deadline_ms() const;  // of each call

 private:
  Client(std::unique_ptr<Loop> loop, RegionId region, const Options& options);
  friend class Session;
  bool submit(region::Request&& request, Callback callback) override;
  bool submit_of_session(region::Request&& request, bool elsewhere, Callback callback);
  void check_may_wait() const override;

  std::unique_ptr<Loop> loop_;
  RegionId region_{};
  Target target_;  // of requests that name none
  bool local_;
  uint32_t deadline_ms_;
};

}  // namespace atolldb::client
