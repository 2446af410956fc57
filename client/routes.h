#pragma once
// What a client knows about where requests belong: the ring of every region, and for each partition of a
// region the coordinator, epoch and stamp that responses have told. Hints, all of it: a node that is asked
// wrongly forwards or says who coordinates, and a request id under an old epoch is rejected with the new one.

#include <optional>
#include <vector>

#include "crdt/base/ids.h"
#include "crdt/base/time.h"
#include "region/core/request.h"
#include "topology/ring.h"
#include "topology/topology.h"

namespace atolldb::client {

class Routes {
 public:
  // `topology` outlives the routes.
  explicit Routes(const topology::Topology& topology);

  struct Known {
    Epoch epoch;               // default: not known
    NodeNumber coordinator{};  // 0: not known
    uint64_t stamp_ms = 0;
    Instant stamp_at;  // when the stamp was told
  };

  // Takes what a response of `region` says of the partition; older epochs say nothing new.
  void learn(Instant now, RegionId region, PartitionId partition, const region::Response& response);
  // A coordinator that does not answer is no hint any more.
  void forget_coordinator(NodeNumber node);
  void forget_coordinator(RegionId region, PartitionId partition);
  const Known& known(RegionId region, PartitionId partition) const;

  // The nodes of the region in the order in which to ask: the coordinator, the other replicas by preference,
  // then, with Ask::all, the rest, which forward.
  enum class Ask : uint8_t { all, replicas };
  void order(RegionId region, PartitionId partition, Ask ask, std::vector<NodeNumber>& nodes);

  // A fresh name for an increment, under the epoch and stamp as known now.
  region::RequestId make_id(Instant now, RegionId region, PartitionId partition, uint64_t nonce) const;

 private:
  size_t index(RegionId region, PartitionId partition) const;
  const topology::Ring& ring(RegionId region);

  const topology::Topology& topology_;
  std::vector<std::optional<topology::Ring>> rings_;  // built when first asked for
  std::vector<Known> known_;
};

}  // namespace atolldb::client
