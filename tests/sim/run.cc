#include "tests/sim/run.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/sim/driver.h"
#include "tests/sim/field_key.h"

namespace atolldb::sim {

namespace {

using nlohmann::json;

constexpr Duration kCompareEvery = Duration::seconds(2);

class Runner {
 public:
  Runner(const Plan& plan, const RunOptions& options)
      : plan_(plan),
        options_(options),
        world_(plan.world),
        faults_(world_, plan),
        driver_(world_, plan, result_.history) {
    if (!options.keep_lines) return;
    world_.on_line = [this](Instant at, uint32_t machine, LogLevel, std::string_view text) {
      if (text.substr(0, 8) == "peer is ") return;
      result_.lines.push_back({at, world_.name(machine) + ": " + std::string(text)});
    };
    faults_.on_fault = [this](const PlannedFault& fault) {
      result_.lines.push_back({world_.now(), "fault #" + std::to_string(fault.id) + ": " + describe(fault)});
    };
  }

  RunResult run() {
    world_.start_all();
    compare_later();
    world_.run_until(plan_.ends);
    faults_.heal();
    const bool finished =
        world_.run_until([this] { return driver_.idle(); }, Duration::seconds(240), Duration::millis(500));
    const bool converged =
        world_.run_until([this] { return world_.converged(); }, kConvergenceBound, Duration::millis(500));
    judge(finished, converged && scrubbed());
    report();
    return std::move(result_);
  }

 private:
  // A damaged row is found when it is read: every replica looks at every key, and repairs what it finds.
  bool scrubbed() {
    std::set<Bytes> keys;
    for (const Operation& o : result_.history) keys.insert(key_of(o.key));
    for (uint32_t i = 0; i < world_.machines(); ++i)
      for (const Bytes& key : keys)
        if (world_.running(i)) world_.ask(i, region::Op::inspect, key);
    return world_.run_until([this] { return world_.converged(); }, kConvergenceBound, Duration::millis(500));
  }

  void compare_later() {
    world_.at(world_.now() + kCompareEvery, [this] {
      compare();
      compare_later();
    });
  }

  // G3: of each partition, replicas with one clock must have one digest.
  void compare() {
    std::map<std::pair<std::string, std::string>, std::pair<std::string, uint32_t>> seen;
    for (uint32_t i = 0; i < world_.machines(); ++i) {
      if (!world_.serves(i)) continue;
      const auto digests = json::parse(world_.ask(i, region::Op::digest));
      const auto clearing = digests["clearing"].get<std::set<std::string>>();
      for (const auto& [partition, digest] : digests["partitions"].items()) {
        if (clearing.contains(partition)) continue;  // its digest counts rows that are on their way out
        const PartitionId id{static_cast<uint16_t>(std::stoul(partition))};
        if (world_.facts().ahead(i, id)) continue;
        const auto clock = digests["clocks"][partition].get<std::string>();
        const auto [at, fresh] =
            seen.emplace(std::pair(partition, clock), std::pair(digest.get<std::string>(), i));
        if (fresh) continue;
        ++equal_pairs_;
        if (at->second.first != digest.get<std::string>())
          unequal_.push_back("partition " + partition + " has other rows on node " +
                             world_.topology().nodes[i].name + " than on " +
                             world_.topology().nodes[at->second.second].name + " under one clock, at " +
                             std::to_string(world_.now().ns / 1'000'000) + " ms");
      }
    }
  }

  // Of each partition that differs, who agrees with whom, and who has no vote.
  std::string differences() {
    std::map<std::string, std::map<std::string, std::string>> groups;
    std::string voiceless;
    for (uint32_t i = 0; i < world_.machines(); ++i) {
      if (!world_.running(i)) continue;
      const std::string& name = world_.topology().nodes[i].name;
      if (!world_.has_vote(i)) voiceless += " " + name;
      const auto digests = json::parse(world_.ask(i, region::Op::digest));
      for (const auto& [partition, digest] : digests["partitions"].items())
        groups[partition]["clock " + digests["clocks"][partition].get<std::string>().substr(0, 8) + " rows " +
                          digest.get<std::string>().substr(0, 8)] += " " + name;
    }
    std::string out = voiceless.empty() ? "" : "without a vote:" + voiceless + "; ";
    for (const auto& [partition, by_state] : groups) {
      if (by_state.size() < 2) continue;
      out += "\n    partition " + partition + ":";
      for (const auto& [state, names] : by_state) out += " [" + state + ":" + names + "]";
    }
    return out;
  }

