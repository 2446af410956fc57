#include "tests/region/world.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "topology/topology.h"

namespace atolldb::testing {

struct World::Process final : EventLog {
  Process(World& world_in, NodeNumber self_in, uint64_t seed)
      : world(world_in),
        self(self_in),
        store(world_in.disks_[self_in], store_options(world_in.options_), seed),
        engine({self_in, seed}, world_in.topology_, store, *this),
        incarnation(++world_in.incarnations_) {}
  void write(LogLevel level, std::string_view line) override {
    if (level == LogLevel::debug) return;
    world.lines_.push_back(std::to_string(world.now_.ns / 1000) + " " + std::to_string(raw(self)) + " " +
                           std::string(line));
  }
  World& world;
  NodeNumber self;
  storage::VirtualStore store;
  node::Engine engine;
  uint64_t incarnation;
  Instant deadline{0};
  Instant done_at[std::size(storage::kJobs)] = {Instant::never(), Instant::never(), Instant::never()};

  Instant& done(storage::Job job) { return done_at[static_cast<size_t>(job)]; }
  // When the disk has something to say.
  Instant disk_at() {
    return std::min(*std::min_element(std::begin(done_at), std::end(done_at)), store.wake_at());
  }

 private:
  static storage::VirtualStoreOptions store_options(const WorldOptions& options) {
    storage::VirtualStoreOptions out;
    out.memtable_bytes = options.memtable_bytes;
    out.log_bytes_max = options.log_bytes_max;
    out.log_segment_bytes = 128u << 10;
    return out;
  }
};

World::World(const WorldOptions& options) : options_(options), prng_(options.seed) {
  topology_.cluster = "test";
  topology_.placement = {{7, options.seed}, options.partitions};
  topology_.digest = "test";
  for (uint32_t r = 0; r < options.regions; ++r) {
    topology::Region region;
    region.name = "r" + std::to_string(r);
    region.id = RegionId{static_cast<uint16_t>(r)};
    region.n = options.n;
    region.r = options.r;
    region.w = options.w;
    for (uint32_t j = 0; j < options.nodes; ++j) {
      topology::Node node;
      node.number = this->node(r, j);
      node.name = region.name + "-" + std::to_string(j + 1);
      node.region = region.id;
      node.zone = std::to_string(j);
      region.nodes.push_back(node.number);
      topology_.nodes.push_back(node);
    }
    topology_.regions.push_back(region);
  }
}
World::~World() = default;

std::vector<NodeNumber> World::all() const {
  std::vector<NodeNumber> out;
  for (const auto& node : topology_.nodes) out.push_back(node.number);
  return out;
}

Now World::now_for(NodeNumber node) const {
  const auto skew = wall_skew_ms.find(node);
  const int64_t wall =
      1'700'000'000'000 + now_.ns / 1'000'000 + (skew == wall_skew_ms.end() ? 0 : skew->second);
  return {now_, static_cast<uint64_t>(wall)};
}

void World::start(NodeNumber node) {
  fatal_.erase(node);
  auto& process = processes_[node];
  process = std::make_unique<Process>(*this, node, prng_.next());
  const Status started = process->engine.start(now_for(node));
  if (!started) FAIL("node " << raw(node) << " does not start: " << started.error().message);
  for (const auto& [other, peer] : processes_)
    if (other != node) {
      peer->engine.handle_link(now_for(other), node, true);
      process->engine.handle_link(now_for(node), other, true);
    }
  flush(node);
}

void World::start_all() {
  for (const NodeNumber node : all())
    if (!running(node)) start(node);
}

void World::kill(NodeNumber node, bool lose_unsynced) {
  if (!running(node)) return;
  processes_.at(node)->store.finish_some(prng_, now_);
  processes_.erase(node);
  if (lose_unsynced) disks_[node].cut_power(prng_);
  std::erase_if(network_, [&](const auto& item) { return item.second.to == node; });
  for (const auto& [other, peer] : processes_) peer->engine.handle_link(now_for(other), node, false);
}

std::optional<std::string> World::fatal(NodeNumber node) const {
  const auto at = fatal_.find(node);
  return at == fatal_.end() ? std::nullopt : std::optional(at->second);
}

void World::cut_regions(RegionId a, RegionId b) {
  for (const NodeNumber x : topology_.region(a).nodes)
    for (const NodeNumber y : topology_.region(b).nodes) cut(x, y);
}

void World::isolate(NodeNumber node) {
  for (const NodeNumber other : all())
    if (other != node) cut(node, other);
}

void World::transmit(NodeNumber from, NodeNumber to, Bytes&& frame) {
  if (cuts_.contains(ordered(from, to)) || !processes_.contains(to)) return;
  if (prng_.chance(drop_per_1000, 1000) || (loses && loses(from, to, frame))) return;
  const bool local = topology_.find(from)->region == topology_.find(to)->region;
  const int64_t base = local ? options_.local_delay_us : options_.wan_delay_us;
  const auto delay = Duration::micros(
      base + (jitter_us > 0 ? static_cast<int64_t>(prng_.below(static_cast<uint64_t>(jitter_us))) : 0));
  Instant& last = last_arrival_[{from, to}];
  const Instant at = std::max(now_ + delay, last);  // a connection keeps its order
  last = at;
  const uint64_t incarnation = processes_.at(from)->incarnation;
  if (prng_.chance(duplicate_per_1000, 1000))
    network_.emplace(at + Duration::millis(3), Packet{from, to, frame, incarnation});
  network_.emplace(at, Packet{from, to, std::move(frame), incarnation});
}

void World::flush(NodeNumber node) {
  Process& process = *processes_.at(node);
  node::Output out = process.engine.take_output();
  process.deadline = out.next_deadline;
  for (auto& frame : out.frames) transmit(node, frame.to, std::move(frame.bytes));
  for (auto& reply : out.replies) responses_[reply.response.correlation] = std::move(reply.response);
  for (const storage::Job job : storage::kJobs)
    if (process.store.begin(job, now_)) process.done(job) = now_ + Duration::micros(sync_us);
  if (out.fatal) {
    fatal_[node] = *out.fatal;
    kill(node, false);
  }
}

void World::step() {
  Instant next = network_.empty() ? Instant::never() : network_.begin()->first;
  for (const auto& [node, process] : processes_)
    next = std::min({next, process->deadline, process->disk_at()});
  now_ = std::max(now_, next);
  if (!network_.empty() && network_.begin()->first <= now_) {
    Packet packet = std::move(network_.begin()->second);
    network_.erase(network_.begin());
    const auto to = processes_.find(packet.to);
    if (to == processes_.end() || cuts_.contains(ordered(packet.from, packet.to))) return;
    to->second->engine.handle_peer_frame(now_for(packet.to), packet.from, packet.frame);
    return flush(packet.to);
  }
  for (const NodeNumber node : all()) {
    const auto at = processes_.find(node);
    if (at == processes_.end()) continue;
    Process& process = *at->second;
    if (process.disk_at() <= now_) {
      for (const storage::Job job : storage::kJobs)
        if (process.done(job) <= now_) {
          process.done(job) = Instant::never();
          process.store.complete(job, now_);
        }
      if (process.store.has_news()) process.engine.handle_storage(now_for(node));
      return flush(node);
    }
    if (process.deadline <= now_) {
      process.engine.handle_tick(now_for(node));
      return flush(node);
    }
  }
}

void World::run_for(Duration duration) {
  const Instant until = now_ + duration;
  while (now_ < until) {
    if (processes_.empty()) {
      now_ = until;
      return;
    }
    step();
  }
}

bool World::run_until(const std::function<bool()>& condition, Duration limit) {
  const Instant until = now_ + limit;
  Instant next_check = now_;
  while (now_ < until) {
    if (now_ >= next_check) {
      if (condition()) return true;
      next_check = now_ + Duration::millis(1);
    }
    step();
  }
  return condition();
}

uint64_t World::send(NodeNumber to, region::Request request) {
  request.correlation = ++next_correlation_;
  const auto at = processes_.find(to);
  if (at == processes_.end()) return request.correlation;
  at->second->engine.handle_request(now_for(to), {"client"}, std::move(request));
  flush(to);
  return next_correlation_;
}

std::optional<region::Response> World::response(uint64_t correlation) const {
  const auto at = responses_.find(correlation);
  return at == responses_.end() ? std::nullopt : std::optional(at->second);
}

region::Response World::call(NodeNumber to, region::Request request) {
  const uint64_t correlation = send(to, std::move(request));
  if (!run_until([&] { return responses_.contains(correlation); })) {
    for (const auto& line : lines_) UNSCOPED_INFO(line);
    FAIL("no response from node " << raw(to) << " " << fatal(to).value_or(""));
  }
  return responses_.at(correlation);
}

region::Response World::set(NodeNumber to, Bytes key, Bytes value) {
  region::Request request;
  request.op = region::Op::set;
  request.key = std::move(key);
  request.value = std::move(value);
  return call(to, std::move(request));
}
region::Response World::get(NodeNumber to, Bytes key) {
  region::Request request;
  request.op = region::Op::get;
  request.key = std::move(key);
  return call(to, std::move(request));
}
region::Response World::add(NodeNumber to, Bytes key, int64_t amount) {
  region::Request request;
  request.op = region::Op::add;
  request.key = std::move(key);
  request.amount = amount;
  return call(to, std::move(request));
}

std::string World::report(NodeNumber node, region::Op op) {
  region::Request request;
  request.op = op;
  const uint64_t correlation = send(node, std::move(request));
  return responses_.at(correlation).value;
}

bool World::converged() {
  std::map<std::string, std::set<std::string>> seen;
  for (const auto& [node, process] : processes_) {
    const auto json = nlohmann::json::parse(report(node, region::Op::digest));
    for (const auto& [partition, digest] : json["partitions"].items())
      seen[partition].insert(digest.get<std::string>() + json["clocks"][partition].get<std::string>());
  }
  return std::all_of(seen.begin(), seen.end(), [](const auto& item) { return item.second.size() == 1; });
}

bool World::serving() {
  std::map<std::string, size_t> held;
  for (const auto& [node, process] : processes_) {
    const auto json = nlohmann::json::parse(report(node, region::Op::status));
    if (json["standing"] != "vote") return false;
    held[json["region"]] += json["epochs_held"].get<size_t>();
  }
  for (const auto& [region, count] : held)
    if (count != options_.partitions) return false;
  return true;
}

}  // namespace atolldb::testing
