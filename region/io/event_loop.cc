#include "region/io/event_loop.h"

#include <signal.h>
#include <string.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "region/io/clock.h"

namespace atolldb::region {
namespace {

// A turn's portions: large enough to share a sync and a frame, small enough that nobody waits long for their
// turn.
constexpr size_t kPeerFramesMax = 64;
constexpr size_t kClientFramesMax = 256;
constexpr Duration kDrain = Duration::seconds(5);
constexpr Duration kWaitMax = Duration::seconds(3600);  // keeps the timespec's arithmetic far from its ends

}  // namespace

EventLoop::EventLoop(const Parts& parts) : parts_(parts) {
  watched_.reserve(4 + parts_.transport.poll_fds().size());  // handlers hold references
  watch(parts_.clients.fd(), &Ready::clients);
  if (parts_.store.event_fd() >= 0) watch(parts_.store.event_fd(), &Ready::store);
  watch(parts_.signals.fd(), &Ready::signals);
  watch(parts_.http.fd(), &Ready::http);
  parts_.http.set_figures([this] { return figures(); });
  for (const int fd : parts_.transport.poll_fds()) watch(fd, &Ready::transport);
}

EventLoop::~EventLoop() {
  for (Watched& watched : watched_) watched.descriptor.release();
}

void EventLoop::watch(int fd, bool Ready::*ready) {
  watched_.push_back({asio::posix::stream_descriptor(parts_.io, fd), ready, false});
}

EventLoop::End EventLoop::run() {
  while (true) {
    const Now now = system_now();
    turn(now);
    if (fatal_ || ended(now)) return {std::move(fatal_), parts_.engine.drained()};
    Instant next = std::min({deadline_, parts_.transport.next_deadline(), parts_.resp.next_deadline()});
    if (drain_until_) next = std::min(next, *drain_until_);
    ready_ = wait(next);
  }
}

EventLoop::Ready EventLoop::wait(Instant next) {
  for (Watched& watched : watched_) {
    if (watched.waiting) continue;
    watched.waiting = true;
    watched.descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                  [this, &watched](const asio::error_code& error) {
                                    watched.waiting = false;
                                    if (!error) fired_.*watched.ready = true;
                                  });
  }
  Ready ready = ready_;  // what still has something although its descriptor does not say so
  parts_.io.restart();
  if (!ready.any() && !parts_.resp.has_requests()) {
    const Duration left = next == Instant::never() ? kWaitMax : next - system_now().monotonic;
    if (left > Duration{}) parts_.io.run_one_for(std::chrono::nanoseconds(std::min(left, kWaitMax).ns));
  }
  parts_.io.poll();
  const Ready fired = std::exchange(fired_, {false, false, false, false, false});
  ready.clients |= fired.clients;
  ready.store |= fired.store;
  ready.signals |= fired.signals;
  ready.http |= fired.http;
  ready.transport |= fired.transport;
  return ready;
}

void EventLoop::turn(Now now) {
  const Ready ready = std::exchange(ready_, {false, false, false, false, false});
  if (ready.signals) handle_signals(now);
  if (ready.store) parts_.engine.handle_storage(now);
  if (ready.transport || parts_.transport.next_deadline() <= now.monotonic)
    ready_.transport = take_peers(now);
  if (ready.clients) ready_.clients = take_clients(now);
  take_resp(now);
  if (ready.http) take_http(now);
  if (deadline_ <= now.monotonic) parts_.engine.handle_tick(now);
  carry_out(now);
}

// True: there may be more.
bool EventLoop::take_peers(Now now) {
  changes_.clear();
  const bool more = parts_.transport.receive(now.monotonic, kPeerFramesMax, frames_, changes_);
  for (const auto& change : changes_) parts_.engine.handle_link(now, change.peer, change.up);
  for (const auto& received : frames_) parts_.engine.handle_peer_frame(now, received.from, received.frame);
  frames_.clear();  // they may be large
  return more;
}

bool EventLoop::take_clients(Now now) {
  requests_.clear();
  const bool more = parts_.clients.receive(now.monotonic, kClientFramesMax, requests_);
  for (auto& accepted : requests_) accepted.request.seen.clear();  // only a token is believed
  hand_over(now);
  return more;
}

