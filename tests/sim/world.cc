#include "tests/sim/world.h"

#include <time.h>
#include <xxhash.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/sim/frame_probe.h"

namespace atolldb::sim {

namespace {
constexpr uint32_t kWake = 255;  // in the place of a job: look again

class CpuClock {
 public:
  explicit CpuClock(int64_t* sum) : sum_(sum), began_(sum ? now() : 0) {}
  ~CpuClock() {
    if (sum_) *sum_ += now() - began_;
  }

 private:
  static int64_t now() {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
  }
  int64_t* sum_;
  int64_t began_;
};
}  // namespace

struct World::Process final : EventLog {
  Process(World& world_in, uint32_t machine_in, uint64_t seed)
      : world(world_in),
        machine(machine_in),
        store(mount(world_in, machine_in, seed), machine_in, *world_in.machines_[machine_in].facts,
              world_in.options_.keep_facts ? &world_in.facts_ : nullptr, world_in.probes_, world_in.now_),
        engine({world_in.node(machine_in), seed, world_in.options_.clears}, world_in.topology_, store,
               *this) {}
  void write(LogLevel level, std::string_view text) override { world.line(machine, level, text); }
  static std::unique_ptr<storage::VirtualStore> mount(World& world, uint32_t machine, uint64_t incarnation) {
    storage::VirtualStoreOptions options;
    options.memtable_bytes = world.options_.disk.memtable_bytes;
    options.log_segment_bytes = world.options_.disk.log_segment_bytes;
    options.log_bytes_max = world.options_.disk.log_bytes_max;
    return std::make_unique<storage::VirtualStore>(*world.machines_[machine].disk, options, incarnation);
  }

  World& world;
  uint32_t machine;
  ObservedStore store;
  node::Engine engine;
  Instant tick_at = Instant::never();  // true time of the tick that is scheduled
  uint64_t tick_generation = 0;
  Instant wake_at = Instant::never();  // of the disk
  bool news_coming = false;
  bool draining = false;
};

topology::Topology make_topology(const WorldOptions& options) {
  topology::Topology out;
  out.cluster = "sim";
  out.placement = {{7, options.seed}, options.partitions};
  out.digest = "sim";
  out.strict_disks = options.strict_disks;
  const uint32_t stride = options.nodes < 10 ? 10 : 100;
  for (uint32_t r = 0; r < options.regions; ++r) {
    topology::Region region;
    region.name = "r" + std::to_string(r);
    region.id = RegionId{static_cast<uint16_t>(r)};
    region.n = options.n;
    region.r = options.r;
    region.w = options.w;
    for (uint32_t j = 0; j < options.nodes; ++j) {
      topology::Node node;
      node.number = NodeNumber{static_cast<uint16_t>(r * stride + j + 1)};
      node.name = region.name + "-" + std::to_string(j + 1);
      node.region = region.id;
      node.zone = std::to_string(j % options.zones);
      region.nodes.push_back(node.number);
      out.nodes.push_back(node);
    }
    out.regions.push_back(region);
  }
  return out;
}

namespace {
// Of all machines, and of their clones behind them.
std::vector<uint32_t> regions_of(const topology::Topology& topology, bool clones) {
  std::vector<uint32_t> out;
  for (int times = clones ? 2 : 1; times > 0; --times)
    for (const auto& node : topology.nodes) out.push_back(raw(node.region));
  return out;
}

NetworkOptions with_distances(const WorldOptions& options) {
  NetworkOptions out = options.network;
  if (!out.distance_us.empty()) return out;
  Prng dice(options.seed ^ 0xd157a9ce);
  out.distance_us.assign(options.regions, std::vector<int64_t>(options.regions));
  for (uint32_t a = 0; a < options.regions; ++a)
    for (uint32_t b = 0; b < a; ++b)
      out.distance_us[a][b] = out.distance_us[b][a] = 1'000 + static_cast<int64_t>(dice.below(120'000));
  return out;
}
}  // namespace

