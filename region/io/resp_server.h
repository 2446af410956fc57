#pragma once
// The port for Redis clients: TCP connections, each with its protocol (region/resp/connection.h), on the loop
// that drives everything else.
//
// Bounds (G9): connections; for each, what region/resp/connection.h bounds; for all together, bytes of input
// that is not begun and of requests in work. Past them a node reads no more from those who hold most, until
// there is room; a command that does not come to its end, answers that are not taken, and idle connections
// are ended after a while.

#include <asio.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "crdt/base/log.h"
#include "crdt/base/prng.h"
#include "crdt/base/result.h"
#include "crdt/base/time.h"
#include "region/io/client_server.h"
#include "region/resp/connection.h"
#include "wan/io/log_limit.h"

namespace atolldb::region {

struct RespLimits {
  resp::ConnectionLimits connection;
  size_t connections_max = 10'000;
  size_t input_bytes_all_max = 128u << 20;   // waiting to be begun
  size_t input_bytes_small = 64u << 10;      // connections with no more than this are read from in any case
  size_t output_bytes_all_max = 256u << 20;  // beyond, connections with more than a little of it wait
  Duration half_sent_max = Duration::seconds(30);  // a command that does not go on
  Duration unread_max = Duration::seconds(30);     // answers that are not taken
  Duration idle_max = Duration::seconds(3600);
};

class RespServer {
 public:
  // Errc::io: the address cannot be bound.
  static Result<std::unique_ptr<RespServer>> open(asio::io_context& io, const topology::Address& address,
                                                  resp::Node&& node, uint64_t seed, const RespLimits& limits,
                                                  EventLog& log);
  ~RespServer();

  // What the connections have asked and may ask now; each is answered once.
  void take_requests(std::vector<ClientServer::Accepted>& requests);
  bool has_requests() const { return !ready_.empty(); }
  // Whether a name that the engine answers to is one of this server's.
  static bool is_own(const node::ClientId& to) {
    return to.route.size() == kNameBytes && to.route.front() == kDoor;
  }
  void reply(const node::ClientId& to, Response&& response);
  // Writes what is there to be written.
  void flush(Instant now);
  // Once a second: ends connections that do not go on.
  void tick(Instant now);
  Instant next_deadline() const { return next_tick_; }
  resp::NodeFigures figures() const;
  // Takes no more connections and no more commands.
  void begin_drain();

 private:
  static constexpr char kDoor = 'r';
  // door 1 | connection 3 | its generation 3 | slot 4 | part 4: as long as a string without memory of its
  // own, and no other door's names are.
  static constexpr size_t kNameBytes = 15;
  struct Peer;

  RespServer(asio::io_context& io, resp::Node&& node, uint64_t seed, const RespLimits& limits, EventLog& log);
  Status listen(const topology::Address& address);
  void accept();
  void welcome(asio::ip::tcp::socket&& socket);
  void wait_to_read(Peer& peer);
  void read(Peer& peer);
  void took(Peer& peer);
  bool is_full(const Peer& peer) const;
  void hand_over(Peer& peer, std::vector<ClientServer::Accepted>& requests);
  void write(Peer& peer);
  void wait_to_write(Peer& peer);
  void close(Peer& peer);
  bool may_read(const Peer& peer) const;
  void favour();
  void resume_reading();

  asio::io_context& io_;
  asio::ip::tcp::acceptor acceptor_;
  resp::Node node_;
  Prng random_;
  const RespLimits limits_;
  EventLog& log_;
  std::vector<std::unique_ptr<Peer>> peers_;  // by number; empty places are used again
  std::vector<uint32_t> free_;
  uint32_t generation_ = 0;
  size_t count_ = 0;
  std::vector<resp::Connection::Asked> asked_;  // of the connection in hand
  std::vector<uint32_t> ready_;                 // connections with requests to hand over
  std::vector<uint32_t> to_write_;
  std::vector<uint32_t> paused_;
  size_t input_bytes_ = 0, output_bytes_ = 0;  // that wait, of all connections
  std::optional<uint32_t> favoured_;           // reads on although there is too much input
  Instant favoured_since_{INT64_MIN / 2};
  Instant now_, next_tick_, started_;
  bool draining_ = false;
  uint64_t connections_ = 0, refused_ = 0, commands_ = 0, input_total_ = 0, output_total_ = 0;
  wan::LogLimit refused_log_;
  std::unique_ptr<char[]> scratch_;
};

}  // namespace atolldb::region
