#include "region/io/event_loop.h"

#include <signal.h>
#include <string.h>

#include <algorithm>
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

timespec until(Instant deadline, Instant now) {
  const Duration left = deadline <= now                ? Duration{}
                        : deadline == Instant::never() ? kWaitMax
                                                       : std::min(deadline - now, kWaitMax);
  return {left.ns / 1'000'000'000, left.ns % 1'000'000'000};
}

}  // namespace

EventLoop::EventLoop(const Parts& parts) : parts_(parts) {
  fds_.push_back({parts_.clients.fd(), POLLIN, 0});
  fds_.push_back({parts_.store.event_fd(), POLLIN, 0});  // -1 is left out by poll
  fds_.push_back({parts_.signals.fd(), POLLIN, 0});
  for (const int fd : parts_.transport.poll_fds()) fds_.push_back({fd, POLLIN, 0});
}

EventLoop::End EventLoop::run() {
  while (true) {
    const Now now = system_now();
    turn(now);
    if (fatal_ || ended(now)) return {std::move(fatal_), parts_.engine.drained()};
    Instant next = std::min(deadline_, parts_.transport.next_deadline());
    if (drain_until_) next = std::min(next, *drain_until_);
    ready_ = wait(next);
  }
}

EventLoop::Ready EventLoop::wait(Instant next) {
  Ready ready = ready_;  // what still has something although its descriptor does not say so
  const timespec timeout = ready.any() ? timespec{} : until(next, system_now().monotonic);
  if (ppoll(fds_.data(), fds_.size(), &timeout, nullptr) <= 0) return ready;
  ready.clients |= fds_[0].revents != 0;
  ready.store |= fds_[1].revents != 0;
  ready.signals |= fds_[2].revents != 0;
  for (size_t i = 3; i < fds_.size(); ++i) ready.transport |= fds_[i].revents != 0;
  return ready;
}

void EventLoop::turn(Now now) {
  const Ready ready = std::exchange(ready_, {false, false, false, false});
  if (ready.signals) handle_signals(now);
  if (ready.store) parts_.engine.handle_storage(now);
  if (ready.transport || parts_.transport.next_deadline() <= now.monotonic)
    ready_.transport = take_peers(now);
  if (ready.clients) ready_.clients = take_clients(now);
  if (deadline_ <= now.monotonic) parts_.engine.handle_tick(now);
  carry_out(now);
}

// True: there may be more.
bool EventLoop::take_peers(Now now) {
  changes_.clear();
  parts_.transport.receive(now.monotonic, kPeerFramesMax, frames_, changes_);
  for (const auto& change : changes_) parts_.engine.handle_link(now, change.peer, change.up);
  for (const auto& received : frames_) parts_.engine.handle_peer_frame(now, received.from, received.frame);
  const bool more = !frames_.empty();
  frames_.clear();  // they may be large
  return more;
}

bool EventLoop::take_clients(Now now) {
  requests_.clear();
  const bool more = parts_.clients.receive(now.monotonic, kClientFramesMax, requests_);
  for (auto& accepted : requests_)
    parts_.engine.handle_request(now, accepted.client, std::move(accepted.request));
  return more;
}

void EventLoop::carry_out(Now now) {
  node::Output output = parts_.engine.take_output();
  if (parts_.engine.cut_regions() != cut_) {
    cut_ = parts_.engine.cut_regions();
    parts_.transport.set_cut(cut_);
    ready_.transport = true;  // the cut links' changes
  }
  for (auto& frame : output.frames) parts_.transport.send(now.monotonic, frame.to, std::move(frame.bytes));
  for (auto& reply : output.replies) parts_.clients.reply(reply.to, std::move(reply.response));
  if (parts_.clients.flush(now.monotonic)) ready_.clients = true;
  deadline_ = output.next_deadline;
  fatal_ = std::move(output.fatal);
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
    parts_.engine.begin_drain(now);
  }
}

bool EventLoop::ended(Now now) const {
  return drain_until_ && (parts_.engine.drained() || now.monotonic >= *drain_until_);
}

}  // namespace atolldb::region
