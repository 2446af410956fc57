#include "tests/sim/plan.h"

#include <algorithm>

#include "tests/sim/digits.h"
#include "tests/sim/field_key.h"

namespace atolldb::sim {

namespace {

constexpr int64_t kWarmUpSeconds = 3;  // operations and faults begin then

std::string number(uint64_t n) { return std::to_string(n); }

WorldOptions draw_world(const Scenario& scenario, uint64_t seed, Prng& dice) {
  WorldOptions out;
  out.seed = dice.next();
  (void)seed;
  out.regions = static_cast<uint32_t>(scenario.regions.draw(dice));
  out.nodes = static_cast<uint32_t>(scenario.nodes.draw(dice));
  std::vector<Quorum> fitting;
  for (const Quorum& quorum : scenario.quorums)
    if (quorum.n <= out.nodes) fitting.push_back(quorum);
  if (fitting.empty()) fitting.push_back({1, 1, 1});
  const Quorum quorum = fitting[dice.below(fitting.size())];
  out.n = quorum.n;
  out.r = quorum.r;
  out.w = quorum.w;
  out.zones = 1 + static_cast<uint32_t>(dice.below(out.nodes));
  out.partitions = static_cast<uint32_t>(scenario.partitions.draw(dice));
  out.strict_disks = dice.chance(1, 4);
  // Small ones make checkpoints and cut outboxes common.
  out.disk.memtable_bytes = (dice.chance(1, 2) ? scenario.memtable_kib.least : scenario.memtable_kib.most)
                            << 10;
  out.disk.log_bytes_max = (dice.chance(1, 3) ? scenario.log_kib.least : scenario.log_kib.most) << 10;
  out.disk.log_segment_bytes = dice.chance(1, 2) ? 64u << 10 : 1u << 20;
  out.network.local_delay = Duration::micros(50 + static_cast<int64_t>(dice.below(400)));
  if (dice.chance(1, 2))
    out.network.jitter_max =
        Duration::micros(1 + static_cast<int64_t>(dice.below(dice.chance(1, 3) ? 50'000 : 2'000)));
  out.network.datagrams = dice.chance(1, 3);
  out.sync_time = Duration::micros(50 + static_cast<int64_t>(dice.below(dice.chance(1, 5) ? 20'000 : 500)));
  if (out.seed % 2 == 0) out.clears = {2, 2};  // what others clear at once goes in steps
  return out;
}

// Draws operations of one load.
class LoadMaker {
 public:
  LoadMaker(const Load& load, uint32_t index, Prng& dice, uint32_t regions)
      : load_(load), prefix_(prefix(load.kind) + (index > 0 ? number(index) + "." : "")), regions_(regions) {
    keys_ = static_cast<uint32_t>(load.keys.draw(dice));
    hot_ = dice.chance(1, 3);
    adds_.assign(keys_ * regions, 0);
    generation_.assign(keys_, 0);
    last_.assign(keys_, 0);
  }

  void draw(PlannedOperation& op, Prng& dice) {
    const auto key = static_cast<uint32_t>(hot_ && dice.chance(2, 3) ? 0 : dice.below(keys_));
    op.key = prefix_ + number(key);
    const bool reads = dice.chance(load_.reads_percent, 100);
    const bool deletes = !reads && dice.chance(load_.deletes_percent, 100);
    switch (load_.kind) {
      case LoadKind::register_:
        if (reads) return read(op, region::Op::get);
        if (deletes) return read(op, region::Op::del);
        return set(op, dice);
      case LoadKind::counter:
        return reads ? read_counter(op, key) : add_digit(op, key);
      case LoadKind::set:
        return unique_element(op, key, reads, deletes, dice);
      case LoadKind::churn:
        return churn(op, reads, deletes, dice);
      case LoadKind::mixed:
        return mixed(op, reads, deletes, dice);
      case LoadKind::collection:
        return collection(op, reads, deletes, dice);
      case LoadKind::map:
        return field(op, key, reads, deletes, dice);
      case LoadKind::conditional:
        return conditional(op, reads, deletes, dice);
      case LoadKind::count_:
        return;
    }
  }

 private:
  static std::string prefix(LoadKind kind) {
    static constexpr const char* kNames[] = {"r", "c", "s", "h", "m", "l", "p", "n"};
    return kNames[static_cast<size_t>(kind)];
  }
  static void read(PlannedOperation& op, region::Op kind) { op.op = kind; }
  void set(PlannedOperation& op, Prng& dice) {
    op.op = region::Op::set;
    op.value = "v" + number(op.id);
    const uint64_t bytes = load_.value_bytes.draw(dice);
    if (op.value.size() < bytes) op.value += "." + Bytes(bytes - op.value.size(), 'x');
  }
  void conditional(PlannedOperation& op, bool reads, bool deletes, Prng& dice) {
    if (reads) return read(op, region::Op::get);
    if (deletes) return read(op, region::Op::del);
    set(op, dice);
    if (dice.chance(3, 4))
      op.condition = dice.chance(2, 3) ? region::Condition::absent : region::Condition::present;
  }
  void read_counter(PlannedOperation& op, uint32_t key) {
    op.op = region::Op::get;
    op.key += "g" + number(generation_[key]);
  }
  // One in this region's digit of the sum, so that a sum tells how many adds of each region it contains.
  void add_digit(PlannedOperation& op, uint32_t key) {
    uint32_t& adds = adds_[key * regions_ + op.region];
    if (++adds > kDigitAddsMax) {
      ++generation_[key];
      std::fill_n(adds_.begin() + key * regions_, regions_, 0);
      adds = 1;
    }
    op.op = region::Op::add;
    op.key += "g" + number(generation_[key]);
    op.amount = digit(op.region);
  }
  void unique_element(PlannedOperation& op, uint32_t key, bool reads, bool deletes, Prng& dice) {
    const uint64_t recent = last_[key] - dice.below(std::min<uint64_t>(last_[key], 20) + 1);
    if (reads && dice.chance(1, 2)) return read(op, region::Op::smembers);
    if (reads || deletes) {
      op.op = reads ? region::Op::sismember : region::Op::srem;
      op.elements = {"e" + number(recent)};
      return;
    }
    op.op = region::Op::sadd;
    op.elements = {"e" + number(++last_[key])};
  }
  void churn(PlannedOperation& op, bool reads, bool deletes, Prng& dice) {
    op.elements = {"x" + number(dice.below(4))};
    if (reads) return read(op, region::Op::sismember);
    if (deletes && dice.chance(1, 2)) {
      op.elements.clear();
      return read(op, region::Op::del);
    }
    op.op = dice.chance(1, 2) ? region::Op::sadd : region::Op::srem;
  }
  void mixed(PlannedOperation& op, bool reads, bool deletes, Prng& dice) {
    if (reads) return read(op, dice.chance(3, 4) ? region::Op::get : region::Op::scard);
    if (deletes) return read(op, region::Op::del);
    switch (dice.below(6)) {
      case 0:
        op.op = region::Op::set;
        op.value = "v" + number(op.id);
        return;
      case 1:
        op.op = region::Op::set;
        op.value = number(1'000'000 + op.id);
        return;
      case 2:
        op.op = region::Op::sadd;
        op.elements = {"e" + number(op.id), "f" + number(op.id)};
        return;
      case 3:
        op.op = region::Op::srem;
        op.elements = {"e" + number(dice.below(op.id + 1))};
        return;
      default:
        op.op = region::Op::add;
        op.amount = static_cast<int64_t>(dice.below(2001)) - 1000;
    }
  }
  // One field each: of a map, some are set and deleted, others are added to.
  void field(PlannedOperation& op, uint32_t key, bool reads, bool deletes, Prng& dice) {
    const auto number = static_cast<uint32_t>(dice.below(kMapFields));
    if (number < kMapFields / 2) {
      op.key = field_key(op.key, number);
      if (reads) return read(op, region::Op::get);
      if (deletes) return read(op, region::Op::del);
      return set(op, dice);
    }
    if (reads)
      read_counter(op, key);
    else
      add_digit(op, key);
    op.key = field_key(op.key, number);
  }
  void collection(PlannedOperation& op, bool reads, bool deletes, Prng& dice) {
    if (reads) return read(op, dice.chance(1, 2) ? region::Op::scard : region::Op::smembers);
    if (deletes && dice.chance(1, 8)) return read(op, region::Op::del);
    op.op = deletes ? region::Op::srem : region::Op::sadd;
    const uint64_t from = dice.below(4000), count = 1 + dice.below(60);
    for (uint64_t i = from; i < from + count; ++i)
      op.elements.push_back("element-" + number(i) + Bytes(40, '.'));
  }

  Load load_;
  std::string prefix_;
  uint32_t regions_, keys_ = 1;
  bool hot_ = false;
  std::vector<uint32_t> adds_, generation_;
  std::vector<uint64_t> last_;
};

std::vector<Load> draw_loads(const Scenario& scenario, Prng& dice) {
  if (!scenario.loads.empty()) return scenario.loads;
  std::vector<Load> out;
  static constexpr uint32_t kWeights[kLoadKinds] = {5, 4, 3, 3, 3, 1, 4, 4};
  const auto draw = [&out](LoadKind kind, Prng& from) {
    Load load;
    load.kind = kind;
    load.weight = kWeights[static_cast<size_t>(kind)];
    load.reads_percent = 20 + static_cast<uint32_t>(from.below(40));
    load.deletes_percent = static_cast<uint32_t>(from.below(25));
    if (from.chance(1, 5)) load.value_bytes = {1, from.chance(1, 2) ? 3000u : 40'000u};
    if (from.chance(1, 4)) load.keys = {10, 60};
    out.push_back(load);
  };
  Prng apart = dice;  // seeds from before there were maps go on meaning what they meant
  while (out.empty())
    for (size_t kind = 0; kind < static_cast<size_t>(LoadKind::map); ++kind)
      if (dice.chance(3, 5)) draw(static_cast<LoadKind>(kind), dice);
  apart = Prng(apart.next() ^ 0x6d617073);
  if (apart.chance(2, 5)) draw(LoadKind::map, apart);
  apart = Prng(apart.next() ^ 0x636f6e64);
  if (apart.chance(1, 4)) draw(LoadKind::conditional, apart);
  return out;
}

void draw_operations(const Scenario& scenario, Plan& plan, Prng& dice) {
  const std::vector<Load> loads = draw_loads(scenario, dice);
  // Large values go to disks that keep up with them: G2 speaks of no other. A scenario knows what it asks
  // for.
  if (scenario.loads.empty() &&
      std::any_of(loads.begin(), loads.end(), [](const Load& l) { return l.value_bytes.most > 1'000; })) {
    plan.world.sync_time = std::min(plan.world.sync_time, Duration::millis(2));
    plan.world.disk.log_bytes_max = std::max<uint64_t>(plan.world.disk.log_bytes_max, 1u << 20);
  }
  std::vector<LoadMaker> makers;
  uint32_t weights = 0;
  for (size_t i = 0; i < loads.size(); ++i) {
    const auto same = std::count_if(loads.begin(), loads.begin() + static_cast<ptrdiff_t>(i),
                                    [&](const Load& l) { return l.kind == loads[i].kind; });
    makers.emplace_back(loads[i], static_cast<uint32_t>(same), dice, plan.world.regions);
    weights += loads[i].weight;
  }
  std::vector<uint32_t> homes;
  std::vector<bool> moves;
  for (uint32_t region = 0; region < plan.world.regions; ++region)
    for (uint64_t n = scenario.clients_per_region.draw(dice); n > 0; --n) {
      homes.push_back(region);
      moves.push_back(dice.chance(scenario.moving_percent, 100));
    }
  plan.clients = static_cast<uint32_t>(homes.size());
  // Of numbers of their own: seeds from before there were tokens go on meaning what they meant.
  std::vector<bool> sessions;
  for (size_t client = 0; client < homes.size(); ++client)
    sessions.push_back(Prng(plan.seed * 977 + client).chance(scenario.sessions_percent, 100));
  const uint64_t rate = std::max<uint64_t>(1, scenario.operations_per_second.draw(dice));
  const int64_t gap_ns = 2'000'000'000 / static_cast<int64_t>(rate);
  Instant at{kWarmUpSeconds * 1'000'000'000};
  for (uint32_t id = 0;; ++id) {
    at = at + Duration{static_cast<int64_t>(dice.below(static_cast<uint64_t>(gap_ns)))};
    if (at >= plan.ends) return;
    PlannedOperation op;
    op.id = id;
    op.at = at;
    op.client = static_cast<uint32_t>(dice.below(homes.size()));
    op.region = moves[op.client] ? static_cast<uint32_t>(dice.below(plan.world.regions)) : homes[op.client];
    op.dice = dice.next();
    op.session = sessions[op.client];
    const uint64_t choice = op.dice >> 32 & 7;
    op.on_behind = choice == 0   ? region::OnBehind::stale
                   : choice == 1 ? region::OnBehind::refuse
                                 : region::OnBehind::wait;
    uint64_t x = dice.below(weights);
    size_t load = 0;
    for (; x >= loads[load].weight; ++load) x -= loads[load].weight;
    makers[load].draw(op, dice);
    const bool reads =
        op.op == region::Op::get || op.op == region::Op::sismember || op.op == region::Op::smembers;
    op.local = reads && dice.chance(scenario.local_reads_percent, 100);
    plan.operations.push_back(std::move(op));
  }
}

int64_t between(Prng& dice, int64_t least, int64_t most) {
  return least + static_cast<int64_t>(dice.below(static_cast<uint64_t>(most - least + 1)));
}

// How long a fault lasts: mostly short, sometimes as long as operators take.
Duration draw_length(FaultKind kind, Prng& dice) {
  const bool long_one = dice.chance(1, 8);
  switch (kind) {
    case FaultKind::kill:
    case FaultKind::power_loss:
    case FaultKind::drain:
    case FaultKind::older_disk:
    case FaultKind::lost_disk:
    case FaultKind::flipped_record:
    case FaultKind::kill_region:
    case FaultKind::return_region:
    case FaultKind::lost_disks:
    case FaultKind::cloned_disk:
      return Duration::millis(long_one ? between(dice, 5'000, 40'000) : between(dice, 10, 4'000));
    case FaultKind::pause:
      return Duration::millis(long_one ? between(dice, 5'000, 120'000) : between(dice, 50, 5'000));
    default:
      return Duration::millis(long_one ? between(dice, 10'000, 60'000) : between(dice, 100, 8'000));
  }
}

std::vector<FaultKind> draw_kinds(const Scenario& scenario, const WorldOptions& world, Prng& dice) {
  std::vector<FaultKind> out;
  if (scenario.no_faults) return out;
  const bool calm = dice.chance(1, 12);  // some runs have no fault: what fails there fails always
  Prng apart = dice;                     // seeds from before a kind was added go on meaning what they meant
  apart = Prng(apart.next() ^ 0x72657475726e);
  for (size_t k = 0; k < kFaultKinds; ++k) {
    const auto kind = static_cast<FaultKind>(k);
    const bool drawn = (kind < FaultKind::return_region ? dice : apart).chance(1, 3);
    const bool regional = kind == FaultKind::cut_regions || kind == FaultKind::isolate_region ||
                          kind == FaultKind::lose_region || kind == FaultKind::return_region;
    if (regional && world.regions < 2) continue;
    if (std::find(scenario.without.begin(), scenario.without.end(), name_of(kind)) != scenario.without.end())
      continue;
    if (!scenario.faults.empty()) {
      if (std::find(scenario.faults.begin(), scenario.faults.end(), name_of(kind)) != scenario.faults.end())
        out.push_back(kind);
      continue;
    }
    if (drawn && !calm) out.push_back(kind);
  }
  return out;
}

void draw_faults(const Scenario& scenario, Plan& plan, Prng& dice) {
  const std::vector<FaultKind> kinds = draw_kinds(scenario, plan.world, dice);
  const auto every_ms = static_cast<int64_t>(scenario.fault_every_ms.draw(dice));
  const uint32_t machines = plan.world.regions * plan.world.nodes;
  if (kinds.empty()) return;
  Instant at{kWarmUpSeconds * 1'000'000'000};
  for (uint32_t id = 0;; ++id) {
    at = at + Duration::millis(between(dice, 1, 2 * every_ms));
    if (at >= plan.ends) return;
    PlannedFault fault;
    fault.id = id;
    fault.at = at;
    fault.kind = kinds[dice.below(kinds.size())];
    fault.lasts = draw_length(fault.kind, dice);
    const bool regional = fault.kind == FaultKind::cut_regions || fault.kind == FaultKind::isolate_region ||
                          fault.kind == FaultKind::kill_region || fault.kind == FaultKind::lose_region ||
                          fault.kind == FaultKind::return_region || fault.kind == FaultKind::lost_disks;
    const uint32_t places = regional ? plan.world.regions : machines;
    fault.a = static_cast<uint32_t>(dice.below(places));
    fault.b = static_cast<uint32_t>(dice.below(places));
    fault.amount = dice.next();
    plan.world.clones = plan.world.clones || fault.kind == FaultKind::cloned_disk;
    plan.faults.push_back(fault);
  }
}

}  // namespace

std::string name_of(FaultKind kind) {
  static constexpr const char* kNames[kFaultKinds] = {
      "kill",        "power loss",  "drain",         "pause",          "cut pair",
      "cut one way", "isolate",     "cut regions",   "isolate region", "loss",
      "clog",        "wall clock",  "drift",         "slow disk",      "full disk",
      "failed sync", "older disk",  "lost disk",     "flipped row",    "flipped record",
      "kill region", "lose region", "return region", "lost disks",     "cloned disk"};
  return kNames[static_cast<size_t>(kind)];
}

Plan make_plan(const Scenario& scenario, uint64_t seed) {
  Prng dice(seed * 0x9e3779b97f4a7c15ULL + 77);
  Plan plan;
  plan.seed = seed;
  plan.world = draw_world(scenario, seed, dice);
  plan.ends = Instant{(kWarmUpSeconds + static_cast<int64_t>(scenario.seconds.draw(dice))) * 1'000'000'000};
  Prng operations(dice.next()), faults(dice.next());
  draw_operations(scenario, plan, operations);
  draw_faults(scenario, plan, faults);
  return plan;
}

std::string describe(const Plan& plan) {
  const WorldOptions& w = plan.world;
  return number(w.regions) + " regions of " + number(w.nodes) + " nodes, N=" + number(w.n) +
         " R=" + number(w.r) + " W=" + number(w.w) + ", " + number(w.partitions) + " partitions, " +
         number(plan.clients) + " clients, " + number(plan.operations.size()) + " operations, " +
         number(plan.faults.size()) + " faults in " +
         number(static_cast<uint64_t>(plan.ends.ns / 1'000'000'000)) + " s" +
         (w.strict_disks ? ", strict disks" : "") + (w.clears.at_once_max < 10 ? ", clears in steps" : "") +
         (w.network.datagrams ? ", datagrams" : "") + ", memtable " + number(w.disk.memtable_bytes >> 10) +
         " KiB, log " + number(w.disk.log_bytes_max >> 10) + " KiB";
}

std::string describe(const PlannedFault& fault) {
  return name_of(fault.kind) + " " + number(fault.a) + " " + number(fault.b) + " for " +
         number(static_cast<uint64_t>(fault.lasts.as_millis())) + " ms";
}

}  // namespace atolldb::sim
