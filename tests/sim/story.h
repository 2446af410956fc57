#pragma once
// Hand-made histories for the tests of the checkers: two machines in each of two regions, one partition,
// updates made by the real data types, and operations as a test wants them told.

#include <catch2/catch.hpp>
#include <deque>
#include <memory>
#include <optional>

#include "tests/crdt/site.h"
#include "tests/sim/checkers/checker.h"
#include "tests/sim/world.h"

namespace atolldb::sim {

class Story {
 public:
  Story()
      : options_(options()), topology_(make_topology(options_)), facts_(topology_, {0, 0, 1, 1}, probes_) {
    for (uint32_t m = 0; m < 4; ++m) {
      sites_.emplace_back(static_cast<uint16_t>(raw(topology_.nodes[m].number)));
      disks_.emplace_back();
      facts_.begin(m, disks_.back());
      facts_.recovery_ended(m);
    }
    history_.reserve(100);
  }

  // An update of a machine's coordinator, at the next moment. Its index.
  int64_t set(uint32_t m, const Bytes& key, const Bytes& value) {
    return issue(m, sites_[m].set(key, value));
  }
  int64_t del(uint32_t m, const Bytes& key) { return issue(m, sites_[m].del(key)); }
  int64_t add(uint32_t m, const Bytes& key, int64_t n, const Bytes& id) {
    return issue(m, sites_[m].add(key, n), id);
  }
  int64_t sadd(uint32_t m, const Bytes& key, const Bytes& e) { return issue(m, sites_[m].sadd(key, {e})); }
  int64_t srem(uint32_t m, const Bytes& key, const Bytes& e) { return issue(m, sites_[m].srem(key, {e})); }
  // It reaches another machine.
  void deliver(int64_t update, uint32_t m) {
    sites_[m].replica.apply(*crdt::decode_delta(deltas_[static_cast<size_t>(update)]));
    commit(m, deltas_[static_cast<size_t>(update)], {});
  }
  void deliver_all() {
    for (size_t u = 0; u < deltas_.size(); ++u)
      for (uint32_t m = 0; m < 4; ++m)
        if (!sites_[m].replica.clock().contains(facts_.updates()[u].dot)) deliver(static_cast<int64_t>(u), m);
  }
  void sync_all() {
    for (uint32_t m = 0; m < 4; ++m) facts_.durable(m, {UINT64_MAX});
  }

  // An operation from one moment to another, answered *done* by default.
  Operation& operation(region::Op op, uint32_t region, const Bytes& key, int64_t from_ms, int64_t to_ms) {
    Operation o;
    o.id = static_cast<uint32_t>(history_.size());
    o.client = region;
    o.region = region;
    o.op = op;
    o.key = key;
    o.invoked = Instant{from_ms * 1'000'000};
    o.returned = Instant{to_ms * 1'000'000};
    o.answered = true;
    o.outcome = region::Outcome::done;
    o.holders = 2;
    o.number = 1;
    history_.push_back(o);
    return history_.back();
  }
  Operation& wrote(region::Op op, int64_t update, int64_t from_ms, int64_t to_ms) {
    Update& u = facts_.updates()[static_cast<size_t>(update)];
    Operation& o = operation(op, u.region, u.key, from_ms, to_ms);
    o.value = u.value;
    o.elements = u.elements;
    o.update = update;
    o.request_id = u.request_id;
    u.op = static_cast<int32_t>(o.id);
    return o;
  }
  Operation& get(uint32_t region, const Bytes& key, const std::optional<Bytes>& shown, int64_t from_ms,
                 int64_t to_ms) {
    Operation& o = operation(region::Op::get, region, key, from_ms, to_ms);
    o.found = shown.has_value();
    o.shown = shown.value_or("");
    return o;
  }

  // What machine 0 has in the end.
  Evidence evidence() {
    Evidence e{history_, facts_};
    e.regions = 2;
    e.n = e.w = 2;
    e.partition_of = [](const Bytes&) { return PartitionId{0}; };
    e.had = {facts_.had(0, PartitionId{0})};
    for (const Operation& o : history_) {
      const crdt::Inspection found = sites_[0].replica.inspect(o.key, 1000);
      HeldKey held;
      for (const auto& s : found.siblings) held.siblings.push_back({s.dot, s.value});
      for (const auto& s : found.journal) held.journal.push_back({s.dot, s.value});
      for (const auto& [element, dots] : found.elements) held.elements[element] = dots;
      held.element_count = found.element_count;
      if (found.type == crdt::Type::string) held.value = sites_[0].get(o.key);
      e.held[o.key] = held;
    }
    return e;
  }

  int64_t now_ms = 0;  // of the next update
  Facts& facts() { return facts_; }
  History& history() { return history_; }

 private:
  static WorldOptions options() {
    WorldOptions out;
    out.regions = out.nodes = out.n = out.w = 2;
    out.r = out.partitions = 1;
    return out;
  }
  int64_t issue(uint32_t m, const crdt::Mutation& mutation, const Bytes& id = {}) {
    deltas_.push_back(crdt::encode(*mutation.delta));
    commit(m, deltas_.back(), id);
    return static_cast<int64_t>(deltas_.size()) - 1;
  }
  void commit(uint32_t m, const Bytes& delta, const Bytes& id) {
    Bytes record;
    region::encode(region::DeltaRecord{PartitionId{0}, {}, {}, id, delta}, record);
    facts_.committed(Instant{now_ms * 1'000'000}, m, {++position_}, record);
  }

  WorldOptions options_;
  topology::Topology topology_;
  Probes probes_;
  Facts facts_;
  std::deque<crdt::Site> sites_;
  std::deque<DiskFacts> disks_;
  std::vector<Bytes> deltas_;
  uint64_t position_ = 0;
  History history_;
};

}  // namespace atolldb::sim
