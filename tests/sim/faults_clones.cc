// Two processes of one node: a clone beside its original.

#include <algorithm>

#include "tests/sim/faults.h"

namespace atolldb::sim {

// A copy of a running node's disk is started while everybody else of the cluster can be asked, and nothing
// else happens meanwhile. Either the original runs on: then the clone has to stop. Or it is paused until the
// clone votes in its place: then the original has to stop when it goes on. Until it has heard that it must,
// it may answer its clients what was true before: no promise covers that, and its answers get lost here.
bool Faults::clone_disk(const PlannedFault& fault) {
  const uint32_t machine = fault.a, region = world_.region_of(machine);
  const uint32_t n = std::min(world_.options().n, world_.options().nodes);
  if (n < 2 || lost_[region] || !all_within_reach() || region_is_settling(region)) return false;
  if (latent_.contains(machine) || !may_lose_memory(machine)) return false;
  Prng dice(fault.amount);
  clone_ = Clone{machine, dice.chance(1, 2), false, false, world_.now() + Duration::seconds(30)};
  disturb(region, true);
  if (clone_->takes_over) world_.pause(machine);
  uint64_t hears = dice.next();
  const uint32_t other =
      world_.machine(region, (machine + 1 + static_cast<uint32_t>(dice.below(world_.options().nodes - 1))) %
                                 world_.options().nodes);
  const uint64_t bit = uint64_t{1} << (other % 64);
  hears = clone_->takes_over ? hears & ~bit : hears | bit;  // the one that has to stop can be told
  world_.start_clone(machine, clone_->takes_over ? UINT64_MAX : hears);
  watch_clone(hears, world_.now() + std::min(fault.lasts, Duration::seconds(10)));
  ++counts_.crashes;
  return true;
}

void Faults::watch_clone(uint64_t hears, Instant resumes) {
  if (!clone_) return;  // everything heals
  const uint32_t machine = clone_->machine, clone = world_.clone_of(machine);
  if (world_.running(clone)) clone_->voted = clone_->voted || world_.has_vote(clone);
  if (clone_->takes_over && !clone_->resumed && clone_->voted && world_.now() >= resumes) {
    clone_->resumed = true;
    world_.mute(machine);
    world_.set_hears(machine, hears);
    world_.resume(machine);
  }
  const bool one_is_left = !world_.running(clone) || !world_.running(machine);
  if (one_is_left || world_.now() >= clone_->until) {
    if (!two_act_) two_act_ = wrong_with_clone();
    return end_clone();
  }
  world_.at(world_.now() + Duration::millis(100), [this, hears, resumes] { watch_clone(hears, resumes); });
}

std::optional<std::string> Faults::wrong_with_clone() {
  const uint32_t machine = clone_->machine, clone = world_.clone_of(machine);
  const std::string of = world_.name(machine);
  if (clone_->takes_over) {
    if (!clone_->voted) return "a clone of " + of + ", which is paused, does not get its vote";
    if (!world_.running(clone)) return "the clone that has taken over from " + of + " stopped";
    if (world_.running(machine)) return of + " goes on, though its clone has taken over";
    world_.probes().hit(Probe::passed_over_stopped);
    return std::nullopt;
  }
  if (!world_.running(machine)) return of + " stopped because of a clone that came later";
  if (clone_->voted) return "a clone of " + of + " votes beside it";
  if (world_.running(clone)) return "a clone of " + of + " does not stop though that runs";
  world_.probes().hit(Probe::newcomer_stopped);
  return std::nullopt;
}

void Faults::end_clone() {
  const uint32_t machine = clone_->machine, clone = world_.clone_of(machine);
  const bool stays = clone_->takes_over && clone_->voted;
  clone_.reset();
  if (world_.paused(machine) && !stays) world_.resume(machine);
  world_.kill(clone, false);
  if (stays) {
    world_.kill(machine, false);
    world_.adopt_clone(machine);
    images_.erase(machine);
  } else {
    world_.wipe(clone);
  }
  if (!world_.running(machine)) world_.start(machine);
  disturb(world_.region_of(machine), false);
}

}  // namespace atolldb::sim