  HeldKey held(uint32_t machine, const Bytes& key) {
    HeldKey out;
    const auto found = json::parse(world_.ask(machine, region::Op::inspect, key_of(key)));
    if (is_field_key(key)) {
      for (const auto& field : found["fields"])
        if (field["field"] == field_of(key)) {
          if (field.contains("value")) out.value = field["value"].get<std::string>();
          for (const auto& sibling : field["siblings"])
            out.siblings.push_back({parse_dot(sibling["dot"]), sibling.value("value", "")});
        }
    }
    if (found.contains("value")) out.value = found["value"].get<std::string>();
    for (const auto& sibling : found["siblings"])
      out.siblings.push_back({parse_dot(sibling["dot"]), sibling.value("value", "")});
    for (const auto& loser : found["journal"])
      out.journal.push_back({parse_dot(loser["dot"]), loser.value("value", "")});
    for (const auto& element : found["elements"])
      for (const auto& dot : element["dots"])
        out.elements[element["element"].get<std::string>()].push_back(parse_dot(dot));
    out.element_count = found["element_count"].get<uint64_t>();
    return out;
  }

  static Dot parse_dot(const std::string& text) {
    unsigned long long node = 0, start = 0, random = 0, counter = 0;
    std::sscanf(text.c_str(), "%llu.%llu.%llu:%llu", &node, &start, &random, &counter);
    return {{NodeNumber{static_cast<uint16_t>(node)}, static_cast<uint32_t>(start),
             static_cast<uint32_t>(random)},
            counter};
  }

  // A machine that holds the partition, in the first region that is there.
  uint32_t holder(PartitionId partition) const {
    for (uint32_t r = 0; r < world_.options().regions; ++r) {
      if (faults_.lost(r)) continue;
      for (const NodeNumber node : world_.ring(r).replicas(partition))
        if (world_.running(world_.machine(node))) return world_.machine(node);
    }
    return 0;
  }

  // Nothing but clocks was touched, and fewer than half of those. Drift stays far below a second.
  bool most_clocks_are_right() const {
    std::set<uint32_t> wrong;
    for (const PlannedFault& fault : plan_.faults) {
      if (fault.kind != FaultKind::wall_clock && fault.kind != FaultKind::drift) return false;
      if (fault.kind == FaultKind::wall_clock) wrong.insert(fault.a);
    }
    return wrong.size() * 2 < world_.machines();
  }

