#include "tests/sim/faults.h"

#include <algorithm>

namespace atolldb::sim {

void FaultCounts::add(const FaultCounts& other) {
  for (size_t i = 0; i < kFaultKinds; ++i) {
    done[i] += other.done[i];
    left_out[i] += other.left_out[i];
  }
  crashes += other.crashes;
}

Faults::Faults(World& world, const Plan& plan)
    : world_(world),
      plan_(plan),
      lost_(world.options().regions),
      disturbances_(world.options().regions),
      calm_since_(world.options().regions),
      memoryless_(world.machines()) {
  if (!plan.faults.empty()) world_.at(plan.faults[0].at, [this] { due(0); });
  const bool copies = std::any_of(plan.faults.begin(), plan.faults.end(),
                                  [](const PlannedFault& f) { return f.kind == FaultKind::older_disk; });
  if (copies) snapshot();
}

// Older copies of disks are made now and then, of running machines too.
void Faults::snapshot() {
  if (healing_) return;
  Prng dice(static_cast<uint64_t>(world_.now().ns) ^ plan_.seed);
  const auto machine = static_cast<uint32_t>(dice.below(world_.machines()));
  if (!lost_[world_.region_of(machine)]) images_.insert_or_assign(machine, world_.image(machine));
  world_.at(world_.now() + Duration::millis(200 + static_cast<int64_t>(dice.below(2'000))),
            [this] { snapshot(); });
}

void Faults::due(size_t index) {
  if (healing_) return;
  if (++next_ < plan_.faults.size()) world_.at(plan_.faults[next_].at, [this, next = next_] { due(next); });
  const PlannedFault& fault = plan_.faults[index];
  const auto kind = static_cast<size_t>(fault.kind);
  if (!commit(fault)) {
    ++counts_.left_out[kind];
    return;
  }
  ++counts_.done[kind];
  if (on_fault) on_fault(fault);
}

bool Faults::commit(const PlannedFault& fault) {
  if (somebody_returns() || clone_) return false;
  switch (fault.kind) {
    case FaultKind::kill:
    case FaultKind::power_loss:
    case FaultKind::drain:
    case FaultKind::pause:
      return crash(fault);
    case FaultKind::cut_pair:
    case FaultKind::cut_one_way:
    case FaultKind::isolate:
      return cut_machines(fault);
    case FaultKind::cut_regions:
    case FaultKind::isolate_region:
      return cut_places(fault);
    case FaultKind::loss:
    case FaultKind::clog:
    case FaultKind::wall_clock:
    case FaultKind::drift:
    case FaultKind::slow_disk:
    case FaultKind::full_disk:
    case FaultKind::failed_sync:
      return trouble(fault);
    case FaultKind::older_disk:
    case FaultKind::lost_disk:
    case FaultKind::flipped_row:
    case FaultKind::flipped_record:
      return lose_memory(fault);
    case FaultKind::kill_region:
      return kill_region(fault);
    case FaultKind::lose_region:
      return lose_region(fault);
    case FaultKind::return_region:
      return return_region(fault);
    case FaultKind::lost_disks:
      return lose_disks(fault);
    case FaultKind::cloned_disk:
      return clone_disk(fault);
    case FaultKind::count_:
      break;
  }
  return false;
}

void Faults::disturb(uint32_t region, bool begins) {
  if (begins) {
    if (disturbances_[region]++ == 0) calm_.push_back({region, calm_since_[region], world_.now()});
  } else if (--disturbances_[region] == 0) {
    calm_since_[region] = world_.now();
  }
}

std::vector<Calm> Faults::calm_times(Instant now) const {
  std::vector<Calm> out = calm_;
  for (uint32_t region = 0; region < disturbances_.size(); ++region)
    if (disturbances_[region] == 0) out.push_back({region, calm_since_[region], now});
  return out;
}

void Faults::lasting(const PlannedFault& fault, std::function<void()>&& undo) {
  const uint64_t number = next_undo_++;
  undo_.emplace(number, std::move(undo));
  world_.at(world_.now() + fault.lasts, [this, number] {
    const auto at = undo_.find(number);
    if (at == undo_.end()) return;
    const auto call = std::move(at->second);
    undo_.erase(at);
    call();
  });
}

void Faults::start_later(const PlannedFault& fault, uint32_t machine) {
  const uint32_t region = world_.region_of(machine);
  disturb(region, true);
  lasting(fault, [this, machine, region] {
    disturb(region, false);
    if (world_.draining(machine)) world_.kill(machine, false);  // it took longer than people wait
    if (!world_.running(machine) && !lost_[region]) world_.start(machine);
  });
}

bool Faults::crash(const PlannedFault& fault) {
  const uint32_t machine = fault.a;
  if (!world_.serves(machine) || region_is_settling(world_.region_of(machine))) return false;
  if (fault.kind == FaultKind::pause) {
    const uint32_t region = world_.region_of(machine);
    disturb(region, true);
    world_.pause(machine);
    lasting(fault, [this, machine, region] {
      world_.resume(machine);
      disturb(region, false);
    });
    return true;
  }
  start_later(fault, machine);
  if (fault.kind == FaultKind::drain)
    world_.drain(machine);
  else
    world_.kill(machine, fault.kind == FaultKind::power_loss);
  ++counts_.crashes;
  return true;
}

bool Faults::cut_machines(const PlannedFault& fault) {
  const uint32_t a = fault.a, b = fault.b;
  const uint32_t region = world_.region_of(a), other_region = world_.region_of(b);
  if (region_is_settling(region) || region_is_settling(other_region)) return false;
  if (fault.kind == FaultKind::isolate) {
    disturb(region, true);
    for (uint32_t other = 0; other < world_.machines(); ++other)
      if (other != a) world_.cut(a, other);
    lasting(fault, [this, a, region] {
      for (uint32_t other = 0; other < world_.machines(); ++other)
        if (other != a) world_.join(a, other);
      disturb(region, false);
    });
    return true;
  }
  if (a == b) return false;
  const bool both = fault.kind == FaultKind::cut_pair;
  const bool inside = region == other_region;
  if (inside) disturb(region, true);
  world_.cut(a, b, both);
  lasting(fault, [this, a, b, both, inside, region] {
    world_.join(a, b, both);
    if (inside) disturb(region, false);
  });
  return true;
}

bool Faults::cut_places(const PlannedFault& fault) {
  const auto apart = [this, &fault](uint32_t x, uint32_t y) {
    const uint32_t rx = world_.region_of(x), ry = world_.region_of(y);
    if (rx == ry) return false;
    if (fault.kind == FaultKind::isolate_region) return rx == fault.a || ry == fault.a;
    return (rx == fault.a && ry == fault.b) || (rx == fault.b && ry == fault.a);
  };
  if (fault.kind == FaultKind::cut_regions && fault.a == fault.b) return false;
  std::vector<std::pair<uint32_t, uint32_t>> pairs;
  for (uint32_t x = 0; x < world_.machines(); ++x)
    for (uint32_t y = 0; y < x; ++y)
      if (apart(x, y)) pairs.emplace_back(x, y);
  for (const auto& [x, y] : pairs) world_.cut(x, y);
  lasting(fault, [this, pairs] {
    for (const auto& [x, y] : pairs) world_.join(x, y);
  });
  return true;
}

void Faults::fail_disk(uint32_t machine, Prng& dice) {
  storage::VirtualDisk& disk = world_.disk(machine);
  switch (dice.below(4)) {
    case 0:
      disk.failing_writes = 1;
      break;
    case 1:
      disk.failing_checkpoints = 1;
      break;
    default:
      disk.failing_syncs = 1 + static_cast<uint32_t>(dice.below(3));
  }
}

void Faults::mend_disk(uint32_t machine) {
  storage::VirtualDisk& disk = world_.disk(machine);
  disk.failing_writes = disk.failing_syncs = disk.failing_checkpoints = 0;
}

bool Faults::damage_row(uint32_t machine, Prng& dice) {
  const auto keys = world_.disk(machine).row_keys();
  return !keys.empty() && world_.disk(machine).damage_row(keys[dice.below(keys.size())]);
}

// A bit anywhere in the log's files.
bool Faults::damage_log(uint32_t machine, Prng& dice) {
  const auto files = world_.disk(machine).files();
  if (files.empty()) return false;
  const auto& [path, bytes] = files[dice.below(files.size())];
  return bytes > 0 && world_.disk(machine).flip_bit(path, dice.below(bytes * 8));
}

bool Faults::trouble(const PlannedFault& fault) {
  const uint32_t machine = fault.a, region = world_.region_of(machine);
  Prng dice(fault.amount);
  switch (fault.kind) {
    case FaultKind::loss: {
      for (uint32_t r = 0; r < world_.options().regions; ++r) disturb(r, true);
      world_.network().rates = {static_cast<uint32_t>(dice.below(100)), static_cast<uint32_t>(dice.below(80)),
                                static_cast<uint32_t>(dice.below(150))};
      lasting(fault, [this] {
        world_.network().rates = {};
        for (uint32_t r = 0; r < world_.options().regions; ++r) disturb(r, false);
      });
      return true;
    }
    case FaultKind::clog:
      disturb(region, true);
      world_.network().clog(machine, Duration::micros(static_cast<int64_t>(dice.below(400'000))));
      lasting(fault, [this, machine, region] {
        world_.network().clog(machine, {});
        disturb(region, false);
      });
      return true;
    case FaultKind::wall_clock:
      world_.clock(machine).set_wall_offset(static_cast<int64_t>(dice.below(16 * 3'600'000)) - 8 * 3'600'000);
      return true;
    case FaultKind::drift:
      world_.clock(machine).set_drift(world_.now(), static_cast<int64_t>(dice.below(2'001)) - 1'000);
      return true;
    case FaultKind::slow_disk:
      disturb(region, true);
      world_.set_sync_time(machine, Duration::millis(1 + static_cast<int64_t>(dice.below(1'500))));
      lasting(fault, [this, machine, region] {
        world_.set_sync_time(machine, world_.options().sync_time);
        disturb(region, false);
      });
      return true;
    case FaultKind::full_disk:
      disturb(region, true);
      // Some room is left, so that it ends in the middle of something.
      world_.disk(machine).capacity_bytes =
          world_.disk(machine).used_bytes() + dice.below(dice.chance(1, 2) ? 300'000 : 100);
      lasting(fault, [this, machine, region] {
        world_.disk(machine).capacity_bytes = UINT64_MAX;
        disturb(region, false);
        // What was to start on the full disk could not.
        if (!world_.running(machine) && !lost_[region] && world_.fatal(machine)) world_.start(machine);
      });
      return true;
    case FaultKind::failed_sync:
      if (!world_.serves(machine) || region_is_settling(region)) return false;
      fail_disk(machine, dice);
      disturb(region, true);
      lasting(fault, [this, machine, region] {  // the node has stopped by itself, if it had anything to sync
        mend_disk(machine);
        disturb(region, false);
        if (!world_.running(machine) && !lost_[region]) world_.start(machine);
      });
      ++counts_.crashes;
      return true;
    default:
      return false;
  }
}

// -- what takes a disk's memory

// A replica that lost its memory has to be noticed by the others, and has to find enough of them that vote:
// docs/coordinator.md, rules 15 and 16. So one more may go where in every partition of its W-1 stay whole and
// as many vote as a complete exchange needs; and only while all others can be asked, unless the topology
// makes it wait for them (strict_disks).
bool Faults::may_lose_memory(uint32_t machine) {
  const WorldOptions& options = world_.options();
  const uint32_t region = world_.region_of(machine);
  for (uint32_t i = 0; i < world_.machines(); ++i)
    if (memoryless_[i] && world_.region_of(i) == region && world_.has_vote(i)) memoryless_[i] = false;
  std::erase_if(latent_, [this](const auto& item) {
    return world_.facts().resets(item.first) > item.second && world_.has_vote(item.first);
  });
  const uint32_t n = std::min(options.n, options.nodes), w = std::min(options.w, n);
  for (uint32_t p = 0; p < options.partitions; ++p) {
    const auto& replicas = world_.ring(region).replicas(PartitionId{static_cast<uint16_t>(p)});
    const auto is = [&](const auto& test) {
      return std::count_if(replicas.begin(), replicas.end(),
                           [&](NodeNumber node) { return test(world_.machine(node)); });
    };
    if (is([&](uint32_t i) { return i == machine; }) == 0) continue;
    const auto gone = is([&](uint32_t i) { return i == machine || memoryless_[i] || latent_.contains(i); });
    const auto needed = std::min(n - 1, std::max(w, n - w + 1));
    if (gone > static_cast<int64_t>(w) - 1 || static_cast<int64_t>(n) - gone < static_cast<int64_t>(needed))
      return false;
  }
  if (options.strict_disks) return true;
  for (uint32_t j = 0; j < options.nodes; ++j) {
    const uint32_t other = world_.machine(region, j);
    if (other == machine) continue;
    if (!world_.has_vote(other) || world_.paused(other) || world_.network().blocked(machine, other) ||
        world_.network().blocked(other, machine))
      return false;
  }
  return true;
}

// A disk that is not the latest is noticed by its peers while the node joins; they are left in peace until
// then.
bool Faults::region_is_settling(uint32_t region) {
  if (world_.options().strict_disks) return false;
  for (uint32_t j = 0; j < world_.options().nodes; ++j) {
    const uint32_t machine = world_.machine(region, j);
    if (!memoryless_[machine]) continue;
    if (world_.has_vote(machine)) {
      memoryless_[machine] = false;
      continue;
    }
    return true;
  }
  return false;
}

bool Faults::lose_memory(const PlannedFault& fault) {
  const uint32_t machine = fault.a, region = world_.region_of(machine);
  if (!world_.serves(machine) || !world_.has_vote(machine) || !may_lose_memory(machine)) return false;
  Prng dice(fault.amount);
  if (fault.kind == FaultKind::flipped_row) {
    if (!damage_row(machine, dice)) return false;
    latent_[machine] = world_.facts().resets(machine);
    memory_lost_ = true;
    disturb(region, true);  // until the end: it may be met at any time
    return true;
  }
  if (fault.kind == FaultKind::older_disk && !images_.contains(machine)) return false;
  world_.kill(machine, true);
  ++counts_.crashes;
  if (fault.kind == FaultKind::older_disk)
    world_.restore(machine, images_.at(machine));
  else if (fault.kind == FaultKind::lost_disk)
    world_.wipe(machine);
  else if (!damage_log(machine, dice))
    return start_later(fault, machine), true;  // nothing that could be damaged: a power loss
  images_.erase(machine);
  memoryless_[machine] = memory_lost_ = true;
  disturb(region, true);
  world_.start(machine);
  lasting(fault, [this, region] { disturb(region, false); });
  return true;
}

bool Faults::kill_region(const PlannedFault& fault) {
  if (lost_[fault.a] || region_is_settling(fault.a)) return false;
  for (uint32_t j = 0; j < world_.options().nodes; ++j) {
    const uint32_t machine = world_.machine(fault.a, j);
    if (!world_.running(machine)) continue;
    start_later(fault, machine);
    world_.kill(machine, true);
    ++counts_.crashes;
  }
  return true;
}

// For good. A region whose updates have reached only some of the others leaves them apart (docs/hazards.md,
// 22); so it goes where the others have the same of it.
bool Faults::lose_region(const PlannedFault& fault) {
  const uint32_t regions = world_.options().regions;
  if (lost_[fault.a] || std::count(lost_.begin(), lost_.end(), true) + 2 > static_cast<int64_t>(regions))
    return false;
  Loss loss{fault.a, world_.now(), {}};
  const Facts& facts = world_.facts();
  for (uint32_t p = 0; p < world_.options().partitions; ++p) {
    const PartitionId partition{static_cast<uint16_t>(p)};
    crdt::DotSet all;
    std::vector<crdt::DotSet> by_region;
    for (uint32_t r = 0; r < regions; ++r) {
      if (r == fault.a || lost_[r]) continue;
      crdt::DotSet had;
      for (uint32_t j = 0; j < world_.options().nodes; ++j)
        had.join(facts.had(world_.machine(r, j), partition));
      all.join(had);
      by_region.push_back(std::move(had));
    }
    for (const Update& update : facts.updates()) {
      if (update.partition != partition || update.region != fault.a) continue;
      for (const crdt::DotSet& had : by_region)
        if (had.contains(update.dot) != all.contains(update.dot)) return false;
    }
    loss.kept.push_back(std::move(all));
  }
  lost_[fault.a] = true;
  disturb(fault.a, true);
  losses_.push_back(std::move(loss));
  for (uint32_t j = 0; j < world_.options().nodes; ++j) {
    const uint32_t machine = world_.machine(fault.a, j);
    world_.kill(machine, true);
    world_.wipe(machine);
    ++counts_.crashes;
  }
  return true;
}

// Not all but one are lost.
bool Faults::another_region() const {
  return std::count(lost_.begin(), lost_.end(), true) + 2 <= static_cast<int64_t>(lost_.size());
}

// Whatever a machine of the region has, every machine of the other regions has, too.
bool Faults::nothing_of_its_own(uint32_t region) const {
  for (uint32_t p = 0; p < world_.options().partitions; ++p) {
    const PartitionId partition{static_cast<uint16_t>(p)};
    crdt::DotSet had;
    for (const NodeNumber node : world_.ring(region).replicas(partition))
      had.join(world_.facts().had(world_.machine(node), partition));
    for (uint32_t r = 0; r < world_.options().regions; ++r) {
      if (r == region || lost_[r]) continue;
      for (const NodeNumber node : world_.ring(r).replicas(partition))
        if (!world_.facts().synced(world_.machine(node), partition).covers(had)) return false;
    }
  }
  return true;
}

// All disks of a region at once (docs/decisions/0009). What only it had would be gone, and nobody could tell
// an empty disk from a new one where no other region can be reached: so it happens where nothing is its own,
// and its machines come back when all others can be asked, and are left in peace until then.
bool Faults::return_region(const PlannedFault& fault) {
  const uint32_t region = fault.a;
  if (lost_[region] || !another_region() || !all_within_reach() || !nothing_of_its_own(region)) return false;
  std::vector<uint32_t> machines;
  for (uint32_t j = 0; j < world_.options().nodes; ++j) machines.push_back(world_.machine(region, j));
  lose_until_all_is_well(fault, machines);
  return true;
}

// W disks of a partition's replicas, while others stay that have all that was on them. Too few are left with
// a vote for anybody to regain one in the ordinary way (docs/decisions/0009).
bool Faults::lose_disks(const PlannedFault& fault) {
  const WorldOptions& options = world_.options();
  const uint32_t region = fault.a, n = std::min(options.n, options.nodes), w = std::min(options.w, n);
  if (w == n || lost_[region] || !all_within_reach()) return false;
  if (options.regions > 1 && !another_region()) return false;  // they are asked, too
  Prng dice(fault.amount);
  const PartitionId partition{static_cast<uint16_t>(dice.below(options.partitions))};
  const auto& replicas = world_.ring(region).replicas(partition);
  const auto first = static_cast<uint32_t>(dice.below(n));
  std::vector<uint32_t> gone;
  for (uint32_t k = 0; k < w; ++k) gone.push_back(world_.machine(replicas[(first + k) % n]));
  if (!others_have_it(region, gone)) return false;
  lose_until_all_is_well(fault, gone);
  return true;
}

// The region's other machines, and none of those has a damaged row that nobody has met.
bool Faults::others_have_it(uint32_t region, const std::vector<uint32_t>& gone) const {
  const auto stays = [&](uint32_t machine) {
    return std::find(gone.begin(), gone.end(), machine) == gone.end();
  };
  for (const auto& [machine, resets] : latent_)
    if (world_.region_of(machine) == region && stays(machine)) return false;
  for (uint32_t p = 0; p < world_.options().partitions; ++p) {
    const PartitionId partition{static_cast<uint16_t>(p)};
    crdt::DotSet had, kept;
    for (const NodeNumber node : world_.ring(region).replicas(partition)) {
      const uint32_t machine = world_.machine(node);
      if (stays(machine))
        kept.join(world_.facts().synced(machine, partition));
      else
        had.join(world_.facts().had(machine, partition));
    }
    if (!kept.covers(had)) return false;
  }
  return true;
}

// Machines of one region. Nothing else happens to anybody until they have their votes again.
void Faults::lose_until_all_is_well(const PlannedFault& fault, const std::vector<uint32_t>& machines) {
  const uint32_t region = fault.a;
  returning_ = region;
  memory_lost_ = true;
  disturb(region, true);
  for (const uint32_t machine : machines) {
    world_.kill(machine, true);
    world_.wipe(machine);
    images_.erase(machine);
    latent_.erase(machine);
    ++counts_.crashes;
  }
  lasting(fault, [this, region] { begin_again(region); });
}

// Every machine of every region that is not lost runs, votes and reaches all others; those that are to return
// may be away.
bool Faults::all_within_reach() {
  for (uint32_t a = 0; a < world_.machines(); ++a) {
    if (lost_[world_.region_of(a)]) continue;
    if (returning_ != world_.region_of(a) && (!world_.serves(a) || !world_.has_vote(a))) return false;
    for (uint32_t b = 0; b < world_.machines(); ++b)
      if (a != b && !lost_[world_.region_of(b)] && world_.network().blocked(a, b)) return false;
  }
  return true;
}

void Faults::begin_again(uint32_t region) {
  if (!healing_ && !all_within_reach()) {
    world_.at(world_.now() + Duration::millis(100), [this, region] { begin_again(region); });
    return;
  }
  for (uint32_t j = 0; j < world_.options().nodes; ++j)
    if (!world_.running(world_.machine(region, j))) world_.start(world_.machine(region, j));
  disturb(region, false);
}

bool Faults::somebody_returns() {
  if (!returning_) return false;
  for (uint32_t j = 0; j < world_.options().nodes; ++j)
    if (!world_.has_vote(world_.machine(*returning_, j))) return true;
  returning_.reset();
  return false;
}

void Faults::heal() {
  healing_ = true;
  if (clone_) end_clone();
  world_.network().rates = {};
  while (!undo_.empty()) {
    const auto call = std::move(undo_.begin()->second);
    undo_.erase(undo_.begin());
    call();
  }
  for (uint32_t i = 0; i < world_.machines(); ++i) {
    mend_disk(i);
    if (world_.draining(i)) world_.kill(i, false);
    if (!world_.running(i) && !lost_[world_.region_of(i)]) world_.start(i);
  }
}

}  // namespace atolldb::sim
