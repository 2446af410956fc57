#pragma once
// What every checker is given and what it says. A checker judges one promise by a run's history and facts; it
// says how much it had to judge, and a run whose checkers had nothing to judge has proved nothing.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/facts.h"
#include "tests/sim/history.h"
#include "tests/sim/judge.h"

namespace atolldb::sim {

struct Violation {
  std::string property;  // "G4"
  std::string what;
  std::vector<Bytes> keys;
};

struct Verdict {
  std::string property;
  uint64_t judged = 0;
  std::optional<Violation> violation;

  void fail(std::string what, std::vector<Bytes> keys = {}) {
    if (!violation) violation = Violation{property, std::move(what), std::move(keys)};
  }
};

// All that one converged replica holds of a key.
struct HeldKey {
  struct Held {
    Dot dot;
    Bytes value;
  };
  std::optional<Bytes> value;
  std::vector<Held> siblings, journal;
  std::map<Bytes, std::vector<Dot>> elements;
  uint64_t element_count = 0;
};

// A time in which nothing disturbed the inside of a region.
struct Calm {
  uint32_t region = 0;
  Instant from, to;
};

struct Evidence {
  const History& history;
  const Facts& facts;
  uint32_t regions = 1, n = 1, w = 1;
  std::function<PartitionId(const Bytes&)> partition_of;
  // At the end: what every replica has, and what it holds of each key of the history.
  std::vector<crdt::DotSet> had;  // by partition
  std::map<Bytes, HeldKey> held;
  bool converged = true;
  std::string not_converged;           // what differs
  std::vector<std::string> unequal;    // replicas with equal clocks and other rows, at any time
  uint64_t equal_pairs = 0;            // of replicas with equal clocks that were compared
  std::vector<uint32_t> lost_regions;  // for good
  std::vector<Calm> calm;
  // Most machines' clocks are no further ahead of true time, and all can hear each other; nothing: who knows.
  std::optional<Duration> clocks_ahead_max;

  bool is_lost(uint32_t region) const {
    for (const uint32_t lost : lost_regions)
      if (lost == region) return true;
    return false;
  }
  // Acknowledged, and gone with its region: the exposure that the guarantees speak of.
  bool exposed(const Update& update) const {
    return is_lost(update.region) && !had[raw(update.partition)].contains(update.dot);
  }
};

using Check = Verdict (*)(const Evidence&);

Verdict check_durable(const Evidence& evidence);          // G1
Verdict check_available(const Evidence& evidence);        // G2
Verdict check_convergent(const Evidence& evidence);       // G3
Verdict check_nothing_lost(const Evidence& evidence);     // G4
Verdict check_exactly_once(const Evidence& evidence);     // G4, increments
Verdict check_causality(const Evidence& evidence);        // G5
Verdict check_no_resurrection(const Evidence& evidence);  // G6
Verdict check_linearizable(const Evidence& evidence);     // G7
Verdict check_counters(const Evidence& evidence);         // G7, counters
Verdict check_sessions(const Evidence& evidence);         // G8
Verdict check_unique_dots(const Evidence& evidence);      // G12
Verdict check_rejected(const Evidence& evidence);         // a rejected write never happens
Verdict check_stamps(const Evidence& evidence);           // one clock that is ahead pins nothing

const std::vector<Check>& all_checks();

}  // namespace atolldb::sim