World::World(const WorldOptions& options)
    : options_(options),
      topology_(make_topology(options)),
      region_of_(regions_of(topology_, options.clones)),
      prng_(options.seed),
      facts_(topology_, options.keep_facts ? region_of_ : std::vector<uint32_t>(), probes_),
      network_(with_distances(options), region_of_, queue_, options.seed ^ 0x6e657477,
               [this](uint32_t from, uint32_t to, bool up) { link_news(from, to, up); }),
      machines_(region_of_.size()) {
  for (const auto& region : topology_.regions) rings_.emplace_back(topology_, region.id);
  for (uint32_t i = 0; i < slots(); ++i) {
    if (i < machines()) machine_of_[raw(node(i))] = i;
    Machine& machine = machines_[i];
    machine.disk = std::make_unique<storage::VirtualDisk>();
    machine.facts = std::make_unique<DiskFacts>();
    machine.clock = MachineClock(1'000'000'000 + static_cast<int64_t>(prng_.below(1'000'000'000'000)));
    machine.sync_time = options.sync_time;
  }
}
World::~World() = default;

// -- processes

void World::start(uint32_t i) {
  Machine& machine = machines_[i];
  ensure(!machine.process, "one process a machine");
  machine.fatal.reset();
  machine.paused = machine.mute = false;
  ++machine.generation;
  machine.process = std::make_unique<Process>(*this, i, prng_.next());
  const Status started = machine.process->engine.start(now_for(i));
  if (!started) {
    machine.fatal = "it does not start: " + started.error().message;
    line(i, LogLevel::error, *machine.fatal);
    machine.process.reset();
    return;
  }
  network_.up(now_, i);
  flush(i);
}

void World::start_all() {
  for (uint32_t i = 0; i < machines(); ++i)
    if (!running(i)) start(i);
}

void World::kill(uint32_t i, bool power, bool noticed) {
  if (running(i)) end(i, power, noticed);
}

void World::end(uint32_t i, bool power, bool noticed) {
  Machine& machine = machines_[i];
  machine.inbox.clear();
  machine.requests.clear();
  machine.disk_done.clear();
  if (machine.paused) resume(i);
  machine.process->store.inner().finish_some(prng_, now_);
  machine.process.reset();
  ++machine.generation;
  if (power) machine.disk->cut_power(prng_);
  network_.down(now_, i, noticed);
  std::vector<OnResponse> broken;
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    if (at->second.machine != i) {
      ++at;
      continue;
    }
    broken.push_back(std::move(at->second.done));
    at = waiting_.erase(at);
  }
  for (OnResponse& done : broken) done(nullptr);
}

void World::pause(uint32_t i) {
  if (!running(i) || paused(i)) return;
  machines_[i].paused = true;
  for (uint32_t other = 0; other < slots(); ++other) {
    if (other == i) continue;
    network_.block(now_, other, i, Network::Block::stopped);
    network_.block(now_, i, other, Network::Block::stopped);
  }
}

void World::resume(uint32_t i) {
  if (!paused(i)) return;
  Machine& machine = machines_[i];
  machine.paused = false;
  for (uint32_t other = 0; other < slots(); ++other) {
    if (other == i) continue;
    network_.unblock(now_, other, i, Network::Block::stopped);
    network_.unblock(now_, i, other, Network::Block::stopped);
  }
  const uint64_t generation = machine.generation;
  for (const storage::Job job : std::exchange(machine.disk_done, {}))
    queue_.push(now_, EventKind::storage, i, static_cast<uint32_t>(job), generation);
  schedule_tick(i, *machine.process, now_);
  auto inbox = std::exchange(machine.inbox, {});
  for (Delivery& delivery : inbox)
    if (machine.generation == generation) deliver(i, delivery.from, delivery.frame);
  auto requests = std::exchange(machine.requests, {});
  for (Request& request : requests)
    if (machine.generation == generation) deliver(i, std::move(request));
}

bool World::draining(uint32_t i) const { return running(i) && machines_[i].process->draining; }

void World::drain(uint32_t i) {
  if (!serves(i)) return;
  machines_[i].process->draining = true;
  machines_[i].process->engine.begin_drain(now_for(i));
  flush(i);
}

// -- disks

void World::wipe(uint32_t i) {
  ensure(!running(i), "a disk goes with its process");
  *machines_[i].disk = {};
  *machines_[i].facts = {};
  if (options_.keep_facts) facts_.forget(i);
}

World::Image World::image(uint32_t i) const { return {*machines_[i].disk, *machines_[i].facts}; }

