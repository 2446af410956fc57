#include "region/io/client_server.h"

#include <zmq.h>

#include <algorithm>
#include <utility>

#include "region/core/request_codec.h"
#include "region/io/log_line.h"
#include "wan/io/socket_options.h"
#include "wan/io/zmq_message.h"

namespace atolldb::region {
namespace {

constexpr int kReceivedFramesMax = 64;   // of one client, in ZeroMQ's queue
constexpr int kSentFramesMax = 16'384;   // of one client; bytes are bounded by ClientLimits
constexpr size_t kPendingKeptMax = 256;  // responses that a client's queue keeps memory for

// What still fits into a frame of responses.
class FrameRoom {
 public:
  bool take(const Response& response) {
    const size_t size = encoded_bytes_max(response);
    if (messages_ == 0 || size > bytes_ || response.values.size() > items_) return false;
    --messages_;
    bytes_ -= size;
    items_ -= response.values.size();
    return true;
  }

 private:
  size_t messages_ = kClientFrameMessagesMax, bytes_ = kClientFrameBytesMax, items_ = kClientFrameItemsMax;
};

// Requires: each response fits into a frame.
std::vector<std::vector<Response>> split(std::vector<Response>&& responses) {
  std::vector<std::vector<Response>> frames(1);
  FrameRoom room;
  for (auto& response : responses) {
    if (!room.take(response)) {
      frames.emplace_back();
      room = {};
      room.take(response);
    }
    frames.back().push_back(std::move(response));
  }
  return frames;
}

Response rejected(uint64_t correlation, NodeNumber node, Errc code, std::string message) {
  Response response;
  response.correlation = correlation;
  response.outcome = Outcome::rejected;
  response.code = code;
  response.message = std::move(message);
  response.node = node;
  return response;
}

}  // namespace

Result<std::unique_ptr<ClientServer>> ClientServer::open(void* zmq_context, const topology::Node& node,
                                                         const ClientLimits& limits, EventLog& log) {
  auto socket = wan::ZmqSocket::open(zmq_context, ZMQ_ROUTER);
  if (!socket) return socket.error();
  wan::set_tcp_options(*socket, kClientFrameBytesMax);
  socket->set(ZMQ_ROUTER_MANDATORY, 1);
  socket->set(ZMQ_RCVHWM, kReceivedFramesMax);
  socket->set(ZMQ_SNDHWM, kSentFramesMax);
  if (auto bound = wan::bind_address(*socket, node.client, "client"); !bound) return bound.error();
  return std::unique_ptr<ClientServer>(new ClientServer(std::move(*socket), node, limits, log));
}

ClientServer::ClientServer(wan::ZmqSocket socket, const topology::Node& node, const ClientLimits& limits,
                           EventLog& log)
    : socket_(std::move(socket)), node_(node), limits_(limits), log_(log), in_flight_(limits.in_flight) {}

void ClientServer::set_linger(Duration duration) {
  socket_.set(ZMQ_LINGER, static_cast<int>(duration.as_millis()));
}

bool ClientServer::receive(Instant now, size_t frames_max, std::vector<Accepted>& requests) {
  for (size_t i = 0; i < frames_max; ++i) {
    wan::Message route;
    if (!route.receive(socket_.handle())) return false;
    wan::Message frame;
    if (!route.more() || !frame.receive(socket_.handle())) continue;
    const bool single_part = !frame.more();
    for (wan::Message rest; frame.more() && rest.receive(socket_.handle()) && rest.more();) continue;
    take_frame(now, Bytes(route.bytes()), frame.bytes(), single_part, requests);
  }
  return true;
}

void ClientServer::take_frame(Instant now, Bytes&& route, BytesView frame, bool single_part,
                              std::vector<Accepted>& requests) {
  ++stats_.frames_received;
  const uint32_t client = client_number(std::move(route));
  auto decoded = single_part
                     ? decode_requests(frame)
                     : Result<std::vector<Request>>(
                           Errc::corrupt, "found a message of several parts, expected one frame in one part");
  if (decoded) {
    for (auto& request : *decoded) accept(client, std::move(request), requests);
    return;
  }
  ++stats_.refused_frames;
  queue(client, rejected(0, node_.number, decoded.error().code, decoded.error().message));
  if (const auto held_back = refused_log_.allow(now))
    log_.write(LogLevel::warn, "client frame refused node=" + node_.name +
                                   log_field("reason", decoded.error().message) +
                                   " held_back=" + std::to_string(*held_back));
}

void ClientServer::accept(uint32_t number, Request&& request, std::vector<Accepted>& requests) {
  ++stats_.requests;
  Client& client = clients_[number];
  const char* busy = why_busy(client);
  if (busy == nullptr) {
    if (auto place = in_flight_.take({number, bytes_of(request), request.correlation})) {
      ++client.in_flight;
      requests.push_back({{std::move(*place)}, std::move(request)});
      return;
    }
    busy = "this node has as much work in flight as it takes";
  }
  ++stats_.busy;
  queue(number, rejected(request.correlation, node_.number, Errc::busy, busy));
}

// Nothing: it may send another request.
const char* ClientServer::why_busy(const Client& client) const {
  if (client.in_flight >= limits_.requests_per_client_max)
    return "this connection has as many requests in flight as one may have; wait for responses";
  if (client.waiting->load() > limits_.waiting_bytes_busy)
    return "this connection has not taken the responses that wait for it";
  if (waiting_->load() > limits_.waiting_bytes_all_busy)
    return "responses that clients have not taken fill this node's memory for them";
  return nullptr;
}

void ClientServer::reply(const node::ClientId& to, Response&& response) {
  const auto place = in_flight_.give_back(to.route);
  if (!place) {
    ++stats_.dropped;
    return;
  }
  --clients_[place->client].in_flight;
  response.correlation = place->correlation;
  queue(place->client, std::move(response));
}

void ClientServer::queue(uint32_t number, Response&& response) {
  Client& client = clients_[number];
  if (client.pending.empty()) to_flush_.push_back(number);
  client.pending.push_back(std::move(response));
}

uint32_t ClientServer::client_number(Bytes&& route) {
  if (const auto known = number_of_.find(route); known != number_of_.end()) return known->second;
  if (number_of_.size() >= forget_at_) forget_idle();
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(clients_.size()));
    clients_.emplace_back();
  }
  const uint32_t number = free_.back();
  free_.pop_back();
  Client& client = clients_[number];
  client.waiting = std::make_shared<wan::ByteGauge>();
  client.waiting->total = waiting_;
  client.route = route;
  number_of_.emplace(std::move(route), number);
  return number;
}

