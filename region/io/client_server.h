#pragma once
// The port for C++ clients and the `atoll` command: a ZeroMQ ROUTER that takes frames of requests and gives
// frames of responses (docs/formats/client.md). What is wrong with a frame is answered, and the connection
// lives on.
//
// Bounds (G9): a frame's size; requests in flight for each client and for all, in number and bytes; response
// bytes that wait for a client that does not read. Beyond the first limits a request is answered busy and
// nothing of it happens; beyond the hard limit of waiting bytes responses are dropped, and the client's
// deadline tells it.
//
// One thread, the protocol loop, calls everything; nothing blocks.

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "crdt/base/ids.h"
#include "crdt/base/log.h"
#include "crdt/base/result.h"
#include "crdt/base/time.h"
#include "region/core/request.h"
#include "region/io/in_flight.h"
#include "region/node/engine.h"
#include "wan/io/counted_message.h"
#include "wan/io/log_limit.h"
#include "wan/io/zmq_socket.h"

namespace atolldb::region {

struct ClientLimits {
  InFlight::Limits in_flight;                // of all clients
  uint32_t requests_per_client_max = 8'192;  // in flight
  size_t waiting_bytes_busy =
      16u << 20;  // responses that a client has not taken: its requests are answered busy
  size_t waiting_bytes_max = 256u << 20;  // of one client: further responses to it are dropped
  size_t waiting_bytes_all_busy = 64u << 20;
  size_t waiting_bytes_all_max = 512u << 20;
};

struct ClientStats {
  uint64_t frames_received = 0, requests = 0, responses = 0;
  uint64_t refused_frames = 0;  // not decodable, or of another version
  uint64_t busy = 0;            // requests over a limit
  uint64_t dropped = 0;         // responses to clients that went away or do not read
};

class ClientServer {
 public:
  struct Accepted {
    node::ClientId client;
    Request request;
  };

  // Binds the node's client address. Errc::io: it cannot be bound.
  static Result<std::unique_ptr<ClientServer>> open(void* zmq_context, const topology::Node& node,
                                                    const ClientLimits& limits, EventLog& log);

  // Appends the requests of at most `frames_max` frames. True: there may be more.
  bool receive(Instant now, size_t frames_max, std::vector<Accepted>& requests);
  // Queues the response for the next flush, under the correlation that the client gave the request. Each
  // accepted request is answered once; what else comes is dropped.
  void reply(const node::ClientId& client, Response&& response);
  // Sends what is queued, one frame a client where it fits. True: requests may have arrived meanwhile, and
  // fd() will not say so: call receive().
  bool flush(Instant now);
  int fd() const { return socket_.fd(); }
  // Lets the responses that were sent leave for up to this long when the server is closed.
  void set_linger(Duration duration);
  ClientStats stats() const { return stats_; }
  // Connections that memory is kept for: at most twice those that wait for something, and at least 64.
  size_t clients_known() const { return number_of_.size(); }

 private:
  struct Client {
    Bytes route;  // ZeroMQ's name for the connection; empty: this entry is free
    uint32_t in_flight = 0;
    std::vector<Response> pending;
    std::shared_ptr<wan::ByteGauge> waiting;
  };

  ClientServer(wan::ZmqSocket socket, const topology::Node& node, const ClientLimits& limits, EventLog& log);
  void take_frame(Instant now, Bytes&& route, BytesView frame, bool single_part,
                  std::vector<Accepted>& requests);
  void accept(uint32_t client, Request&& request, std::vector<Accepted>& requests);
  const char* why_busy(const Client& client) const;
  void queue(uint32_t client, Response&& response);
  uint32_t client_number(Bytes&& route);
  void forget_idle();
  void flush_client(Instant now, Client& client);
  bool send(Client& client, const std::vector<Response>& responses);

  wan::ZmqSocket socket_;
  const topology::Node& node_;
  const ClientLimits limits_;
  EventLog& log_;
  InFlight in_flight_;
  std::vector<Client> clients_;
  std::unordered_map<Bytes, uint32_t> number_of_;  // by route
  std::vector<uint32_t> free_;                     // entries of clients_
  size_t forget_at_ = 64;                          // clients known: look for idle ones then
  std::vector<uint32_t> to_flush_;  // clients with pending responses, in order of the first one
  std::shared_ptr<wan::ByteGauge> waiting_ = std::make_shared<wan::ByteGauge>();
  wan::LogLimit refused_log_, dropped_log_;
  ClientStats stats_;
};

}  // namespace atolldb::region
