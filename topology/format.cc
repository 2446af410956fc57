#include "topology/format.h"

#include <cstdio>
#include <sstream>

#include "crdt/base/ensure.h"

namespace atolldb::topology {
namespace {

std::string hex(const SipKey& seed) {
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(seed.k0),
                static_cast<unsigned long long>(seed.k1));
  return text;
}

void write_head(std::ostream& out, const Topology& t) {
  out << "[cluster]\n"
      << "name = \"" << t.cluster << "\"\n"
      << "seed = \"" << hex(t.placement.seed) << "\"\n"
      << "partitions = " << t.placement.partitions << "\n"
      << "strict_disks = " << (t.strict_disks ? "true" : "false") << "\n\n"
      << "[defaults]\n"
      << "durability = \"" << (t.durability == Durability::strict ? "strict" : "periodic") << "\"\n"
      << "outbox_bytes_max = " << t.outbox_bytes_max << "\n"
      << "memtable_bytes = " << t.memtable_bytes << "\n";
}

void write_region(std::ostream& out, const Region& region) {
  out << "\n[[region]]\n"
      << "name = \"" << region.name << "\"\n"
      << "n = " << region.n << "\nr = " << region.r << "\nw = " << region.w << "\n";
}

void write_node(std::ostream& out, const Region& region, const Node& node) {
  for (const Address* other : {&node.http, &node.peer, &node.client})
    ensure(other->host == node.resp.host, "a node has one address");
  out << "\n[[node]]\n"
      << "name = \"" << node.name << "\"\n"
      << "number = " << raw(node.number) << "\n"
      << "region = \"" << region.name << "\"\n";
  if (!node.zone.empty()) out << "zone = \"" << node.zone << "\"\n";
  out << "address = \"" << node.resp.host << "\"\n"
      << "ports = { resp = " << node.resp.port << ", http = " << node.http.port
      << ", peer = " << node.peer.port << ", client = " << node.client.port << " }\n"
      << "public_key = \"" << node.public_key << "\"\n";
}

void write_link(std::ostream& out, const Topology& t, const Link& link) {
  out << "\n[[link]]\n"
      << "between = [\"" << t.region(link.a).name << "\", \"" << t.region(link.b).name << "\"]\n";
  if (link.delay_ms != 0) out << "delay_ms = " << link.delay_ms << "\n";
  if (link.bytes_per_second_max != 0) out << "bytes_per_second_max = " << link.bytes_per_second_max << "\n";
}

}  // namespace

std::string format(const Topology& topology) {
  std::ostringstream out;
  write_head(out, topology);
  for (const Region& region : topology.regions) write_region(out, region);
  for (const Region& region : topology.regions) {
    for (const NodeNumber number : region.nodes) {
      const Node* node = topology.find(number);
      ensure(node != nullptr, "a region's nodes are in the topology");
      write_node(out, region, *node);
    }
  }
  for (const Link& link : topology.links) write_link(out, topology, link);
  return out.str();
}

}  // namespace atolldb::topology
