#pragma once
// Commits a plan's faults and takes them back. A fault that the guarantees do not cover at that moment is
// left out; docs/testing.md has the table of what is left out and why.

#include <array>
#include <functional>
#include <map>
#include <vector>

#include "tests/sim/checkers/checker.h"
#include "tests/sim/plan.h"
#include "tests/sim/world.h"

namespace atolldb::sim {

struct FaultCounts {
  std::array<uint64_t, kFaultKinds> done{}, left_out{};
  uint64_t crashes = 0;  // processes that ended without being asked
  void add(const FaultCounts& other);
};

class Faults {
 public:
  // Both outlive it.
  Faults(World& world, const Plan& plan);

  // Ends every fault that lasts and starts every process again that can be.
  void heal();
  const FaultCounts& counts() const { return counts_; }
  // Regions that are gone for good.
  bool lost(uint32_t region) const { return lost_[region]; }
  // Times in which no fault touched a region's inside, up to now.
  std::vector<Calm> calm_times(Instant now) const;
  // A moment at which a whole region was lost, and what the others had of it then.
  struct Loss {
    uint32_t region = 0;
    Instant at;
    std::vector<crdt::DotSet> kept;  // by partition: dots that another region had
  };
  const std::vector<Loss>& losses() const { return losses_; }
  // A process was started on a disk that is not its latest.
  bool memory_was_lost() const { return memory_lost_; }
  // Of two processes of one node, one did not stop, or the wrong one did.
  const std::optional<std::string>& two_act() const { return two_act_; }
  std::function<void(const PlannedFault&)> on_fault;

 private:
  void due(size_t index);
  bool commit(const PlannedFault& fault);
  void lasting(const PlannedFault& fault, std::function<void()>&& undo);
  bool crash(const PlannedFault& fault);
  bool cut_machines(const PlannedFault& fault);
  bool cut_places(const PlannedFault& fault);
  bool trouble(const PlannedFault& fault);
  bool lose_memory(const PlannedFault& fault);
  bool kill_region(const PlannedFault& fault);
  bool lose_region(const PlannedFault& fault);
  bool return_region(const PlannedFault& fault);
  bool another_region() const;
  bool nothing_of_its_own(uint32_t region) const;
  bool lose_disks(const PlannedFault& fault);
  bool others_have_it(uint32_t region, const std::vector<uint32_t>& gone) const;
  void lose_until_all_is_well(const PlannedFault& fault, const std::vector<uint32_t>& machines);
  bool all_within_reach();
  bool clone_disk(const PlannedFault& fault);
  void watch_clone(uint64_t hears, Instant resumes);
  void end_clone();
  std::optional<std::string> wrong_with_clone();
  void begin_again(uint32_t region);
  bool somebody_returns();
  void fail_disk(uint32_t machine, Prng& dice);
  void mend_disk(uint32_t machine);
  bool damage_row(uint32_t machine, Prng& dice);
  bool damage_log(uint32_t machine, Prng& dice);
  bool may_lose_memory(uint32_t machine);
  bool region_is_settling(uint32_t region);
  void disturb(uint32_t region, bool begins);
  void start_later(const PlannedFault& fault, uint32_t machine);
  void snapshot();

  World& world_;
  const Plan& plan_;
  size_t next_ = 0;
  std::map<uint64_t, std::function<void()>> undo_;
  uint64_t next_undo_ = 0;
  FaultCounts counts_;
  std::vector<bool> lost_;
  // A region of which machines are away without their disks, or regain them.
  std::optional<uint32_t> returning_;
  // A machine beside which a clone of it runs. `taken_over`: the original was paused, and stops when it goes
  // on.
  struct Clone {
    uint32_t machine = 0;
    bool takes_over = false, resumed = false;
    bool voted = false;  // the clone
    Instant until;
  };
  std::optional<Clone> clone_;
  std::optional<std::string> two_act_;
  std::vector<uint32_t> disturbances_;
  std::vector<Instant> calm_since_;
  std::vector<Calm> calm_;
  std::vector<Loss> losses_;
  std::map<uint32_t, World::Image> images_;  // older copies of disks
  std::vector<bool> memoryless_;             // machines that have not been seen to vote since their disk went
  // Machines with a damaged row that nobody has met yet, and how often they had begun again then.
  std::map<uint32_t, uint64_t> latent_;
  bool memory_lost_ = false;
  bool healing_ = false;
};

}  // namespace atolldb::sim
