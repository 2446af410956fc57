#include "tests/sim/scale/measure.h"

#include <malloc.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "region/core/peers.h"
#include "tests/sim/scale/traffic.h"
#include "tests/sim/world.h"

namespace atolldb::sim {

namespace {

using nlohmann::json;

constexpr Duration kLook = Duration::millis(100);
constexpr Duration kSilence = Duration::seconds(4);  // above every timer of a stream
constexpr Duration kSilenceWithin = Duration::seconds(180);
constexpr Duration kHearsay = Duration::seconds(11);  // until what was heard of others is written down
constexpr uint32_t kSampled = 8;                      // nodes that are killed to see what they took

int64_t heap_bytes() {
  const auto info = mallinfo2();
  return static_cast<int64_t>(info.uordblks + info.hblkhd);
}

crdt::DotSet parse_clock(const json& clock) {
  crdt::DotSet out;
  for (const auto& [name, counters] : clock.items()) {
    const std::string text = counters.get<std::string>();
    Actor actor;
    const size_t first = name.find('.'), second = name.find('.', first + 1);
    actor.node = NodeNumber{static_cast<uint16_t>(std::stoul(name.substr(0, first)))};
    actor.start = static_cast<uint32_t>(std::stoul(name.substr(first + 1, second - first - 1)));
    actor.random = static_cast<uint32_t>(std::stoul(name.substr(second + 1)));
    for (size_t at = 0; at < text.size();) {
      const size_t dash = text.find('-', at), comma = std::min(text.find(',', dash), text.size());
      out.insert(actor, std::stoull(text.substr(at, dash - at)),
                 std::stoull(text.substr(dash + 1, comma - dash - 1)));
      at = comma + 1;
    }
  }
  return out;
}

size_t memory_of(const crdt::DotSet& set) {
  size_t out = sizeof(set);
  for (const auto& entry : set.entries())
    out += sizeof(entry) + entry.above.capacity() * sizeof(crdt::DotSet::Interval);
  return out;
}

class Scale {
 public:
  Scale(const Shape& shape, const ScaleOptions& options,
        const std::function<void(const std::string&)>& progress)
      : shape_(shape), options_(options), progress_(progress), world_(world_options(shape, options)) {
    world_.network().on_send = [this](Instant now, uint32_t, uint32_t, BytesView frame) {
      counter_.add(now, frame);
    };
    world_.on_line = [this](Instant at, uint32_t machine, LogLevel, std::string_view text) {
      if (text.substr(0, 22) == "coordinates partition=") served(at, machine, text.substr(22));
    };
    out_.shape = shape;
  }

  Result<Measured> run() {
    const auto steps = {&Scale::start,  &Scale::fresh,   &Scale::write, &Scale::used,
                        &Scale::clocks, &Scale::restart, &Scale::memory};
    for (const auto step : steps)
      if (Status done = (this->*step)(); !done) return done.error();
    return std::move(out_);
  }

 private:
  static WorldOptions world_options(const Shape& shape, const ScaleOptions& options) {
    WorldOptions out;
    out.seed = options.seed;
    out.regions = shape.regions;
    out.nodes = shape.nodes;
    out.partitions = options.partitions;
    out.keep_facts = false;
    out.measure = true;
    return out;
  }

  void add(const char* phase, std::string name, const char* unit, Per per, double value) {
    out_.figures.push_back({phase, std::move(name), unit, per, value});
  }
  double nodes() const { return static_cast<double>(shape_.machines()); }

  void served(Instant at, uint32_t machine, std::string_view text) {
    uint32_t partition = 0;
    std::from_chars(text.data(), text.data() + text.size(), partition);
    if (served_.emplace(world_.region_of(machine), partition).second) served_at_ = at;
  }

  void run_for(const char* what, Duration duration) {
    const Instant until = world_.now() + duration;
    while (world_.now() < until) {
      world_.run_until(std::min(until, world_.now() + kLook));
      progress_(std::to_string(shape_.machines()) + " nodes: " + what + ", " +
                std::to_string(world_.now().ns / 1'000'000) + " ms simulated");
    }
  }
  bool run_until_silent(const char* what) {
    const Instant limit = world_.now() + kSilenceWithin;
    while (world_.now() < limit) {
      run_for(what, kLook);
      if (world_.now() - counter_.last_message() > kSilence) return true;
    }
    return false;
  }
  Status unavailable(const std::string& what) const {
    return {Errc::unavailable, std::to_string(shape_.machines()) + " nodes: " + what};
  }

  Effort effort() const {
    Effort sum;
    for (uint32_t i = 0; i < world_.machines(); ++i) {
      sum.calls += world_.effort(i).calls;
      sum.ticks += world_.effort(i).ticks;
      sum.cpu_ns += world_.effort(i).cpu_ns;
    }
    return sum;
  }
  uint64_t disk_bytes() {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < world_.machines(); ++i) sum += world_.disk(i).activity().written_bytes;
    return sum;
  }

