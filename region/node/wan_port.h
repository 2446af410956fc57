#pragma once
// The streams between regions as seen from the region's side: wan::Port over region::Node.

#include "region/core/node.h"
#include "wan/core/port.h"

namespace atolldb::node {

class WanPort final : public wan::Port {
 public:
  explicit WanPort(region::Node& node) : node_(node) {
    for (const topology::Region& region : node_.state().topology.regions) regions_.push_back(region.id);
  }

  NodeNumber self() const override { return node_.state().self; }
  RegionId region() const override { return node_.state().region; }
  const std::vector<RegionId>& regions() const override { return regions_; }
  RegionId region_of(NodeNumber node) const override { return node_.state().region_of(node); }
  std::span<const NodeNumber> replicas(RegionId region, PartitionId partition) const override {
    return node_.state().rings[raw(region)].replicas(partition);
  }
  bool up(NodeNumber node) const override { return node_.state().peers.up(node); }
  std::vector<PartitionId> coordinated() const override;
  bool coordinates(PartitionId partition) const override;
  const crdt::DotSet& settled(PartitionId partition) const override { return node_.peek(partition)->settled; }
  std::optional<crdt::Hlc> settled_stamp(PartitionId partition) const override;
  const storage::Outbox& outbox(PartitionId partition) const override {
    return node_.peek(partition)->outbox;
  }
  bool read(PartitionId partition, const storage::Outbox::Entry& entry, Bytes& delta) const override;
  bool enter(PartitionId partition, BytesView delta) override { return node_.enter(partition, delta); }
  bool may_enter(PartitionId partition) const override;
  bool mark(PartitionId partition, crdt::Hlc at_least) override { return node_.mark(partition, at_least); }
  crdt::Hlc marked(PartitionId partition) const override {
    const region::Coordinator* coordinator = node_.peek_coordinator(partition);
    return coordinator == nullptr ? crdt::Hlc{} : coordinator->marked();
  }
  void covered(PartitionId partition, RegionId region, crdt::Hlc stamp) override {
    node_.covered(partition, region, stamp);
  }
  void regions_have(PartitionId partition, crdt::DotSet&& dots) override {
    node_.partition(partition)->regions_have = std::move(dots);
    node_.partition(partition)->regions_news = true;
  }
  void pull(PartitionId partition, NodeNumber from) override {
    node_.exchanges().want(partition, from, false);
  }
  void send(NodeNumber to, BytesView message) override { node_.state().out.send_encoded(to, message); }
  void relay(PartitionId partition, NodeNumber origin, BytesView message) override;

 private:
  region::Node& node_;
  std::vector<RegionId> regions_;
};

}  // namespace atolldb::node
