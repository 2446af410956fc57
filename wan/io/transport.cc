#include "wan/io/transport.h"

#include <sys/epoll.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>

#include "wan/io/curve_keys.h"
#include "wan/io/frame.h"
#include "wan/io/link_shaper.h"
#include "wan/io/log_limit.h"
#include "wan/io/peer_link.h"
#include "wan/io/socket_options.h"
#include "wan/io/zap_handler.h"
#include "wan/io/zmq_message.h"
#include "wan/io/zmq_socket.h"

namespace atolldb::wan {
namespace {

constexpr int kReceivedFramesMax = 32;  // a connection, in ZeroMQ's queue
constexpr size_t kReceiveBytesMax =
    kPeerFrameBytesMax;              // handed out by one receive(), give or take one frame
constexpr int kCloseLingerMs = 200;  // the last words of a clean stop

// The node that the ZAP handler bound to this connection's key.
std::optional<NodeNumber> sender_of(const Message& message) {
  const char* user = message.property("User-Id");
  if (user == nullptr) return std::nullopt;
  uint16_t number = 0;
  const char* end = user + std::strlen(user);
  const auto [stop, error] = std::from_chars(user, end, number);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return NodeNumber{number};
}

class ZmqTransport final : public Transport {
 public:
  ZmqTransport(const topology::Topology& topology, const topology::Node& self, EventLog& log,
               ZmqSocket router, std::unique_ptr<ZapHandler> zap, int control_fd);
  ~ZmqTransport() override;

  Status connect(void* context, const PeerLink::Keys& keys);

  bool send(Instant now, NodeNumber to, Bytes&& frame) override;
  bool receive(Instant now, size_t frames_max, std::vector<Received>& frames,
               std::vector<LinkChange>& changes) override;
  std::vector<int> poll_fds() const override { return {router_.fd(), control_fd_}; }
  Instant next_deadline() const override;
  void set_cut(const std::vector<RegionId>& regions) override;
  TransportStats stats() const override;

 private:
  struct Peer {
    const topology::Node* node = nullptr;
    std::unique_ptr<PeerLink> link;
    bool up = false;
    LogLimit invalid_log, oversized_log;
    LogLimit rejected_log{Duration::seconds(10)};  // while it lasts, every reconnect fails
  };

  void watch(int fd);
  bool transmit(Peer& peer, BytesView frame);
  void release_due(Instant now);
  void handle_control(Instant now, std::vector<LinkChange>& changes);
  void handle_link_events(Instant now, Peer& peer, std::vector<LinkChange>& changes);
  void log_refusals(Instant now);
  bool receive_one(Instant now, std::vector<Received>& frames);
  void take_frame(Instant now, Message& message, std::vector<Received>& frames);
  void refuse_frame(Instant now, Peer& peer, const std::string& why);
  bool cut(const Peer& peer) const { return cut_[raw(peer.node->region)]; }
  Peer* find(NodeNumber number);
  void log(LogLevel level, const std::string& phrase, const std::string& fields);

