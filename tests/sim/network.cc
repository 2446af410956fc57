#include "tests/sim/network.h"

#include <algorithm>
#include <utility>

namespace atolldb::sim {

Network::Network(const NetworkOptions& options, std::vector<uint32_t> region_of, EventQueue& events,
                 uint64_t seed, std::function<void(uint32_t, uint32_t, bool)> link_news)
    : options_(options),
      region_of_(std::move(region_of)),
      machines_(static_cast<uint32_t>(region_of_.size())),
      events_(events),
      prng_(seed),
      link_news_(std::move(link_news)),
      links_(size_t{machines_} * machines_),
      alive_(machines_),
      clogged_(machines_) {}

Duration Network::delay(uint32_t from, uint32_t to) {
  const uint32_t a = region_of_[from], b = region_of_[to];
  Duration out = a == b ? options_.local_delay : Duration::micros(options_.distance_us[a][b]);
  if (options_.jitter_max.ns > 0)
    out = out + Duration{static_cast<int64_t>(prng_.below(static_cast<uint64_t>(options_.jitter_max.ns)))};
  return out + clogged_[from] + clogged_[to];
}

void Network::put(Instant at, uint32_t from, uint32_t to, uint32_t connection, Bytes&& frame) {
  events_.push(at, EventKind::frame, from, to, packets_.put({connection, std::move(frame)}));
}

void Network::hold(Link& link, Bytes&& frame) {
  if (!link.held) link.held = std::make_unique<std::deque<Bytes>>();
  if (link.held->size() >= kHeldFramesMax)
    ++counts_.refused;
  else
    link.held->push_back(std::move(frame));
}

void Network::send(Instant now, uint32_t from, uint32_t to, Bytes&& frame) {
  Link& link = this->link(from, to);
  ++counts_.frames;
  counts_.bytes += frame.size();
  if (on_send) on_send(now, from, to, frame);
  if (!link.connected) {
    ++counts_.refused;
    return;
  }
  if ((rates.lost > 0 && prng_.chance(rates.lost, 1000)) || (loses && loses(from, to, frame))) {
    ++counts_.lost;
    return;
  }
  Instant at = now + delay(from, to);
  if (options_.datagrams) {
    if (rates.doubled > 0 && prng_.chance(rates.doubled, 1000)) {
      ++counts_.doubled;
      put(at + Duration::micros(static_cast<int64_t>(prng_.below(50'000))), from, to, link.connection,
          Bytes(frame));
    }
    if (rates.reordered > 0 && prng_.chance(rates.reordered, 1000)) {
      ++counts_.reordered;
      return put(at + Duration::micros(static_cast<int64_t>(prng_.below(20'000))), from, to, link.connection,
                 std::move(frame));
    }
  }
  at = link.last_arrival = std::max(at, link.last_arrival);  // a connection keeps its order
  put(at, from, to, link.connection, std::move(frame));
}

bool Network::arrive(Instant, const Event& event, Bytes& frame) {
  Packet packet = packets_.take(event.payload);
  Link& link = this->link(event.a, event.b);
  if (packet.connection != link.connection || !link.connected) return false;
  if (link.blocks > 0) {
    hold(link, std::move(packet.frame));
    return false;
  }
  frame = std::move(packet.frame);
  return true;
}

void Network::arm(Instant at, uint32_t from, uint32_t to) {
  events_.push(at, EventKind::link, from, to, ++link(from, to).timer);
}

void Network::connect_later(Instant now, uint32_t from, uint32_t to) {
  arm(now + Duration::millis(1 + static_cast<int64_t>(prng_.below(200))), from, to);
}

void Network::disconnect(uint32_t from, uint32_t to, bool tell) {
  Link& link = this->link(from, to);
  if (link.connected) ++counts_.broken;
  link.connected = false;
  ++link.connection;
  ++link.timer;
  link.held.reset();
  if (tell && std::exchange(link.told, false)) link_news_(from, to, false);
}

void Network::handle_link(Instant now, const Event& event) {
  const uint32_t from = event.a, to = event.b;
  Link& link = this->link(from, to);
  if (event.payload != link.timer) return;
  if (link.connected || !alive_[from] || !alive_[to]) return disconnect(from, to, true);
  if (link.blocks > 0) return;  // tried again when the block ends
  link.connected = true;
  link.last_arrival = now;
  link.told = true;
  link_news_(from, to, true);
}

void Network::block(Instant now, uint32_t from, uint32_t to, Block why) {
  Link& link = this->link(from, to);
  ++link.blocks;
  if (why == Block::cut && link.cuts++ == 0 && link.connected) arm(now + kSilenceMax, from, to);
}

void Network::unblock(Instant now, uint32_t from, uint32_t to, Block why) {
  Link& link = this->link(from, to);
  if (why == Block::cut && link.cuts > 0 && --link.cuts == 0 && link.connected && alive_[from] && alive_[to])
    ++link.timer;  // it lives: no timeout any more
  if (link.blocks == 0 || --link.blocks > 0) return;
  if (!link.connected) {
    if (alive_[from] && alive_[to]) connect_later(now, from, to);
    return;
  }
  if (!link.held) return;
  // At once: what is still on its way was sent after them.
  const auto held = std::move(link.held);
  for (Bytes& frame : *held) put(now, from, to, link.connection, std::move(frame));
}

void Network::up(Instant now, uint32_t machine) {
  alive_[machine] = true;
  for (uint32_t other = 0; other < machines_; ++other) {
    if (other == machine || !alive_[other]) continue;
    for (const auto& [from, to] : {std::pair(machine, other), std::pair(other, machine)}) {
      if (link(from, to).connected) disconnect(from, to, true);
      connect_later(now, from, to);
    }
  }
}

void Network::down(Instant now, uint32_t machine, bool noticed) {
  alive_[machine] = false;
  for (uint32_t other = 0; other < machines_; ++other) {
    if (other == machine) continue;
    link(machine, other).told = false;
    disconnect(machine, other, false);
    Link& towards = link(other, machine);
    if (!towards.connected) continue;
    if (noticed)
      disconnect(other, machine, true);
    else
      arm(now + kSilenceMax, other, machine);  // until then frames go nowhere
  }
}

}  // namespace atolldb::sim