// ZeroMQ does not tell a ROUTER when a client goes. Entries of clients that wait for nothing cost memory
// only, and are looked for whenever their number has doubled.
void ClientServer::forget_idle() {
  for (uint32_t number = 0; number < clients_.size(); ++number) {
    Client& client = clients_[number];
    const bool idle =
        client.in_flight == 0 && client.pending.empty() && client.waiting && client.waiting->load() == 0;
    if (client.route.empty() || !idle) continue;
    number_of_.erase(client.route);
    client = Client{};
    free_.push_back(number);
  }
  forget_at_ = std::max<size_t>(64, 2 * number_of_.size());
}

bool ClientServer::flush(Instant now) {
  if (to_flush_.empty()) return false;
  for (const uint32_t number : to_flush_) flush_client(now, clients_[number]);
  to_flush_.clear();
  // Sending made the socket look at what its I/O thread has to say, arrivals included.
  return (socket_.events() & ZMQ_POLLIN) != 0;
}

void ClientServer::flush_client(Instant now, Client& client) {
  uint64_t dropped = 0;
  const auto send_frame = [&](const std::vector<Response>& frame) {
    (send(client, frame) ? stats_.responses : dropped) += frame.size();
  };
  for (auto& response : client.pending)
    if (!FrameRoom().take(response))
      response = rejected(response.correlation, node_.number, Errc::too_large,
                          "the answer is larger than one frame may be; ask for less at a time");
  if (FrameRoom room; std::all_of(client.pending.begin(), client.pending.end(),
                                  [&](const Response& response) { return room.take(response); }))
    send_frame(client.pending);
  else
    for (const auto& frame : split(std::move(client.pending))) send_frame(frame);
  client.pending.clear();
  if (client.pending.capacity() > kPendingKeptMax) client.pending = {};
  if (dropped == 0) return;
  stats_.dropped += dropped;
  if (const auto held_back = dropped_log_.allow(now))
    log_.write(LogLevel::info, "client gone or not reading node=" + node_.name + " responses_dropped=" +
                                   std::to_string(dropped) + " held_back=" + std::to_string(*held_back));
}

bool ClientServer::send(Client& client, const std::vector<Response>& responses) {
  if (client.waiting->load() > limits_.waiting_bytes_max || waiting_->load() > limits_.waiting_bytes_all_max)
    return false;
  const int flags = ZMQ_SNDMORE | ZMQ_DONTWAIT;
  const auto send_route = [&] {
    return zmq_send(socket_.handle(), client.route.data(), client.route.size(), flags) >= 0;
  };
  // As in PeerLink::send: a refusal may rest on old news.
  if (!send_route() && (zmq_errno() != EAGAIN || (socket_.events(), !send_route()))) return false;
  const Bytes bytes = encode_responses(responses);
  zmq_msg_t message;
  wan::init_counted(&message, {}, bytes, client.waiting);
  if (zmq_msg_send(&message, socket_.handle(), ZMQ_DONTWAIT) >= 0) return true;
  zmq_msg_close(&message);
  return false;
}

}  // namespace atolldb::region