  EventLog& log_;
  const std::string who_;            // the fields that every line begins with
  std::unique_ptr<ZapHandler> zap_;  // outlives the router: without it nobody is let in
  ZmqSocket router_;
  const int control_fd_;  // epoll over the monitors and the ZAP handler: one descriptor however many peers
  std::map<NodeNumber, Peer> peers_;
  std::vector<LinkShaper> shapers_;      // by region
  std::vector<bool> cut_;                // by region
  std::vector<LinkChange> cut_changes_;  // of set_cut(), for the next receive()
  std::vector<PeerLink::Event> events_;
  LogLimit zap_log_;
  TransportStats stats_;
};

std::vector<LinkShaper> make_shapers(const topology::Topology& topology, RegionId own) {
  std::vector<LinkShaper> shapers;
  for (const auto& region : topology.regions) {
    LinkShaper::Config config;
    for (const auto& link : topology.links) {
      const bool ours = (link.a == own && link.b == region.id) || (link.b == own && link.a == region.id);
      if (!ours || region.id == own) continue;
      config.delay = Duration::millis(link.delay_ms);
      config.bytes_per_second_max = link.bytes_per_second_max;
    }
    shapers.emplace_back(config);
  }
  return shapers;
}

ZmqTransport::ZmqTransport(const topology::Topology& topology, const topology::Node& self, EventLog& log,
                           ZmqSocket router, std::unique_ptr<ZapHandler> zap, int control_fd)
    : log_(log),
      who_(" region=" + topology.regions[raw(self.region)].name + " node=" + self.name),
      zap_(std::move(zap)),
      router_(std::move(router)),
      control_fd_(control_fd),
      shapers_(make_shapers(topology, self.region)),
      cut_(topology.regions.size(), false) {
  for (const auto& node : topology.nodes)
    if (node.number != self.number) peers_[node.number].node = &node;
  watch(zap_->event_fd());
}

ZmqTransport::~ZmqTransport() {
  for (auto& [number, peer] : peers_)
    if (peer.link) peer.link->set_linger(kCloseLingerMs);
  close(control_fd_);
}

Status ZmqTransport::connect(void* context, const PeerLink::Keys& keys) {
  for (auto& [number, peer] : peers_) {
    auto link = PeerLink::open(context, *peer.node, keys);
    if (!link) return link.error();
    peer.link = std::move(*link);
    watch(peer.link->monitor_fd());
  }
  return ok();
}

void ZmqTransport::watch(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  ensure(epoll_ctl(control_fd_, EPOLL_CTL_ADD, fd, &event) == 0, "an epoll set takes a descriptor");
}

ZmqTransport::Peer* ZmqTransport::find(NodeNumber number) {
  const auto found = peers_.find(number);
  return found == peers_.end() ? nullptr : &found->second;
}

void ZmqTransport::log(LogLevel level, const std::string& phrase, const std::string& fields) {
  log_.write(level, phrase + who_ + " " + fields);
}

bool ZmqTransport::send(Instant now, NodeNumber to, Bytes&& frame) {
  Peer* peer = find(to);
  if (peer != nullptr && frame.size() > kPeerFrameBytesMax)
    if (const auto held_back = peer->oversized_log.allow(now))
      log(LogLevel::error, "a frame is too large to be sent",
          "to=" + peer->node->name + " bytes=" + std::to_string(frame.size()) +
              " at_most=" + std::to_string(kPeerFrameBytesMax) + " held_back=" + std::to_string(*held_back));
  if (peer == nullptr || frame.size() > kPeerFrameBytesMax || cut(*peer)) {
    ++stats_.dropped;
    return false;
  }
  LinkShaper& shaper = shapers_[raw(peer->node->region)];
  if (!shaper.shapes()) return transmit(*peer, frame);
  release_due(now);
  const bool taken = peer->up && shaper.push(now, to, std::move(frame));
  if (!taken) ++stats_.dropped;
  return taken;
}

bool ZmqTransport::transmit(Peer& peer, BytesView frame) {
  if (!peer.link->send(frame)) {
    ++stats_.dropped;
    return false;
  }
  ++stats_.frames_sent;
  stats_.bytes_sent += frame.size();
  return true;
}

void ZmqTransport::release_due(Instant now) {
  for (auto& shaper : shapers_)
    while (auto held = shaper.pop(now)) transmit(*find(held->to), held->frame);
}

bool ZmqTransport::receive(Instant now, size_t frames_max, std::vector<Received>& frames,
                           std::vector<LinkChange>& changes) {
  release_due(now);
  changes.insert(changes.end(), cut_changes_.begin(), cut_changes_.end());
  cut_changes_.clear();
  handle_control(now, changes);
  const size_t first = frames.size();
  const uint64_t bytes = stats_.bytes_received;
  while (frames.size() - first < frames_max && stats_.bytes_received - bytes < kReceiveBytesMax)
    if (!receive_one(now, frames)) return false;
  return true;
}

bool ZmqTransport::receive_one(Instant now, std::vector<Received>& frames) {
  Message route;
  if (!route.receive(router_.handle())) return false;
  Message message;
  if (!route.more() || !message.receive(router_.handle())) return true;
  if (!message.more()) {
    take_frame(now, message, frames);
    return true;
  }
  while (message.more() && message.receive(router_.handle())) continue;
  if (const auto from = sender_of(message))
    if (Peer* peer = find(*from)) refuse_frame(now, *peer, "problem=\"a message of several parts\"");
  return true;
}

void ZmqTransport::take_frame(Instant now, Message& message, std::vector<Received>& frames) {
  const auto from = sender_of(message);
  Peer* peer = from ? find(*from) : nullptr;
  // ZeroMQ lets a connection through unasked when no ZAP handler lives; without a user id it says nothing
  // here.
  if (peer == nullptr) {
    ++stats_.invalid;
    return;
  }
  const auto head = read_head(message.bytes());
  if (!head) return refuse_frame(now, *peer, "problem=\"too short for a head\"");
  if (*head != FrameHead{})
    return refuse_frame(now, *peer,
                        "problem=\"another protocol version\" found=" + std::to_string(head->version) + "/" +
                            std::to_string(head->kind) + " expected=" + std::to_string(kFrameVersion) + "/1");
  if (cut(*peer)) {
    ++stats_.dropped;
    return;
  }
  const BytesView body = message.bytes().substr(kFrameHeadBytes);
  ++stats_.frames_received;
  stats_.bytes_received += body.size();
  frames.push_back({*from, Bytes(body)});
}

void ZmqTransport::refuse_frame(Instant now, Peer& peer, const std::string& why) {
  ++stats_.invalid;
  if (const auto held_back = peer.invalid_log.allow(now))
    log(LogLevel::error, "peer frame refused",
        "peer=" + peer.node->name + " " + why + " held_back=" + std::to_string(*held_back));
}

void ZmqTransport::handle_control(Instant now, std::vector<LinkChange>& changes) {
  epoll_event ready[1];
  if (epoll_wait(control_fd_, ready, 1, 0) <= 0) return;
  for (auto& [number, peer] : peers_) handle_link_events(now, peer, changes);
  log_refusals(now);
}

void ZmqTransport::handle_link_events(Instant now, Peer& peer, std::vector<LinkChange>& changes) {
  events_.clear();
  peer.link->take_events(events_);
  for (const auto event : events_) {
    if (event == PeerLink::Event::up || event == PeerLink::Event::down) {
      const bool up = event == PeerLink::Event::up;
      if (up == peer.up) continue;
      peer.up = up;
      log(LogLevel::info, up ? "peer link up" : "peer link down", "peer=" + peer.node->name);
      if (!cut(peer)) changes.push_back({peer.node->number, up});
    } else if (const auto held_back = peer.rejected_log.allow(now)) {
      log(LogLevel::warn, "peer handshake failed",
          "peer=" + peer.node->name + " address=" + endpoint_of(peer.node->peer) +
              " hint=\"our key may be missing in its topology, or its key differs from the one in ours\" "
              "held_back=" +
              std::to_string(*held_back));
    }
  }
}

void ZmqTransport::log_refusals(Instant now) {
  for (const auto& refusal : zap_->take_refusals())
    if (const auto held_back = zap_log_.allow(now))
      log(LogLevel::warn, "connection refused",
          "address=" + refusal.address +
              " public_key=" + (refusal.public_key.empty() ? "none" : refusal.public_key) + " reason=\"" +
              refusal.reason + "\" held_back=" + std::to_string(*held_back));
}

Instant ZmqTransport::next_deadline() const {
  Instant next = Instant::never();
  for (const auto& shaper : shapers_) next = std::min(next, shaper.next_due());
  return next;
}

void ZmqTransport::set_cut(const std::vector<RegionId>& regions) {
  std::vector<bool> cut(cut_.size(), false);
  for (const auto region : regions)
    if (raw(region) < cut.size()) cut[raw(region)] = true;
  for (const auto& [number, peer] : peers_) {
    const size_t region = raw(peer.node->region);
    if (cut[region] != cut_[region] && peer.up) cut_changes_.push_back({number, !cut[region]});
  }
  for (size_t region = 0; region < cut.size(); ++region)
    if (cut[region]) stats_.dropped += shapers_[region].clear();
  cut_ = std::move(cut);
}

TransportStats ZmqTransport::stats() const {
  TransportStats stats = stats_;
  stats.refused = zap_->refused();
  return stats;
}

Result<const topology::Node*> own_node(const TransportConfig& config, const topology::Topology& topology) {
  for (const auto& node : topology.nodes)
    if (node.number == config.self) return &node;
  return {Errc::invalid, "the topology has no node with number " + std::to_string(raw(config.self))};
}

Result<ZmqSocket> open_router(void* context, const topology::Node& self, const std::string& secret_key) {
  auto router = ZmqSocket::open(context, ZMQ_ROUTER);
  if (!router) return router;
  set_tcp_options(*router, kPeerFrameBytesMax + kFrameHeadBytes);
  router->set(ZMQ_CURVE_SERVER, 1);
  router->set(ZMQ_CURVE_SECRETKEY, secret_key);
  router->set(ZMQ_ZAP_DOMAIN, std::string_view(kZapDomain));
  router->set(ZMQ_RCVHWM, kReceivedFramesMax);
  router->set(ZMQ_SNDHWM, 1);  // nothing is ever sent on it
  if (auto bound = bind_address(*router, self.peer, "peer"); !bound) return bound.error();
  return router;
}

}  // namespace

Result<std::unique_ptr<Transport>> Transport::open(const TransportConfig& config,
                                                   const topology::Topology& topology, void* zmq_context,
                                                   EventLog& log) {
  const auto self = own_node(config, topology);
  if (!self) return self.error();
  const auto public_key = public_key_of(config.secret_key);
  if (!public_key) return public_key.error();
  if (*public_key != (*self)->public_key)
    return {Errc::invalid, "the secret key of node " + (*self)->name + " belongs to public key " +
                               *public_key + ", but the topology gives it " + (*self)->public_key};
  auto zap = ZapHandler::start(zmq_context, topology, config.self);
  if (!zap) return zap.error();
  auto router = open_router(zmq_context, **self, config.secret_key);
  if (!router) return router.error();
  const int control = epoll_create1(EPOLL_CLOEXEC);
  if (control < 0)
    return {Errc::io, std::string("no file descriptor for an epoll set: ") + std::strerror(errno)};
  auto transport =
      std::make_unique<ZmqTransport>(topology, **self, log, std::move(*router), std::move(*zap), control);
  if (auto connected = transport->connect(zmq_context, {*public_key, config.secret_key}); !connected)
    return connected.error();
  return std::unique_ptr<Transport>(std::move(transport));
}

}  // namespace atolldb::wan
