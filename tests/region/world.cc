#include "tests/region/world.h"

#include <catch2/catch.hpp>

namespace atolldb::testing {
namespace {

sim::WorldOptions options_of(const WorldOptions& options) {
  sim::WorldOptions out;
  out.seed = options.seed;
  out.regions = options.regions;
  out.nodes = out.zones = options.nodes;
  out.n = options.n;
  out.r = options.r;
  out.w = options.w;
  out.partitions = options.partitions;
  out.clears = options.clears;
  out.disk.memtable_bytes = options.memtable_bytes;
  out.disk.log_bytes_max = options.log_bytes_max;
  out.disk.log_segment_bytes = 128u << 10;
  out.network.local_delay = Duration::micros(options.local_delay_us);
  out.network.jitter_max = Duration::micros(options.jitter_max_us);
  out.network.datagrams = options.datagrams;
  out.network.distance_us.assign(options.regions,
                                 std::vector<int64_t>(options.regions, options.wan_delay_us));
  out.keep_facts = false;
  out.clones = options.clones;
  return out;
}

region::Request request(region::Op op, Bytes key) {
  region::Request out;
  out.op = op;
  out.key = std::move(key);
  return out;
}

}  // namespace

World::World(const WorldOptions& options) : sim_(options_of(options)) {
  sim_.network().loses = [this](uint32_t from, uint32_t to, BytesView frame) {
    return loses && loses(sim_.node(from), sim_.node(to), frame);
  };
  sim_.on_line = [this](Instant at, uint32_t machine, LogLevel level, std::string_view line) {
    if (level == LogLevel::debug) return;
    lines_.push_back(std::to_string(at.ns / 1000) + " " + std::to_string(raw(sim_.node(machine))) + " " +
                     std::string(line));
  };
}

void World::start(NodeNumber node) {
  sim_.start(sim_.machine(node));
  if (!running(node)) FAIL("node " << raw(node) << ": " << fatal(node).value_or(""));
}

void World::start_all() {
  for (const NodeNumber node : all())
    if (!running(node)) start(node);
}

void World::kill(NodeNumber node, bool lose_unsynced) { sim_.kill(sim_.machine(node), lose_unsynced, true); }

void World::set_sync_time(Duration time) {
  for (uint32_t machine = 0; machine < sim_.machines(); ++machine) sim_.set_sync_time(machine, time);
}

void World::cut(NodeNumber a, NodeNumber b) {
  cuts_.emplace_back(sim_.machine(a), sim_.machine(b));
  sim_.cut(cuts_.back().first, cuts_.back().second);
}

void World::cut_regions(RegionId a, RegionId b) {
  for (const NodeNumber x : topology().region(a).nodes)
    for (const NodeNumber y : topology().region(b).nodes) cut(x, y);
}

void World::heal() {
  for (const auto& [a, b] : std::exchange(cuts_, {})) sim_.join(a, b);
}

uint64_t World::send(NodeNumber to, region::Request request, BytesView connection) {
  const uint64_t number = ++sent_;
  sim_.request(
      sim_.machine(to), std::move(request),
      [this, number](const region::Response* response) {
        if (response != nullptr) responses_[number] = *response;
      },
      connection);
  return number;
}

std::optional<region::Response> World::response(uint64_t number) const {
  const auto at = responses_.find(number);
  return at == responses_.end() ? std::nullopt : std::optional(at->second);
}

region::Response World::call(NodeNumber to, region::Request request) {
  const uint64_t number = send(to, std::move(request));
  if (!run_until([&] { return responses_.contains(number); })) {
    for (const auto& line : lines_) UNSCOPED_INFO(line);
    FAIL("no response from node " << raw(to) << " " << fatal(to).value_or(""));
  }
  return responses_.at(number);
}

region::Response World::set(NodeNumber to, Bytes key, Bytes value) {
  region::Request set = request(region::Op::set, std::move(key));
  set.value = std::move(value);
  return call(to, std::move(set));
}

region::Response World::get(NodeNumber to, Bytes key) {
  return call(to, request(region::Op::get, std::move(key)));
}

region::Response World::add(NodeNumber to, Bytes key, int64_t amount) {
  region::Request add = request(region::Op::add, std::move(key));
  add.amount = amount;
  return call(to, std::move(add));
}

std::vector<NodeNumber> World::all() const {
  std::vector<NodeNumber> out;
  for (const auto& node : topology().nodes) out.push_back(node.number);
  return out;
}

}  // namespace atolldb::testing