  void judge(bool finished, bool converged) {
    compare();
    Evidence evidence{result_.history, world_.facts()};
    const uint32_t partitions = plan_.world.partitions;
    evidence.regions = plan_.world.regions;
    evidence.n = std::min(plan_.world.n, plan_.world.nodes);
    evidence.w = std::min(plan_.world.w, evidence.n);
    evidence.partition_of = [this](const Bytes& key) {
      return world_.topology().placement.place(key_of(key)).partition;
    };
    for (uint32_t p = 0; p < partitions; ++p) {
      const PartitionId id{static_cast<uint16_t>(p)};
      evidence.had.push_back(world_.facts().had(holder(id), id));
    }
    for (const Operation& o : result_.history)
      if (!evidence.held.contains(o.key))
        evidence.held.emplace(o.key, held(holder(evidence.partition_of(o.key)), o.key));
    evidence.converged = converged;
    if (!converged) evidence.not_converged = differences();
    evidence.unequal = unequal_;
    evidence.equal_pairs = equal_pairs_;
    for (uint32_t r = 0; r < plan_.world.regions; ++r)
      if (faults_.lost(r)) evidence.lost_regions.push_back(r);
    evidence.calm = faults_.calm_times(world_.now());
    if (most_clocks_are_right()) evidence.clocks_ahead_max = Duration::seconds(1);
    for (const Check check : all_checks()) {
      result_.verdicts.push_back(check(evidence));
      if (!result_.violation) result_.violation = result_.verdicts.back().violation;
    }
    for (uint32_t i = 0; i < world_.machines(); ++i)
      if (!result_.violation && world_.fatal(i) && !faults_.lost(world_.region_of(i)))
        result_.violation =
            Violation{"stopped", world_.topology().nodes[i].name + ": " + *world_.fatal(i), {}};
    if (!result_.violation && faults_.two_act()) result_.violation = Violation{"G12", *faults_.two_act(), {}};
    if (!result_.violation && !finished)
      result_.violation =
          Violation{"finished", "a client does not come to an end after everything has healed", {}};
    if (!result_.violation && result_.history.empty())
      result_.violation = Violation{"empty", "no operation was carried out: nothing is proved", {}};
    if (result_.violation) explain(*result_.violation, evidence);
  }

  void explain(const Violation& violation, const Evidence& evidence) {
    for (const Bytes& key : violation.keys) {
      const auto held = evidence.held.find(key);
      if (held == evidence.held.end()) continue;
      std::string line =
          key + " in the end: '" + held->second.value.value_or("").substr(0, 20) + "', siblings";
      for (const auto& sibling : held->second.siblings) line += " " + to_string(sibling.dot);
      line += ", journal";
      for (const auto& loser : held->second.journal) line += " " + to_string(loser.dot);
      result_.of_keys.push_back(
          {world_.now(), line + ", " + std::to_string(held->second.element_count) + " elements"});
    }
    for (const Update& u : world_.facts().updates()) {
      if (std::find(violation.keys.begin(), violation.keys.end(), u.key) == violation.keys.end()) continue;
      static constexpr const char* kKinds[] = {"set", "del", "add", "sadd", "srem"};
      std::string line =
          world_.name(u.machine) + " " + kKinds[static_cast<size_t>(u.kind)] + " " + u.key + " '" +
          u.value.substr(0, 20) + "' dot " + to_string(u.dot) + " stamp " + std::to_string(u.stamp.value) +
          " operation #" +
          std::to_string(u.op < 0 ? -1 : static_cast<int>(result_.history[static_cast<size_t>(u.op)].id)) +
          " saw";
      for (const uint32_t other : world_.facts().of_key(u.key))
        if (u.saw(crdt::string_row(), world_.facts().updates()[other].dot))
          line += " " + to_string(world_.facts().updates()[other].dot);
      result_.of_keys.push_back({u.issued, line});
    }
  }

  void report() {
    result_.trace_hash = world_.trace_hash();
    result_.simulated = world_.now() - Instant{0};
    result_.operations = result_.history.size();
    for (const Operation& o : result_.history) {
      result_.answered += o.answered ? 1 : 0;
      result_.done += o.done() ? 1 : 0;
    }
    result_.events = world_.events();
    result_.updates = world_.facts().updates().size();
    result_.network = world_.network().counts();
    result_.faults = faults_.counts();
    result_.probes = world_.probes();
  }

  const Plan& plan_;
  RunOptions options_;
  RunResult result_;
  World world_;
  Faults faults_;
  Driver driver_;
  std::vector<std::string> unequal_;
  uint64_t equal_pairs_ = 0;
};

}  // namespace

RunResult run(const Plan& plan, const RunOptions& options) { return Runner(plan, options).run(); }

const std::vector<Check>& all_checks() {
  static const std::vector<Check> kChecks{
      check_unique_dots, check_durable,         check_nothing_lost, check_exactly_once, check_rejected,
      check_causality,   check_no_resurrection, check_linearizable, check_counters,     check_sessions,
      check_stamps,      check_available,       check_convergent};
  return kChecks;
}

}  // namespace atolldb::sim
