#include "tools/atoll/bench/load.h"

#include <sys/prctl.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "crdt/base/ensure.h"
#include "tools/atoll/clock.h"
#include "tools/atoll/connect.h"

namespace atolldb::tools {
namespace {

using region::Outcome;
using region::Request;
using region::Response;

constexpr uint64_t kFillInFlight = 256;
constexpr Duration kPacerStep =
    Duration::millis(1);  // how long the pacer sleeps at least: requests due then go together

void sleep_for(Duration duration) { std::this_thread::sleep_for(std::chrono::nanoseconds(duration.ns)); }

}  // namespace

Result<std::unique_ptr<Load>> Load::open(const topology::Topology& topology, const LoadConfig& config) {
  auto client = client::Client::open(topology, config.client);
  if (!client) return client.error();
  std::string name =
      config.client.node.empty() ? topology.region((*client)->region()).name : config.client.node;
  return std::unique_ptr<Load>(new Load(config, std::move(name), std::move(*client)));
}

Load::Load(const LoadConfig& config, std::string name, std::unique_ptr<client::Client> client)
    : config_(config), name_(std::move(name)), workload_(config.workload), client_(std::move(client)) {
  for (const MixPart& part : config.workload.mix) {
    result_.operations.emplace_back();
    result_.operations.back().name = part.name;
  }
}

Load::~Load() { stop(); }

// ---- filling

Status Load::fill(const std::function<void(uint64_t done)>& progress) {
  std::mutex mutex;
  std::condition_variable changed;
  uint64_t done = 0, flying = 0;
  std::optional<Error> failed;
  const auto landed = [&](Response&& response) {
    const std::lock_guard lock(mutex);
    --flying, ++done;
    if (response.outcome != Outcome::done && !failed)
      failed = Error{response.code, std::move(response.message)};
    changed.notify_one();
  };
  std::unique_lock lock(mutex);
  for (uint64_t next = 0; next < config_.workload.keys && !failed; ++next) {
    changed.wait(lock, [&] { return flying < kFillInFlight; });
    progress(done);
    ++flying;
    lock.unlock();
    Request request = workload_.make_fill(next);
    request.deadline_ms = config_.client.deadline_ms;
    const bool sent = client_->send(std::move(request), landed);
    lock.lock();
    if (sent) continue;
    --flying;
    failed = Error{Errc::busy, "the client takes no more requests"};
  }
  changed.wait(lock, [&] { return flying == 0; });
  if (failed) return *failed;
  return ok();
}

// ---- the loops

void Load::start() {
  if (config_.rate > 0) {
    pacer_ = std::thread([this] { run_schedule(); });
    return;
  }
  // All of them are made before the first is sent: from then on the workload belongs to the client's thread.
  std::vector<std::pair<Flight*, Request>> first;
  while (first.size() < config_.in_flight && !enough()) {
    const size_t part = workload_.pick();
    first.emplace_back(new Flight{{}, static_cast<uint32_t>(part)}, workload_.make(part));
  }
  flying_ = first.size();
  for (auto& [flight, request] : first) {
    flight->start = monotonic_now();
    if (launch(std::move(request), flight)) continue;
    delete flight;
    one_less();
  }
}

void Load::begin_measuring() { measure_from_ = monotonic_now().ns; }

void Load::stop() {
  stopping_ = true;
  if (pacer_.joinable()) pacer_.join();
  for (uint64_t flying = flying_; flying != 0; flying = flying_) flying_.wait(flying);
  result_.retries = client_->retries();
}

bool Load::launch(Request&& request, Flight* flight) {
  request.deadline_ms = config_.client.deadline_ms;
  request.local = config_.client.local;
  return client_->send(std::move(request),
                       [this, flight](Response&& response) { land(flight, std::move(response)); });
}

void Load::one_less() {
  if (flying_.fetch_sub(1) == 1) flying_.notify_all();
}

// True when no further request should leave: stopped, or all that were asked for have left.
bool Load::enough() {
  if (stopping_) return true;
  if (config_.requests == 0 || measure_from_ == INT64_MAX) return false;
  return ++measured_launches_ > config_.requests;
}

void Load::land(Flight* flight, Response&& response) {
  const Instant now = monotonic_now();
  record(*flight, now, response);
  if (config_.rate == 0 && !enough()) {
    const size_t part = workload_.pick();
    *flight = Flight{now, static_cast<uint32_t>(part)};
    if (launch(workload_.make(part), flight)) return;
  }
  delete flight;
  one_less();
}

void Load::record(const Flight& flight, Instant now, const Response& response) {
  if (flight.start.ns < measure_from_.load(std::memory_order_relaxed)) return;
  result_.last_end = now;
  OperationResult& operation = result_.operations[flight.part];
  if (response.outcome == Outcome::done) {
    operation.latency.record(now - flight.start);
    operation.hits += response.found;
    completed_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  ++(response.outcome == Outcome::rejected ? operation.rejected : operation.unknown);
  auto& failures = result_.failures[std::string(name_of(response.outcome)) + " " + name_of(response.code)];
  if (failures.count++ == 0) failures.example = response.message;
  failed_.fetch_add(1, std::memory_order_relaxed);
}

// Requests are due at equal distances. What the pacer is late with leaves at once, and its latency still
// counts from when it was due.
void Load::run_schedule() {
  prctl(PR_SET_TIMERSLACK, 1);  // of this thread, in nanoseconds: wake when asked to, not 50 us later
  const Instant begin = monotonic_now();
  const double period_ns = 1e9 / config_.rate;
  for (uint64_t i = 0; !enough();) {
    const Instant due = begin + Duration::nanos(static_cast<int64_t>(static_cast<double>(i) * period_ns));
    const Instant now = monotonic_now();
    if (due > now) {
      sleep_for(std::min(std::max(due - now, Duration::micros(50)), kPacerStep));
      continue;
    }
    ++i;
    const size_t part = workload_.pick();
    auto* flight = new Flight{due, static_cast<uint32_t>(part)};
    ++flying_;
    if (launch(workload_.make(part), flight)) continue;
    delete flight;
    one_less();
    ++result_.overrun;
  }
  schedule_over_ = true;
}

}  // namespace atolldb::tools