void World::restore(uint32_t i, const Image& image) {
  ensure(!running(i), "a disk is restored while nothing runs on it");
  const uint64_t capacity =
      machines_[i].disk->capacity_bytes;  // what was the matter with the old one then, is over
  *machines_[i].disk = image.disk;
  machines_[i].disk->capacity_bytes = capacity;
  machines_[i].disk->failing_writes = machines_[i].disk->failing_syncs =
      machines_[i].disk->failing_checkpoints = 0;
  machines_[i].disk->cut_power(prng_);
  *machines_[i].facts = image.facts;
  if (options_.keep_facts) facts_.forget(i);
}

// -- clones

void World::start_clone(uint32_t i, uint64_t hears) {
  const uint32_t clone = clone_of(i);
  ensure(running(i) && !running(clone), "a clone is made of what runs, and one at a time");
  restore(clone, image(i));
  machines_[clone].disk->capacity_bytes = UINT64_MAX;
  machines_[clone].sync_time = options_.sync_time;
  machines_[i].hears = hears;
  start(clone);
}

void World::adopt_clone(uint32_t i) {
  const Image image = this->image(clone_of(i));
  wipe(clone_of(i));
  *machines_[i].disk = image.disk;
  *machines_[i].facts = image.facts;
  if (options_.keep_facts) facts_.forget(i);
}

// Whose the node's address is, as seen from a machine.
uint32_t World::receiver(uint32_t from, uint32_t i) const {
  if (!options_.clones || !running(clone_of(i))) return i;
  if (!running(i)) return clone_of(i);
  return (machines_[i].hears >> (from % machines() % 64) & 1) != 0 ? clone_of(i) : i;
}

// -- network

void World::cut(uint32_t a, uint32_t b, bool both_ways) {
  network_.block(now_, a, b, Network::Block::cut);
  if (both_ways) network_.block(now_, b, a, Network::Block::cut);
}
void World::join(uint32_t a, uint32_t b, bool both_ways) {
  network_.unblock(now_, a, b, Network::Block::cut);
  if (both_ways) network_.unblock(now_, b, a, Network::Block::cut);
}

void World::link_news(uint32_t from, uint32_t to, bool up) {
  if (!serves(from) || node(from) == node(to)) return;
  note(uint64_t{from} << 32 | to << 1 | (up ? 1 : 0));
  machines_[from].process->engine.handle_link(now_for(from), node(to), up);
  flush(from);
}

// -- events

template <typename Call>
auto World::call(uint32_t i, Call&& call) {
  Effort& effort = machines_[i].effort;
  ++effort.calls;
  const CpuClock clock(options_.measure ? &effort.cpu_ns : nullptr);
  return call(machines_[i].process->engine);
}

void World::at(Instant when, std::function<void()>&& call) {
  queue_.push(std::max(when, now_), EventKind::call, 0, 0, calls_.put(std::move(call)));
}

void World::step() {
  const Event event = queue_.pop();
  now_ = std::max(now_, event.at);
  ++events_handled_;
  handle(event);
}

void World::handle(const Event& event) {
  switch (event.kind) {
    case EventKind::frame: {
      Bytes frame;
      if (!network_.arrive(now_, event, frame) || !running(event.b)) return;
      if (paused(event.b)) {
        machines_[event.b].inbox.push_back({event.a, std::move(frame)});
        return;
      }
      return deliver(event.b, event.a, frame);
    }
    case EventKind::tick:
      if (!running(event.a) || machines_[event.a].generation != event.payload) return;
      if (machines_[event.a].process->tick_generation != event.b || paused(event.a)) return;
      return tick(event.a);
    case EventKind::storage:
      if (!running(event.a) || machines_[event.a].generation != event.payload) return;
      if (paused(event.a)) return machines_[event.a].disk_done.push_back(static_cast<storage::Job>(event.b));
      return disk_done(event.a, static_cast<storage::Job>(event.b));
    case EventKind::link:
      return network_.handle_link(now_, event);
    case EventKind::call: {
      const auto call = calls_.take(event.payload);
      return call();
    }
  }
}

