#include "tools/atoll/drill/verifier.h"

#include <algorithm>
#include <utility>

#include "crdt/base/ensure.h"
#include "topology/ring.h"

namespace atolldb::tools {
namespace {

constexpr size_t kExamplesMax = 5;

// The partitions of which `node` is a replica.
std::vector<bool> partitions_of(const topology::Topology& topology, NodeNumber node) {
  const topology::Ring ring(topology, topology.find(node)->region);
  std::vector<bool> held(topology.placement.partitions);
  for (uint32_t p = 0; p < topology.placement.partitions; ++p) {
    const auto& replicas = ring.replicas(PartitionId{static_cast<uint16_t>(p)});
    held[p] = std::find(replicas.begin(), replicas.end(), node) != replicas.end();
  }
  return held;
}

std::string shortened(BytesView text) {
  constexpr size_t kShown = 40;
  return std::string(text.substr(0, kShown)) + (text.size() > kShown ? "..." : "");
}

// What is said of two values that differ: sizes and the first place, since stanzas are long and alike.
std::string difference(BytesView found, BytesView expected) {
  const auto at = std::mismatch(found.begin(), found.end(), expected.begin(), expected.end()).first;
  return "found " + std::to_string(found.size()) + " bytes, expected " + std::to_string(expected.size()) +
         ", which differ from byte " + std::to_string(at - found.begin()) + " on";
}

}  // namespace

Verifier::Verifier(const VerifierConfig& config, const topology::Topology& topology,
                   const Expectation& expected, const KeySet& foreign, client::Client& client,
                   std::function<void()> on_finished)
    : config_(config),
      expected_(expected),
      foreign_(foreign),
      client_(client),
      on_finished_(std::move(on_finished)),
      members_(expected.sets.size()) {
  verdict_.node = topology.find(config.node)->name;
  const auto held = partitions_of(topology, config.node);
  for (uint32_t i = 0; i < expected.strings.size(); ++i) {
    if (!held[raw(expected.strings[i].partition)]) continue;
    strings_.push_back(i);
    keys_.insert(expected.strings[i].key);
  }
  for (uint32_t i = 0; i < expected.sets.size(); ++i) {
    if (!held[raw(expected.sets[i].partition)]) continue;
    sets_.push_back(i);
    keys_.insert(expected.sets[i].key);
  }
}

void Verifier::start() { scan({}); }

void Verifier::fill() {
  while (next_ < strings_.size() + sets_.size() && under_way_ < config_.in_flight) {
    const size_t place = next_++;
    if (place < strings_.size()) {
      read_string(strings_[place]);
    } else {
      read_members(sets_[place - strings_.size()], {});
    }
  }
  finish_if_done();
}

void Verifier::send(region::Request&& request, uint32_t subject, Handle handle) {
  request.local = true;
  request.deadline_ms = config_.deadline_ms;
  client::Target target;
  target.node = config_.node;
  ++under_way_;
  const bool taken =
      client_.send(std::move(request), target, [this, subject, handle](region::Response&& response) {
        --under_way_;
        (this->*handle)(subject, std::move(response));
        fill();
      });
  ensure(taken, "a verifier sends no more than its client takes");
}

void Verifier::read_string(uint32_t subject) {
  region::Request request;
  request.op = region::Op::get;
  request.key = expected_.strings[subject].key;
  send(std::move(request), subject, &Verifier::take_string);
}

void Verifier::read_members(uint32_t subject, Bytes&& cursor) {
  region::Request request;
  request.op = region::Op::smembers;
  request.key = expected_.sets[subject].key;
  request.args.push_back(std::move(cursor));
  send(std::move(request), subject, &Verifier::take_members);
}

void Verifier::scan(Bytes&& cursor) {
  region::Request request;
  request.op = region::Op::scan;
  request.args.push_back(std::move(cursor));
  send(std::move(request), 0, &Verifier::take_scan);
}

void Verifier::take_string(uint32_t subject, region::Response&& response) {
  answered_.fetch_add(1, std::memory_order_relaxed);
  const ExpectedString& expected = expected_.strings[subject];
  if (failed(response, expected.key)) return;
  const Bytes count = std::to_string(expected.count);
  const BytesView value = expected.value.empty() ? BytesView(count) : expected.value;
  if (!response.found) return wrong(shortened(expected.key) + ": found nothing, expected a value");
  if (response.value == value) {
    ++verdict_.keys;
  } else if (expected.value.empty()) {
    wrong(shortened(expected.key) + ": found " + shortened(response.value) + ", expected " + count);
  } else {
    wrong(shortened(expected.key) + ": " + difference(response.value, value));
  }
}

void Verifier::take_members(uint32_t subject, region::Response&& response) {
  if (failed(response, expected_.sets[subject].key)) {
    answered_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  auto& members = members_[subject];
  std::move(response.values.begin(), response.values.end(), std::back_inserter(members));
  if (!response.value.empty()) return read_members(subject, std::move(response.value));
  answered_.fetch_add(1, std::memory_order_relaxed);
  judge_set(subject);
}

void Verifier::judge_set(uint32_t subject) {
  const ExpectedSet& expected = expected_.sets[subject];
  std::vector<Bytes> members = std::move(members_[subject]);
  std::sort(members.begin(), members.end());
  if (std::equal(members.begin(), members.end(), expected.members.begin(), expected.members.end())) {
    ++verdict_.keys;
    verdict_.elements += members.size();
    return;
  }
  std::vector<BytesView> missing, extra;
  std::set_difference(expected.members.begin(), expected.members.end(), members.begin(), members.end(),
                      std::back_inserter(missing));
  std::set_difference(members.begin(), members.end(), expected.members.begin(), expected.members.end(),
                      std::back_inserter(extra));
  std::string what = shortened(expected.key) + ": found " + std::to_string(members.size()) +
                     " members, expected " + std::to_string(expected.members.size());
  if (!missing.empty()) what += "; without " + shortened(missing.front());
  if (!extra.empty()) what += "; with " + shortened(extra.front());
  wrong(what);
}

void Verifier::take_scan(uint32_t, region::Response&& response) {
  if (failed(response, "the walk over all keys")) {
    scanned_ = true;
    return;
  }
  for (const Bytes& key : response.values) {
    if (keys_.contains(key) || foreign_.contains(key)) continue;
    wrong(shortened(key) + ": found a key that nobody wrote");
  }
  if (!response.value.empty()) return scan(std::move(response.value));
  scanned_ = true;
}

void Verifier::finish_if_done() {
  if (finished_ || under_way_ > 0 || !scanned_ || next_ < strings_.size() + sets_.size()) return;
  finished_ = true;
  on_finished_();
}

void Verifier::wrong(const std::string& what) {
  ++verdict_.wrong;
  if (verdict_.examples.size() < kExamplesMax) verdict_.examples.push_back(what);
}

bool Verifier::failed(const region::Response& response, const Bytes& key) {
  if (response.outcome == region::Outcome::done) return false;
  wrong(shortened(key) + ": cannot be read: " + response.message);
  return true;
}

}  // namespace atolldb::tools
