#include "tools/atoll/drill/loader.h"

#include <chrono>
#include <utility>

#include "crdt/base/ensure.h"
#include "tools/atoll/clock.h"

namespace atolldb::tools {
namespace {

// A node that is silent for so long is asked again: long enough for a busy machine, short against an outage.
constexpr uint32_t kAttemptTimeoutMs = 5'000;

}  // namespace

Result<std::unique_ptr<Loader>> Loader::open(const LoaderConfig& config, const topology::Topology& topology,
                                             const PackageIndex& index,
                                             const std::vector<PlannedWrite>& writes,
                                             const std::atomic<LoadPhase>& phase,
                                             std::function<void()> on_finished) {
  std::unique_ptr<Loader> loader(new Loader(config, index, writes, phase, std::move(on_finished)));
  client::Options options;
  options.region = config.region;
  // Repeating a SET or SADD of this plan is harmless: whoever writes the key writes the same.
  options.retry_unknown_writes = true;
  options.attempt_timeout_ms = kAttemptTimeoutMs;
  options.in_flight_max = config.in_flight + 1;  // and the poke
  auto client = client::Client::open(topology, options);
  if (!client) return client.error();
  loader->client_ = *std::move(client);
  return loader;
}

Loader::Loader(const LoaderConfig& config, const PackageIndex& index, const std::vector<PlannedWrite>& writes,
               const std::atomic<LoadPhase>& phase, std::function<void()> on_finished)
    : config_(config),
      index_(index),
      writes_(writes),
      phase_(phase),
      on_finished_(std::move(on_finished)),
      slots_(config.in_flight),
      gate_open_(config.gate >= writes.size()) {
  for (uint32_t slot = config.in_flight; slot > 0; --slot) free_.push_back(slot - 1);
}

Loader::~Loader() {
  stopping_ = true;
  client_.reset();
}

void Loader::start() { poke(); }

void Loader::open_gate() {
  if (!gate_open_.exchange(true)) poke();
}

// Any answer will do to get onto the client's thread, also the one that nobody can be reached.
void Loader::poke() {
  region::Request ping;
  ping.op = region::Op::ping;
  ping.deadline_ms = 1'000;
  const bool taken = client_->send(std::move(ping), [this](region::Response&&) { fill(); });
  ensure(taken, "there is room for one more than the loader sends");
}

void Loader::fill() {
  if (stopping_) return;
  const size_t end = gate_open_.load() ? writes_.size() : std::min(config_.gate, writes_.size());
  while (next_ < end && !free_.empty()) {
    const uint32_t slot = free_.back();
    free_.pop_back();
    slots_[slot].write = writes_[next_++];
    send(slot);
  }
}

void Loader::send(uint32_t slot) {
  slots_[slot].sent_at = monotonic_now();
  const bool taken = client_->send(request_for(slots_[slot].write),
                                   [this, slot](region::Response&& response) { take(slot, response); });
  ensure(taken, "a loader sends no more than its client takes");
}

void Loader::take(uint32_t slot, const region::Response& response) {
  RegionFigures& figures = figures_[static_cast<size_t>(phase_.load(std::memory_order_relaxed))];
  if (response.outcome == region::Outcome::done) {
    ++figures.done;
    figures.latency.record(monotonic_now() - slots_[slot].sent_at);
  } else {
    ++figures.errors;
    errors_.fetch_add(1, std::memory_order_relaxed);
    if (first_error_.empty()) {
      first_error_ = std::string(response.outcome == region::Outcome::unknown ? "unknown: " : "rejected: ") +
                     response.message;
    }
  }
  free_.push_back(slot);
  const uint64_t answered = answered_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (answered == writes_.size()) return on_finished_();
  fill();
}

region::Request Loader::request_for(const PlannedWrite& write) const {
  const Package& package = index_.packages()[write.package];
  region::Request request;
  request.deadline_ms = config_.deadline_ms;
  switch (write.kind) {
    case WriteKind::put_package:
      request.op = region::Op::set;
      request.key = package_key(package);
      request.value = package.stanza;
      break;
    case WriteKind::add_to_section:
      request.op = region::Op::sadd;
      request.key = section_key(package);
      request.args.emplace_back(package.name);
      break;
    case WriteKind::add_to_maintainer:
      request.op = region::Op::sadd;
      request.key = maintainer_key(package);
      request.args.emplace_back(package.name);
      break;
    case WriteKind::count_section:
      request.op = region::Op::add;
      request.key = count_key(package);
      request.amount = 1;
      break;
  }
  return request;
}

}  // namespace atolldb::tools
