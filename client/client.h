#pragma once
// The locality-aware client: it knows the rings and the distances, asks the coordinator of a key's partition
// directly, and repeats what is safe to repeat (core.h says what that is).
//
//   auto client = Client::open(topology, {.region = "eu"});
//   auto sum = (*client)->add("visits", 1);
//   if (sum.unknown()) ...   // the only case in which it is open whether the visit counts
//
// All of a client's work runs on one background thread of its own. send() is asynchronous: its callback runs
// on that thread, must not block, and may send more, which is the cheapest way to keep many requests under
// way: what one round of answers triggers leaves as one frame for each node. The blocking calls may be
// made from any number of threads, but not from a callback.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/core.h"
#include "client/reply.h"
#include "crdt/base/result.h"
#include "region/core/request.h"
#include "topology/topology.h"

namespace atolldb::client {

struct Options {
  std::string region;          // the home region; empty: the nearest by ping
  bool any_region = false;     // with no node of a region answering, go on in the next nearest one
  std::string node;            // ask this node only; then `region` is its region
  bool wait_for_nodes = true;  // false: rejected at once when no node can be reached, not at the deadline
  bool local = false;          // the blocking reads: what one replica holds, without a quorum; may be behind
  bool retry_unknown_writes = false;                  // repeat plain writes whose outcome is open; see core.h
  uint32_t deadline_ms = region::kDeadlineDefaultMs;  // of the blocking calls, kDeadlineMaxMs at most
  uint32_t attempt_timeout_ms = 1'000;
  uint32_t in_flight_max = 65'536;
  uint32_t connections_per_node = 1;
};

class Loop;

class Client {
 public:
  // Connects lazily; without a region it asks which one is near, for two seconds at most. Errc::not_found: no
  // such region or node. Errc::io: no thread or socket to be had.
  static Result<std::unique_ptr<Client>> open(const topology::Topology& topology, const Options& options);
  // What is under way is completed: rejected or unknown.
  ~Client();

  // The callback is called exactly once. False: in_flight_max requests are under way; nothing was taken. Only
  // the request's correlation, id and attempt are not the caller's: the client sets them.
  [[nodiscard]] bool send(region::Request&& request, const Target& target, Callback callback);
  [[nodiscard]] bool send(region::Request&& request, Callback callback);
  region::Response call(region::Request&& request, const Target& target);
  region::Response call(region::Request&& request);

  Reply<Got> get(BytesView key);
  Reply<Unit> set(BytesView key, BytesView value);
  Reply<int64_t> del(BytesView key);  // keys deleted: 0 or 1
  // The sum. Nothing when a retry found that it had counted already: then the sum of that moment is not kept.
  Reply<std::optional<int64_t>> add(BytesView key, int64_t amount);
  Reply<int64_t> sadd(BytesView key, std::vector<Bytes> elements);  // elements that were new
  Reply<int64_t> srem(BytesView key, std::vector<Bytes> elements);  // elements that were there
  Reply<std::vector<Bytes>> smembers(BytesView key);                // in the order of the rows
  Reply<bool> sismember(BytesView key, BytesView element);
  Reply<int64_t> scard(BytesView key);

  // Maps, whose fields are strings.
  Reply<int64_t> hset(BytesView key,
                      const std::vector<std::pair<Bytes, Bytes>>& fields);  // fields that were new
  Reply<Got> hget(BytesView key, BytesView field);
  Reply<int64_t> hdel(BytesView key, std::vector<Bytes> fields);       // fields that were there
  Reply<std::vector<std::pair<Bytes, Bytes>>> hgetall(BytesView key);  // in the order of the rows
  Reply<int64_t> hlen(BytesView key);
  Reply<std::optional<int64_t>> hadd(BytesView key, BytesView field, int64_t amount);  // as add

  // The multi-value view of a string, and a set that resolves it: the context supersedes the siblings that it
  // names; what came meanwhile stands beside the new value.
  Reply<Siblings> siblings(BytesView key);
  Reply<Unit> set(BytesView key, BytesView value, BytesView context);

  RegionId region() const;       // the home region
  uint64_t retries() const;      // attempts beyond the first of each request
  uint32_t deadline_ms() const;  // of the blocking calls

 private:
  Client(std::unique_ptr<Loop> loop, RegionId region, const Options& options);
  region::Request make(region::Op op, BytesView key) const;
  Reply<int64_t> count(region::Op op, BytesView key, std::vector<Bytes> args);

  std::unique_ptr<Loop> loop_;
  RegionId region_{};
  Target target_;  // of requests that name none
  bool local_;
  uint32_t deadline_ms_;
};

}  // namespace atolldb::client