  void add_causes(const char* phase, const Traffic& traffic, Per per, double divisor,
                  const std::vector<Cause>& causes) {
    for (const Cause cause : causes) {
      add(phase, std::string(name_of(cause)) + ", messages", "", per,
          static_cast<double>(traffic[cause].messages) / divisor);
      add(phase, std::string(name_of(cause)) + ", bytes", "B", per,
          static_cast<double>(traffic[cause].bytes) / divisor);
    }
  }

  Status start() {
    for (uint32_t i = 0; i < world_.machines(); ++i) {
      world_.start(i);
      progress_(std::to_string(shape_.machines()) + " nodes: start, " + std::to_string(i + 1) + " processes");
    }
    const bool silent = run_until_silent("start");
    if (served_.size() != size_t{shape_.regions} * options_.partitions)
      return unavailable(std::to_string(served_.size()) + " partitions found a coordinator, expected " +
                         std::to_string(size_t{shape_.regions} * options_.partitions));
    if (!silent) return unavailable("the streams between regions do not come to rest after the start");
    const Traffic& traffic = counter_.traffic();
    add("start", "until all partitions are served", "s", Per::cluster,
        (served_at_ - Instant{0}).as_seconds());
    add("start", "until all is silent", "s", Per::cluster,
        (counter_.last_message() - Instant{0}).as_seconds());
    add("start", "frames", "", Per::node, static_cast<double>(traffic.frames.messages) / nodes());
    add("start", "bytes", "B", Per::node, static_cast<double>(traffic.frames.bytes) / nodes());
    add_causes(
        "start", traffic, Per::node, nodes(),
        {Cause::join, Cause::takeover, Cause::open, Cause::acknowledge, Cause::marker, Cause::exchange});
    return ok();
  }

  Status idle(const char* phase) {
    const auto remote = static_cast<int64_t>(shape_.machines() - shape_.nodes);
    const Duration beat = std::max(region::Peers::kHeartbeatRemote,
                                   Duration::millis(1000 * remote / region::Peers::kRemoteBeatsPerSecond));
    const Duration window = beat * ((options_.idle_for.ns + beat.ns - 1) / beat.ns);
    run_for(phase, kHearsay + beat);
    const Traffic before = counter_.traffic();
    const Effort effort_before = effort();
    const uint64_t disk_before = disk_bytes();
    run_for(phase, window);
    const Traffic traffic = counter_.traffic() - before;
    const Effort now = effort();
    const double node_seconds = nodes() * window.as_seconds();
    const auto each = [&](uint64_t value) { return static_cast<double>(value) / node_seconds; };
    add(phase, "frames a second", "", Per::node, each(traffic.frames.messages));
    add(phase, "bytes a second", "B", Per::node, each(traffic.frames.bytes));
    add(phase, "messages a second", "", Per::node, each(traffic.messages().messages));
    add(phase, "bytes to disk a second", "B", Per::node, each(disk_bytes() - disk_before));
    add(phase, "ticks a second", "", Per::node, each(now.ticks - effort_before.ticks));
    add(phase, "processor time a second", "µs", Per::node,
        each(static_cast<uint64_t>(now.cpu_ns - effort_before.cpu_ns)) / 1e3);
    return ok();
  }
  Status fresh() { return idle("idle, fresh"); }
  Status used() { return idle("idle, used"); }

  uint32_t partition_of(uint32_t index) const {
    return static_cast<uint32_t>(uint64_t{index} * options_.partitions / options_.written);
  }

  Status write() {
    const Traffic before = counter_.traffic();
    const uint64_t disk_before = disk_bytes();
    const int64_t cpu_before = effort().cpu_ns;
    const Instant begins = world_.now();
    Instant last;
    uint64_t answered = 0, refused = 0;
    const uint64_t writes = uint64_t{options_.written} * shape_.regions;
    for (uint32_t r = 0; r < shape_.regions; ++r) {
      // A key of each partition at once: trying names for one after the other takes as many tries each.
      std::map<uint32_t, Bytes> keys;
      for (uint64_t i = 0; keys.size() < options_.written; ++i) {
        Bytes key = "r" + std::to_string(r) + "-" + std::to_string(i);
        keys_by_partition(keys, key);
      }
      uint32_t index = 0;
      for (const auto& [partition, key] : keys) {
        // Regions write into one partition at different times, at most some of them within a marker's second.
        const uint32_t turn = (index++ + r * options_.written / shape_.regions) % options_.written;
        const Instant at = begins + Duration{options_.write_for.ns / options_.written * turn};
        last = std::max(last, at);
        const uint32_t machine =
            world_.machine(world_.ring(r).replicas(PartitionId{static_cast<uint16_t>(partition)}).front());
        world_.at(at, [this, machine, key = key, &answered, &refused] {
          region::Request request;
          request.op = region::Op::set;
          request.key = key;
          request.value = Bytes(100, 'v');
          world_.request(machine, std::move(request), [&](const region::Response* response) {
            ++(response != nullptr && response->outcome == region::Outcome::done ? answered : refused);
          });
        });
      }
    }
    run_for("writes", options_.write_for);
    const bool silent = run_until_silent("convergence");
    if (answered != writes)
      return unavailable(std::to_string(answered) + " of " + std::to_string(writes) +
                         " writes were answered done");
    if (!world_.converged() || !silent) return unavailable("the replicas do not become equal and silent");
    const Traffic traffic = counter_.traffic() - before;
    const auto each = static_cast<double>(writes);
    add("writes", "until the last delta is sent", "s", Per::cluster,
        (counter_.last_data() - last).as_seconds());
    add("writes", "until all is silent", "s", Per::cluster, (counter_.last_message() - last).as_seconds());
    add("writes", "messages", "", Per::write, static_cast<double>(traffic.messages().messages) / each);
    add("writes", "bytes of messages", "B", Per::write, static_cast<double>(traffic.messages().bytes) / each);
    add_causes("writes", traffic, Per::write, each,
               {Cause::replicate, Cause::progress, Cause::batch, Cause::acknowledge, Cause::marker,
                Cause::exchange, Cause::takeover});
    add("writes", "bytes to disk, all replicas", "B", Per::write,
        static_cast<double>(disk_bytes() - disk_before) / each);
    add("writes", "processor time, all nodes", "µs", Per::write,
        static_cast<double>(effort().cpu_ns - cpu_before) / 1e3 / each);
    return ok();
  }

