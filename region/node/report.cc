#include "region/node/report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "crdt/base/base64.h"
#include "crdt/base/utf8.h"
#include "crdt/digest.h"

namespace atolldb::node {

using nlohmann::json;

namespace {
constexpr size_t kInspectElementsMax = 1000;

void put_bytes(json& object, const std::string& name, BytesView bytes) {
  if (is_utf8(bytes))
    object[name] = std::string(bytes);
  else
    object[name + "_base64"] = base64(bytes);
}

json sibling_json(const crdt::Sibling& sibling) {
  json out{{"dot", to_string(sibling.dot)}, {"hlc", sibling.hlc.value}, {"wall_ms", sibling.hlc.wall_ms()}};
  put_bytes(out, "value", sibling.value);
  return out;
}

json total_json(const crdt::RunningTotal& total) {
  return {{"dot", to_string(total.dot)},
          {"started", total.started},
          {"sum", total.sum},
          {"baseline_counter", total.baseline_counter},
          {"baseline", total.baseline}};
}

json field_json(const crdt::InspectedField& field) {
  json out{{"siblings", json::array()}, {"totals", json::array()}};
  put_bytes(out, "field", field.name);
  for (const auto& sibling : field.siblings) out["siblings"].push_back(sibling_json(sibling));
  for (const auto& total : field.totals) out["totals"].push_back(total_json(total));
  return out;
}

json clock_json(const crdt::DotSet& clock) {
  json out = json::object();
  for (const auto& entry : clock.entries()) {
    std::string counters = entry.base > 0 ? "1-" + std::to_string(entry.base) : "";
    for (const auto& interval : entry.above)
      counters += (counters.empty() ? "" : ",") + std::to_string(interval.first) + "-" +
                  std::to_string(interval.last);
    out[to_string(entry.actor)] = counters;
  }
  return out;
}

const char* type_name(crdt::Type type) {
  switch (type) {
    case crdt::Type::none:
      return "none";
    case crdt::Type::string:
      return "string";
    case crdt::Type::set:
      return "set";
    case crdt::Type::map:
      return "map";
  }
  return "none";
}

// It has a vote, and every partition that it holds has a coordinator in the region.
bool ready(region::Node& node) {
  region::NodeState& state = node.state();
  if (state.joining || state.leaving || state.standing != region::Standing::vote) return false;
  for (auto& [id, partition] : node.partitions()) {
    if (partition->highest().number == 0) return false;
    const region::Coordinator* here = node.peek_coordinator(id);
    if (here != nullptr ? !here->active() : !state.peers.up(partition->highest().node)) return false;
  }
  return true;
}
}  // namespace

std::string status_json(region::Node& node, const wan::Streams& streams, const std::vector<RegionId>& cut) {
  region::NodeState& state = node.state();
  uint64_t coordinated = 0, unsettled = 0, outbox_entries = 0, outbox_bytes = 0;
  for (auto& [id, partition] : node.partitions()) {
    const region::Coordinator* coordinator = node.peek_coordinator(id);
    if (coordinator != nullptr && coordinator->active()) ++coordinated;
    unsettled += partition->unsettled().size() + (partition->unsettled_bulk().empty() ? 0 : 1);
    outbox_entries += partition->outbox.end() - partition->outbox.begin();
    outbox_bytes += partition->outbox.bytes();
  }
  const storage::Usage usage = state.store.usage();
  json peers = json::object();
  for (const auto& [number, peer] : state.peers.all())
    peers[state.name_of(number)] = {
        {"up", peer.up}, {"vote", peer.vote}, {"start", peer.start}, {"leaving", peer.leaving}};
  json regions = json::object();
  for (const topology::Region& region : state.topology.regions) {
    if (region.id == state.region) continue;
    const auto lag = streams.lag(region.id);
    const bool connected = std::any_of(region.nodes.begin(), region.nodes.end(),
                                       [&](NodeNumber n) { return state.peers.up(n); });
    regions[region.name] = {{"connected", connected},
                            {"cut", std::find(cut.begin(), cut.end(), region.id) != cut.end()},
                            {"lag_entries", lag.dots},
                            {"behind_ms", lag.behind_ms},
                            {"streams_lost", lag.streams_lost},
                            {"streams_stalled", lag.streams_stalled},
                            {"exchanges", lag.exchanges},
                            {"streams_open", lag.partitions_open},
                            {"streams", lag.partitions}};
  }
  return json{{"node", state.name_of(state.self)},
              {"region", state.home().name},
              {"start", state.start},
              // Serves requests: what `atoll dev up` waits for.
              {"standing", state.joining ? "joining" : region::to_string(state.standing)},
              {"ready", ready(node)},
              {"leaving", state.leaving},
              {"epochs_held", coordinated},
              {"partitions", node.partitions().size()},
              {"unsettled", unsettled},
              {"superseded", state.superseded},
              {"slowed", state.slowed},
              {"in_work", node.in_work()},
              {"outbox_entries", outbox_entries},
              {"outbox_bytes", outbox_bytes},
              {"log_bytes", usage.log_bytes},
              {"memtable_bytes", usage.memtable_bytes},
              {"map_bytes", usage.map_bytes},
              {"records", usage.records},
              {"syncs", usage.syncs},
              {"checkpoints", usage.checkpoints},
              {"has_room", state.store.has_room()},
              {"has_reserve", state.store.has_reserve()},
              {"disk_full", state.store.disk_full()},
              {"exchanging", !node.exchanges().idle()},
              {"peers", peers},
              {"regions", regions}}
      .dump();
}

std::string digest_json(region::Node& node) {
  crdt::Digest total, clocks;
  json partitions = json::object(), partition_clocks = json::object(), clearing = json::array();
  for (auto& [id, partition] : node.partitions()) {
    const crdt::Digest digest = partition->data.digest();
    total += digest;
    Bytes clock;
    crdt::encode(partition->data.clock(), clock);
    for (const auto& [dot, pending] : partition->pending()) clock += to_string(dot);  // in no row yet
    const crdt::Digest clock_hash = crdt::hash_of(std::to_string(raw(id)), clock);
    clocks += clock_hash;
    partition_clocks[std::to_string(raw(id))] = crdt::to_hex(clock_hash);
    partitions[std::to_string(raw(id))] = crdt::to_hex(digest);
    if (partition->data.sweeping()) clearing.push_back(std::to_string(raw(id)));
  }
  return json{{"node", node.state().name_of(node.state().self)},
              {"digest", crdt::to_hex(total)},
              {"clock", crdt::to_hex(clocks)},
              {"partitions", partitions},
              {"clocks", partition_clocks},
              {"clearing", clearing}}
      .dump();
}

std::string inspect_json(region::Node& node, BytesView key) {
  region::NodeState& state = node.state();
  const PartitionId id = state.topology.placement.place(key).partition;
  json out{{"node", state.name_of(state.self)}, {"partition", raw(id)}};
  region::Partition* partition = node.partition(id);
  out["replica"] = partition != nullptr;
  if (partition == nullptr) return out.dump();
  const crdt::Inspection found = partition->data.inspect(key, kInspectElementsMax);
  out["type"] = type_name(found.type);
  if (found.type == crdt::Type::string) {
    if (auto shown = partition->data.read(key))
      put_bytes(out, "value", shown->value);
    else
      out["error"] = shown.error().message;
  }
  out["siblings"] = json::array();
  for (const auto& sibling : found.siblings) out["siblings"].push_back(sibling_json(sibling));
  out["totals"] = json::array();
  for (const auto& total : found.totals) out["totals"].push_back(total_json(total));
  out["elements"] = json::array();
  for (const auto& [element, dots] : found.elements) {
    json item;
    put_bytes(item, "element", element);
    for (const Dot& dot : dots) item["dots"].push_back(to_string(dot));
    out["elements"].push_back(item);
  }
  out["element_count"] = found.element_count;
  out["fields"] = json::array();
  for (const auto& field : found.fields) {
    json item = field_json(field);
    if (const auto shown = partition->data.field(key, field.name); shown && *shown)
      put_bytes(item, "value", **shown);
    out["fields"].push_back(std::move(item));
  }
  out["field_count"] = found.field_count;
  out["journal"] = json::array();
  for (const auto& lost : found.journal) {
    json item = sibling_json(lost);
    if (lost.field) put_bytes(item, "field", *lost.field);
    out["journal"].push_back(item);
  }
  out["context"] = clock_json(found.context);
  out["clock"] = clock_json(partition->data.clock());
  out["settled"] = partition->unsettled_of(key) == nullptr && partition->unsettled_bulk().empty();
  out["epoch"] = to_string(partition->highest());
  out["coordinator"] = partition->highest().number > 0 ? state.name_of(partition->highest().node) : "";
  return out.dump();
}

}  // namespace atolldb::node
