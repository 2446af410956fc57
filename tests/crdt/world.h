#pragma once
// Replicas of one partition, the oracle's view of each, and every delta ever sent, so that any may be lost,
// late, doubled or coalesced. Each step is checked against the oracle: the replica must show exactly the
// siblings, totals, value, elements and journal that follow from what has reached it, and where two replicas
// know the same their digests must be equal. (Class World of tests/model/data_model.py.)

#include <memory>
#include <string>
#include <vector>

#include "crdt/base/prng.h"
#include "crdt/replica.h"
#include "tests/crdt/map_rows.h"
#include "tests/crdt/oracle.h"

namespace atolldb::crdt {

struct Action {
  enum Kind { write, deliver, context, repair, exchange, pull, save, rollback, damage, sweep } kind{};
  size_t at = 0;               // the replica
  size_t from = 0;             // of repair and exchange: the sender
  Op op;                       // of write
  size_t named = 0;            // of a write of set_context: which context
  std::vector<size_t> deltas;  // of deliver: one, or several of one key
  std::string key;             // of context
  uint64_t pick = 0;           // of repair: which unit
  size_t bytes_max = 0;        // of pull
};

class World {
 public:
  // Clocks that are apart, or one and the same: then many stamps are equal.
  enum class Clocks : uint8_t { skewed, equal };
  // Collections of more rows than `cleared_at_once_max` are cleared in steps: then there are sweeps to step.
  World(size_t replicas, std::vector<std::string> keys, Clocks clocks = Clocks::skewed,
        size_t cleared_at_once_max = kClearedAtOnceMax);
  // A copy that goes its own way from here. Requires: no exchange runs.
  World(const World& other);

  // False: there was nothing to do. Throws std::runtime_error with what differs.
  bool step(const Action& action);
  // Everybody exchanges with everybody: all must be equal, with no context left over and, with `audit`, no
  // value lost silently. One round is enough where no exchange runs.
  void heal(bool audit, int rounds = 2);

  // A whole exchange at once, in chunks of about that size.
  void exchange_all(size_t at, size_t from, size_t bytes_max);
  // A name of this state: whatever may still happen to worlds of one name, happens to all of them alike.
  Digest fingerprint() const;

  size_t replicas() const { return sites_.size(); }
  const std::vector<std::string>& keys() const { return keys_; }
  size_t deltas() const { return deltas_.size(); }
  bool has(size_t at, size_t delta) const {
    return sites_[at]->replica.clock().covers(deltas_[delta].delta.dots);
  }
  const std::string& key_of(size_t delta) const { return deltas_[delta].delta.key; }
  size_t contexts() const { return contexts_.size(); }
  bool pulling(size_t at) const { return sites_[at]->replica.pulling(); }
  bool sweeping(size_t at) const { return sites_[at]->replica.sweeping(); }
  std::vector<std::pair<std::string, Dot>> records(size_t at) const;  // of the journal: key, loser
  const std::string& log() const { return log_; }

 private:
  struct Site {
    Site(uint16_t node, PartitionId partition, const Placement& placement, size_t cleared_at_once_max);
    MapRows rows;
    Actor actor;
    uint64_t counter = 0;
    uint64_t skew = 0;
    Replica replica;
    Facts facts;
    // As receiver of an exchange. What is known only because a range arrived with nothing in it is forgotten
    // when the exchange breaks off, and is no part of what a write of this replica has seen.
    Facts arrived;
    size_t sender = 0;
    uint64_t scan = 0;
    DotSet pull_clock;
  };
  struct Sent {
    Delta delta;
    Facts facts;
  };
  struct Context {
    NamedContext named;
    Dots shown;
  };
  struct Saved {
    std::map<Bytes, Bytes, std::less<>> rows;
    Bytes state;
    Facts facts;
  };

  bool write(Site& site, const Action& action);
  void deliver(Site& site, const Action& action);
  void remember_context(Site& site, const std::string& key);
  bool repair(Site& site, Site& sender, const Action& action);
  bool begin_exchange(size_t at, size_t from);
  bool pull(size_t at, size_t bytes_max);
  void stop_exchanges(size_t at);
  void restart(Site& site);

  // Facts that one unit brings from a sender to a receiver. Called before the receiver's rows change.
  void learn_unit(Site& site, const Site& sender, const Unit& unit) const;
  bool has_record(const Site& site, const Unit& journal) const;
  void learn_range(Site& site, Site& sender, const Bytes& cursor, const Bytes& next);
  std::map<Bytes, Unit> places(const Site& site) const;
  std::map<Bytes, Unit> sent_places(Site& sender, uint64_t scan) const;
  Bytes place_of(const Unit& unit) const;
  Facts visible(const Site& site) const;

  void check(size_t at) const;
  std::string view(const Site& site) const;
  std::string expected(const Facts& facts) const;

  Placement placement_;
  std::vector<std::string> keys_;
  size_t cleared_at_once_max_;
  std::vector<std::unique_ptr<Site>> sites_;
  Oracle oracle_;
  std::vector<Sent> deltas_;
  std::vector<Context> contexts_;
  std::map<size_t, Saved> saved_;
  std::string log_;
};

std::string describe(const Action& action);

}  // namespace atolldb::crdt