void World::deliver(uint32_t i, uint32_t from, BytesView frame) {
  note(static_cast<uint64_t>(now_.ns) ^ uint64_t{i} << 56 ^ uint64_t{from} << 48);
  note(XXH3_64bits(frame.data(), frame.size()));
  if (events_handled_ % 4 == 0) probe_frame(frame, probes_);  // a part is enough, and saves time
  call(i, [&](node::Engine& engine) { engine.handle_peer_frame(now_for(i), node(from), frame); });
  flush(i);
}

void World::deliver(uint32_t i, Request&& request) {
  note(static_cast<uint64_t>(now_.ns) ^ request.correlation << 40);
  request.request.correlation = request.correlation;
  machines_[i].process->engine.handle_request(now_for(i), {request.client}, std::move(request.request));
  flush(i);
}

void World::tick(uint32_t i) {
  Process& process = *machines_[i].process;
  process.tick_at = Instant::never();
  ++machines_[i].effort.ticks;
  call(i, [&](node::Engine& engine) { engine.handle_tick(now_for(i)); });
  flush(i);
  if (running(i) && machines_[i].process->draining && machines_[i].process->engine.drained())
    end(i, false, true);
}

void World::disk_done(uint32_t i, storage::Job job) {
  Machine& machine = machines_[i];
  storage::VirtualStore& store = machine.process->store.inner();
  if (static_cast<uint32_t>(job) == kWake)
    machine.process->wake_at = Instant::never(), machine.process->news_coming = false;
  else
    store.complete(job, now_);
  if (store.has_news()) call(i, [&](node::Engine& engine) { engine.handle_storage(now_for(i)); });
  flush(i);
}

Duration World::latency(uint32_t i, storage::Job job) {
  const Duration sync = machines_[i].sync_time;
  if (job == storage::Job::log) return sync;
  return job == storage::Job::segments ? sync * 10 : sync * 20;
}

// The disk takes up what there is to do. A write that fails at once is news already.
void World::work_disk(uint32_t i) {
  Machine& machine = machines_[i];
  storage::VirtualStore& store = machine.process->store.inner();
  for (const storage::Job job : storage::kJobs)
    if (store.begin(job, now_))
      queue_.push(now_ + latency(i, job), EventKind::storage, i, static_cast<uint32_t>(job),
                  machine.generation);
  if (store.has_news() && !machine.process->news_coming) {
    machine.process->news_coming = true;
    queue_.push(now_, EventKind::storage, i, kWake, machine.generation);
  }
  const Instant wake = store.wake_at();
  if (wake != Instant::never() && wake < machine.process->wake_at) {
    machine.process->wake_at = wake;
    queue_.push(std::max(now_, wake), EventKind::storage, i, kWake, machine.generation);
  }
}

void World::schedule_tick(uint32_t i, Process& process, Instant truth) {
  process.tick_at = truth;
  queue_.push(truth, EventKind::tick, i, static_cast<uint32_t>(++process.tick_generation),
              machines_[i].generation);
}

// What the engine has to say after an event goes out.
void World::flush(uint32_t i) {
  Machine& machine = machines_[i];
  Process& process = *machine.process;
  node::Output out = call(i, [](node::Engine& engine) { return engine.take_output(); });
  for (auto& frame : out.frames)
    network_.send(now_, i, receiver(i, machine_of_.at(raw(frame.to))), std::move(frame.bytes));
  if (out.next_deadline != Instant::never()) {
    const Instant truth = std::max(now_ + Duration::nanos(1), machine.clock.truth_of(out.next_deadline));
    if (process.tick_at == Instant::never() || truth < process.tick_at) schedule_tick(i, process, truth);
  }
  work_disk(i);
  for (auto& reply : out.replies) {
    const auto at = waiting_.find(reply.response.correlation);
    if (at == waiting_.end()) {
      asked_ = std::move(reply.response);
      continue;
    }
    if (machine.mute) continue;
    note(reply.response.correlation << 8 | static_cast<uint64_t>(reply.response.outcome));
    queue_.push(
        now_ + options_.network.local_delay, EventKind::call, 0, 0,
        calls_.put([this, correlation = reply.response.correlation, response = std::move(reply.response)] {
          const auto waiting = waiting_.find(correlation);
          if (waiting == waiting_.end()) return;
          const OnResponse done = std::move(waiting->second.done);
          waiting_.erase(waiting);
          done(&response);
        }));
  }
  if (out.fatal) {
    machine.fatal = *out.fatal;
    line(i, LogLevel::error, "it stops why=\"" + *out.fatal + "\"");
    end(i, false, true);
  }
}