void EventLoop::take_resp(Now now) {
  parts_.resp.tick(now.monotonic);
  requests_.clear();
  parts_.resp.take_requests(requests_);
  hand_over(now);
}

void EventLoop::take_http(Now now) {
  requests_.clear();
  parts_.http.take_requests(requests_);
  hand_over(now);
}

void EventLoop::hand_over(Now now) {
  for (auto& accepted : requests_) {
    accepted.request.correlation = http::Meter::mark(accepted.request.op, now.monotonic);
    if (!accepted.request.token.empty()) {
      auto seen = parts_.tokens.open(std::exchange(accepted.request.token, {}));
      if (!seen) {
        Response refused;
        refused.correlation = accepted.request.correlation;
        refused.outcome = Outcome::rejected;
        refused.code = seen.error().code;
        refused.message = std::move(seen.error().message);
        refused.node = parts_.node.number;
        answer({std::move(accepted.client), std::move(refused)}, now.monotonic);
        continue;
      }
      accepted.request.seen = std::move(*seen);
      accepted.request.session = true;
    }
    parts_.engine.handle_request(now, accepted.client, std::move(accepted.request));
  }
}

void EventLoop::carry_out(Now now) {
  node::Output output = parts_.engine.take_output();
  if (parts_.engine.cut_regions() != cut_) {
    cut_ = parts_.engine.cut_regions();
    parts_.transport.set_cut(cut_);
    ready_.transport = true;  // the cut links' changes
  }
  for (auto& frame : output.frames) parts_.transport.send(now.monotonic, frame.to, std::move(frame.bytes));
  const Instant answered = output.replies.empty() ? now.monotonic : system_now().monotonic;
  for (auto& reply : output.replies) answer(std::move(reply), answered);
  parts_.resp.flush(now.monotonic);
  if (parts_.clients.flush(now.monotonic)) ready_.clients = true;
  deadline_ = output.next_deadline;
  fatal_ = std::move(output.fatal);
}

void EventLoop::answer(node::ClientReply&& reply, Instant now) {
  Response& response = reply.response;
  const auto count = [&](http::DoorKind door) { meter_.answered(door, response.correlation, response, now); };
  if (RespServer::is_own(reply.to)) {  // it keeps stamps, and makes a token when one is asked for
    count(http::DoorKind::resp);
    return parts_.resp.reply(reply.to, std::move(response));
  }
  if (response.seen != 0) response.token = parts_.tokens.make({{parts_.node.region, response.seen}});
  if (HttpServer::is_own(reply.to)) {
    count(http::DoorKind::http);
    return parts_.http.reply(reply.to, std::move(response));
  }
  count(http::DoorKind::client);
  parts_.clients.reply(reply.to, std::move(response));
}

void EventLoop::handle_signals(Now now) {
  while (const int number = parts_.signals.take()) {
    if (drain_until_) {
      parts_.log.write(LogLevel::info, "stopping at once node=" + parts_.node.name);
      drain_until_ = now.monotonic;
      continue;
    }
    parts_.log.write(LogLevel::info,
                     "stopping node=" + parts_.node.name + " signal=SIG" + sigabbrev_np(number));
    drain_until_ = now.monotonic + kDrain;
    parts_.resp.begin_drain();
    parts_.http.begin_drain();
    parts_.engine.begin_drain(now);
  }
}

http::Figures EventLoop::figures() const {
  http::Figures out;
  out.counts = meter_.counts();
  const resp::NodeFigures node = parts_.resp.figures();
  const ClientStats clients = parts_.clients.stats();
  const auto door = [&](http::DoorKind kind) -> http::DoorFigures& {
    return out.doors[static_cast<size_t>(kind)];
  };
  door(http::DoorKind::client) = {parts_.clients.clients_known(), 0, clients.busy};
  door(http::DoorKind::resp) = {node.clients, node.connections, node.refused_connections};
  door(http::DoorKind::http) = parts_.http.door_figures();
  out.resident_bytes = node.resident_bytes;
  out.cpu_seconds = node.cpu_user_seconds + node.cpu_system_seconds;
  out.uptime_seconds = static_cast<double>(node.uptime_seconds);
  return out;
}

bool EventLoop::ended(Now now) const {
  return drain_until_ && (parts_.engine.drained() || now.monotonic >= *drain_until_);
}

}  // namespace atolldb::region