  void keys_by_partition(std::map<uint32_t, Bytes>& keys, const Bytes& key) {
    const uint32_t partition = raw(world_.topology().placement.place(key).partition);
    const auto index = static_cast<uint32_t>(
        (uint64_t{partition} * options_.written + options_.partitions - 1) / options_.partitions);
    if (index < options_.written && partition_of(index) == partition) {
      keys.emplace(partition, key);
      sample_key_ = key;
    }
  }

  Status clocks() {
    const PartitionId partition = world_.topology().placement.place(sample_key_).partition;
    const uint32_t machine = world_.machine(world_.ring(0).replicas(partition).front());
    const json inspected = json::parse(world_.ask(machine, region::Op::inspect, sample_key_));
    const crdt::DotSet clock = parse_clock(inspected["clock"]);
    Bytes encoded;
    crdt::encode(clock, encoded);
    add("clock", "actors of a partition", "", Per::node, static_cast<double>(clock.entries().size()));
    add("clock", "on the wire", "B", Per::node, static_cast<double>(encoded.size()));
    add("clock", "in memory", "B", Per::node, static_cast<double>(memory_of(clock)));
    add("clock", "kept with a row", "B", Per::node, static_cast<double>(inspected["context"].size()));
    const json status = json::parse(world_.ask(machine, region::Op::status));
    add("clock", "outbox entries left", "", Per::node, status["outbox_entries"].get<double>());
    return ok();
  }

  Status restart() {
    const uint32_t machine = world_.machines() / 2;
    world_.kill(machine, false);
    run_for("restart", Duration::seconds(5));
    const Traffic before = counter_.traffic();
    const Instant began = world_.now();
    world_.start(machine);
    if (!run_until_silent("restart")) return unavailable("a restarted node does not come to rest");
    const Traffic traffic = counter_.traffic() - before;
    add("restart", "until all is silent", "s", Per::cluster, (counter_.last_message() - began).as_seconds());
    add("restart", "messages", "", Per::cluster, static_cast<double>(traffic.messages().messages));
    add("restart", "bytes of messages", "B", Per::cluster, static_cast<double>(traffic.messages().bytes));
    add_causes("restart", traffic, Per::cluster, 1,
               {Cause::join, Cause::takeover, Cause::open, Cause::acknowledge});
    return ok();
  }

  Status memory() {
    const uint32_t step = std::max(1u, world_.machines() / kSampled);
    const int64_t before = heap_bytes();
    double ended = 0;
    for (uint32_t i = 0; i < world_.machines(); i += step, ++ended) world_.kill(i, true);
    add("memory", "heap", "MiB", Per::node, static_cast<double>(before - heap_bytes()) / ended / (1 << 20));
    add("memory", "partitions held", "", Per::node,
        static_cast<double>(options_.partitions) * 3 / static_cast<double>(shape_.nodes));
    return ok();
  }

  const Shape shape_;
  const ScaleOptions options_;
  const std::function<void(const std::string&)>& progress_;
  TrafficCounter counter_;
  World world_;
  Measured out_;
  std::set<std::pair<uint32_t, uint32_t>> served_;  // region, partition
  Instant served_at_;
  Bytes sample_key_;
};

}  // namespace

const Figure* Measured::find(std::string_view phase, std::string_view name) const {
  for (const Figure& figure : figures)
    if (figure.phase == phase && figure.name == name) return &figure;
  return nullptr;
}

Result<Measured> measure(const Shape& shape, const ScaleOptions& options,
                         const std::function<void(const std::string&)>& progress) {
  return Scale(shape, options, progress).run();
}

}  // namespace atolldb::sim
