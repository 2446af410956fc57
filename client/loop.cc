#include "client/loop.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <utility>

#include "crdt/base/ensure.h"
#include "region/core/request_codec.h"

namespace atolldb::client {
namespace {

constexpr Duration kIdleMax = Duration::seconds(10);

// How often this process has been forked off: the child counts, before it goes on.
std::atomic<uint64_t> forks{0};

void count_forks() {
  static const int counted = pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1); });
  ensure(counted == 0, "a handler of forks can be set");
}

Instant monotonic_now() {
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(
              std::chrono::steady_clock::now().time_since_epoch())
              .count()};
}

}  // namespace

void Loop::ContextEnd::operator()(void* context) const { zmq_ctx_term(context); }

Result<std::unique_ptr<Loop>> Loop::start(const CoreConfig& config, topology::Topology topology) {
  count_forks();
  void* context = zmq_ctx_new();
  if (context == nullptr) return {Errc::io, std::string("client: no ZeroMQ context: ") + zmq_strerror(errno)};
  const int wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_fd < 0) {
    zmq_ctx_term(context);
    return {Errc::io, std::string("client: no eventfd: ") + std::strerror(errno)};
  }
  std::unique_ptr<Loop> loop(new Loop(config, std::move(topology), context, wake_fd));
  try {
    loop->thread_ = std::thread([raw = loop.get()] { raw->run(); });
  } catch (const std::system_error& error) {
    return {Errc::io, std::string("client: no thread: ") + error.what()};
  }
  return loop;
}

Loop::Loop(const CoreConfig& config, topology::Topology topology, void* context, int wake_fd)
    : topology_(std::move(topology)),
      in_flight_max_(config.in_flight_max),
      context_(context),
      wake_fd_(wake_fd),
      forks_(forks.load()),
      core_(config, topology_),
      links_(context, core_.links()) {}

Loop::~Loop() {
  stopping_ = true;
  wake();
  if (thread_.joinable()) thread_.join();
  ::close(wake_fd_);
}

void Loop::wake() {
  const uint64_t one = 1;
  ensure(write(wake_fd_, &one, sizeof one) == sizeof one || errno == EAGAIN, "the eventfd cannot be written");
}

bool Loop::forked() const { return forks_ != forks.load(std::memory_order_relaxed); }

bool Loop::send(region::Request&& request, const Target& target, Callback&& callback) {
  if (forked()) {
    region::Response response;
    response.outcome = region::Outcome::rejected;
    response.code = Errc::unavailable;
    response.message =
        "found a client that was opened before this process was forked off, expected one of its own";
    callback(std::move(response));
    return true;
  }
  if (in_flight_.fetch_add(1) >= in_flight_max_ || stopping_) {
    in_flight_.fetch_sub(1);
    return false;
  }
  if (on_thread()) {
    ensure(core_.submit(now_, std::move(request), target, std::move(callback)), "the core counts otherwise");
    return true;
  }
  {
    const std::lock_guard lock(mutex_);
    inbox_.push_back({std::move(request), target, std::move(callback)});
  }
  if (idle_.exchange(false)) wake();
  return true;
}

void Loop::set_regions(std::vector<RegionId> nearest_first) {
  {
    const std::lock_guard lock(mutex_);
    regions_ = std::move(nearest_first);
  }
  wake();
}

// ---- the loop's thread

void Loop::take_inbox() {
  std::vector<RegionId> regions;
  {
    const std::lock_guard lock(mutex_);
    taken_.swap(inbox_);
    regions.swap(regions_);
  }
  if (!regions.empty()) core_.set_regions(std::move(regions));
  for (Submission& one : taken_)
    ensure(core_.submit(now_, std::move(one.request), one.target, std::move(one.callback)),
           "the core counts otherwise");
  taken_.clear();
}

void Loop::settle() {
  for (;;) {
    std::vector<Completion> completions = core_.take_completions();
    if (completions.empty()) break;
    in_flight_.fetch_sub(static_cast<uint32_t>(completions.size()));
    for (Completion& one : completions) one.callback(std::move(one.response));
  }
  for (const LinkId link : core_.take_opens())
    links_.open(link, topology_.find(core_.node_of(link))->client.endpoint());
  for (const LinkId link : core_.take_ready()) flush(link);
  retries_.store(core_.retries(), std::memory_order_relaxed);
  hedges_.store(core_.hedges(), std::memory_order_relaxed);
}

void Loop::flush(LinkId link) {
  while (!links_.stuck(link)) {
    Bytes frame = core_.take_frame(now_, link);
    if (frame.empty()) return;
    links_.send(link, std::move(frame));
  }
}

Duration Loop::idle_time() {
  const Instant deadline = core_.next_deadline();
  if (deadline == Instant::never()) return kIdleMax;
  return std::max(Duration{}, std::min(kIdleMax, deadline - now_));
}

void Loop::run() {
  while (!stopping_) {
    now_ = monotonic_now();
    take_inbox();
    core_.handle_tick(now_);
    settle();
    idle_ = true;
    bool news = false;
    {
      const std::lock_guard lock(mutex_);
      news = !inbox_.empty() || !regions_.empty();
    }
    const bool woken = links_.poll(wake_fd_, news ? Duration{} : idle_time(), *this);
    idle_ = false;
    uint64_t wakes = 0;
    if (woken) ensure(read(wake_fd_, &wakes, sizeof wakes) == sizeof wakes, "the eventfd was readable");
  }
  take_inbox();
  core_.close();
  for (Completion& one : core_.take_completions()) one.callback(std::move(one.response));
}

void Loop::on_up(LinkId link) {
  core_.handle_link_up(now_, link);
  flush(link);
}

void Loop::on_down(LinkId link, const std::string& why) {
  now_ = monotonic_now();
  core_.handle_link_down(now_, link, why);
}

void Loop::on_writable(LinkId link) { flush(link); }

void Loop::on_frame(LinkId link, BytesView frame) {
  now_ = monotonic_now();
  auto responses = region::decode_responses(frame);
  if (!responses) {
    links_.close(link);
    core_.handle_link_down(now_, link, responses.error().message);
    return;
  }
  for (region::Response& response : *responses) core_.handle_response(now_, link, std::move(response));
}

}  // namespace atolldb::client
