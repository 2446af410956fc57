#pragma once
// What a client knows about where requests belong: the ring of every region, and for each partition of a
// region the coordinator, epoch and stamp that responses have told. Hints, all of it: a node that is asked
// wrongly forwards or says who coordinates, and a request id under an old epoch is rejected with the new one.

#include <optional>
#include <vector>

#include "crdt/base/ids.h"
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
    uint64_t stamp_ms = 0;     // under that epoch; 0: not known
  };

  // Takes what a response of `region` says of the partition; older epochs say nothing new.
  void learn(RegionId region, PartitionId partition, const region::Response& response);
  // A coordinator that does not answer is no hint any more.
  void forget_coordinator(NodeNumber node);
  void forget_coordinator(RegionId region, PartitionId partition);
  const Known& known(RegionId region, PartitionId partition) const;

  // The nodes of the region in the order in which to ask: the coordinator, the other replicas by preference,
  // then, with Ask::all, the rest, which forward.
  enum class Ask : uint8_t { all, replicas };
  void order(RegionId region, PartitionId partition, Ask ask, std::vector<NodeNumber>& nodes);

  // A fresh name for an increment, under the epoch and stamp as its coordinator told them. The stamp is never
  // a guess at the present: a coordinator that has forgotten ids up to a stamp relies on none of them having
  // been made after it.
  region::RequestId make_id(RegionId region, PartitionId partition, uint64_t nonce) const;

 private:
  size_t index(RegionId region, PartitionId partition) const;
  const topology::Ring& ring(RegionId region);

  const topology::Topology& topology_;
  std::vector<std::optional<topology::Ring>> rings_;  // built when first asked for
  std::vector<Known> known_;
};

}  // namespace atolldb::client
