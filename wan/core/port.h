#pragma once
// What the streams between regions need of the node they run in. region/node implements it over region/core;
// tests over maps.

#include <optional>
#include <span>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "crdt/base/log.h"
#include "crdt/base/time.h"
#include "crdt/dot_set.h"
#include "crdt/hlc.h"
#include "storage/outbox.h"

namespace atolldb::wan {

class Port {
 public:
  virtual ~Port() = default;

  virtual NodeNumber self() const = 0;
  virtual RegionId region() const = 0;
  virtual const std::vector<RegionId>& regions() const = 0;  // all of the cluster
  virtual RegionId region_of(NodeNumber node) const = 0;
  virtual std::span<const NodeNumber> replicas(RegionId region, PartitionId partition) const = 0;
  virtual bool up(NodeNumber node) const = 0;

  // Partitions whose active coordinator is this node.
  virtual std::vector<PartitionId> coordinated() const = 0;
  virtual bool coordinates(PartitionId partition) const = 0;
  virtual const crdt::DotSet& settled(PartitionId partition) const = 0;
  // The highest stamp up to which all that entered is settled; nothing while that cannot be said.
  virtual std::optional<crdt::Hlc> settled_stamp(PartitionId partition) const = 0;
  virtual const storage::Outbox& outbox(PartitionId partition) const = 0;
  // The delta of an entry. False: its log segment is gone.
  virtual bool read(PartitionId partition, const storage::Outbox::Entry& entry, Bytes& delta) const = 0;
  // A delta of another region enters here. False: not now; it will be sent again.
  virtual bool enter(PartitionId partition, BytesView delta) = 0;
  // Whether there is nothing that passes by itself in its way: no room, or a takeover that collects verdicts.
  virtual bool may_enter(PartitionId partition) const = 0;
  // For sessions that go to another region: asks this partition's coordinator here for a marker at a stamp or
  // above it; none: above all that has entered. Streams::handle_marked() says when it is there. False: never.
  virtual bool mark(PartitionId partition, crdt::Hlc at_least) = 0;
  virtual crdt::Hlc marked(PartitionId partition) const = 0;
  // For those that come from there: all that had entered the region's partition up to this stamp is settled
  // here.
  virtual void covered(PartitionId partition, RegionId region, crdt::Hlc stamp) = 0;
  // Of this region's own dots, what every other region has.
  virtual void regions_have(PartitionId partition, crdt::DotSet&& dots) = 0;
  virtual void pull(PartitionId partition, NodeNumber from) = 0;

  virtual void send(NodeNumber to, BytesView message) = 0;
  // To the partition's coordinator inside this region; dropped when none is known.
  virtual void relay(PartitionId partition, NodeNumber origin, BytesView message) = 0;
};

}  // namespace atolldb::wan