void World::run_until(Instant when) {
  while (queue_.next() <= when) step();
  now_ = std::max(now_, when);
}

bool World::run_until(const std::function<bool()>& condition, Duration limit, Duration every) {
  const Instant until = now_ + limit;
  while (now_ < until) {
    if (condition()) return true;
    run_until(std::min(until, now_ + every));
  }
  return condition();
}

// -- clients

namespace {
// As a door names the requests of a connection: all but the last eight bytes are the same.
Bytes name_of_client(BytesView connection, uint64_t correlation) {
  if (connection.empty()) return "client";
  ensure(connection.size() == 7, "a connection's name has seven bytes");
  Bytes name(connection);
  for (int shift = 56; shift >= 0; shift -= 8) name += static_cast<char>(correlation >> shift);
  return name;
}
}  // namespace

void World::request(uint32_t i, region::Request&& request, OnResponse&& done, BytesView connection) {
  const uint64_t correlation = ++next_correlation_;
  if (options_.clones && running(clone_of(i)) && (correlation % 2 == 0 || !running(i))) i = clone_of(i);
  if (!running(i)) {
    at(now_ + options_.network.local_delay, [done = std::move(done)] { done(nullptr); });
    return;
  }
  waiting_.emplace(correlation, Waiting{i, std::move(done)});
  at(now_ + options_.network.local_delay,
     [this, i, generation = machines_[i].generation,
      held = Request{std::move(request), correlation, name_of_client(connection, correlation)}]() mutable {
       if (!running(i) || machines_[i].generation != generation) return;  // end() has told
       if (paused(i))
         machines_[i].requests.push_back(std::move(held));
       else
         deliver(i, std::move(held));
     });
}

std::string World::ask(uint32_t i, region::Op op, const Bytes& key) {
  region::Request request;
  request.op = op;
  request.key = key;
  asked_.reset();
  machines_[i].process->engine.handle_request(now_for(i), {"world"}, std::move(request));
  flush(i);
  ensure(asked_.has_value(), "a node answers what it is asked about itself at once");
  return std::move(asked_->value);
}

bool World::has_vote(uint32_t i) {
  return running(i) && nlohmann::json::parse(ask(i, region::Op::status))["standing"] == "vote";
}

bool World::serving() {
  std::map<std::string, size_t> held;
  for (uint32_t i = 0; i < machines(); ++i) {
    if (!running(i)) continue;
    const auto json = nlohmann::json::parse(ask(i, region::Op::status));
    if (json["standing"] != "vote") return false;
    held[json["region"]] += json["epochs_held"].get<size_t>();
  }
  return std::all_of(held.begin(), held.end(),
                     [this](const auto& item) { return item.second == options_.partitions; });
}

bool World::converged() {
  std::map<std::string, std::set<std::string>> seen;
  for (uint32_t i = 0; i < machines(); ++i) {
    if (!running(i)) continue;
    const auto json = nlohmann::json::parse(ask(i, region::Op::digest));
    for (uint16_t p = 0; p < options_.partitions; ++p)  // its clock may be whole before it has taken the rest
      if (options_.keep_facts && facts_.ahead(i, PartitionId{p})) return false;
    for (const auto& [partition, digest] : json["partitions"].items())
      seen[partition].insert(digest.get<std::string>() + json["clocks"][partition].get<std::string>());
  }
  return std::all_of(seen.begin(), seen.end(), [](const auto& item) { return item.second.size() == 1; });
}

namespace {
bool begins(std::string_view text, std::string_view with) { return text.substr(0, with.size()) == with; }
}  // namespace

void World::line(uint32_t i, LogLevel level, std::string_view text) {
  if (begins(text, "coordinates ")) {
    probes_.hit(Probe::takeover);
    if (text.find(" in_flight=0") == std::string_view::npos) probes_.hit(Probe::takeover_with_in_flight);
  } else if (begins(text, "this disk is older")) {
    probes_.hit(Probe::memory_lost);
  } else if (begins(text, "too many replicas have lost")) {
    probes_.hit(Probe::too_few_kept_theirs);
  }
  if (on_line) on_line(now_, i, level, text);
}

}  // namespace atolldb::sim
