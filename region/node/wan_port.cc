#include "region/node/wan_port.h"

namespace atolldb::node {

bool WanPort::coordinates(PartitionId partition) const {
  const region::Coordinator* coordinator = node_.peek_coordinator(partition);
  return coordinator != nullptr && coordinator->active();
}

std::vector<PartitionId> WanPort::coordinated() const {
  std::vector<PartitionId> out;
  for (const auto& [id, partition] : node_.partitions())
    if (coordinates(id)) out.push_back(id);
  return out;
}

std::optional<crdt::Hlc> WanPort::settled_stamp(PartitionId id) const {
  const region::Partition* partition = node_.peek(id);
  if (!partition->unsettled().empty() || !partition->unsettled_bulk().empty()) return std::nullopt;
  return partition->stamp;
}

bool WanPort::read(PartitionId partition, const storage::Outbox::Entry& entry, Bytes& delta) const {
  const auto sendable = node_.peek(partition)->read(entry);
  if (!sendable) {
    node_.partition(partition)->outbox.lose(entry.dot);
    return false;
  }
  delta = Bytes(sendable->record.delta);
  return true;
}

bool WanPort::may_enter(PartitionId id) const {
  const region::Coordinator* coordinator = node_.peek_coordinator(id);
  return coordinator != nullptr && coordinator->may_enter() && node_.state().store.has_room();
}

void WanPort::relay(PartitionId id, NodeNumber origin, BytesView message) {
  region::NodeState& state = node_.state();
  // What came from inside the region has been passed on already.
  if (node_.relayed()) return;
  const region::Partition* partition = node_.peek(id);
  const auto to_node = [&]() -> std::optional<NodeNumber> {
    if (partition != nullptr && partition->highest().number > 0 && partition->highest().node != state.self &&
        state.peers.up(partition->highest().node))
      return partition->highest().node;
    for (const NodeNumber replica : state.ring().replicas(id))
      if (replica != state.self && state.peers.up(replica)) return replica;
    return std::nullopt;
  }();
  if (to_node) state.out.send(*to_node, region::Relay{id, origin, message});
}

}  // namespace atolldb::node
