#pragma once
// The HTTP port. One thread looks after the connections: it accepts, reads heads, writes answers, ends what
// does not go on. A few others carry a request out each: they read its body, hand what it asks to the
// protocol loop, and wait for the answer. The loop is woken by a descriptor and never waits for any of them.
//
// Bounds (G9): connections; for each, a head; requests that wait for a thread; bodies in work, in number and
// bytes of all; answers that are not taken. Past them a request is answered 503. Who sends or takes nothing
// for a while is ended. A slow head and a slow reader hold no thread, and slow bodies never hold them all.
// Calls that wait for keys may hold all of theirs; /healthz and its like have others.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "crdt/base/log.h"
#include "crdt/base/result.h"
#include "crdt/base/time.h"
#include "region/http/metrics.h"
#include "region/io/client_server.h"
#include "region/io/http_protocol.h"
#include "topology/topology.h"
#include "wan/io/log_limit.h"

namespace atolldb::region {

struct HttpLimits {
  size_t connections_max = 512;
  size_t workers = 32;
  size_t node_workers = 2;   // for what asks for the node itself, and no key
  size_t waiting_max = 256;  // requests that wait for a worker of either kind
  size_t head_bytes_max = 32u << 10;
  size_t body_bytes_max = 16u << 20;
  size_t body_bytes_all_max = 64u << 20;
  size_t output_bytes_all_max = 64u << 20;
  Duration idle_max = Duration::seconds(60);
  Duration head_max = Duration::seconds(10);         // from its first byte to its last
  Duration body_silent_max = Duration::seconds(10);  // between two pieces of a body
  Duration body_max = Duration::seconds(60);
  Duration unread_max = Duration::seconds(30);  // an answer that is not taken
};

class HttpServer {
 public:
  // `regions`: the names of the cluster's. Errc::io: the address cannot be bound.
  static Result<std::unique_ptr<HttpServer>> open(const topology::Address& address, const std::string& node,
                                                  const HttpLimits& limits, EventLog& log,
                                                  std::vector<std::string> regions = {});
  // Answers what waits *unknown*, and writes for a moment what is there to be written.
  ~HttpServer();

  // -- for the protocol loop

  // Readable when there are requests.
  int fd() const { return asked_fd_; }
  void take_requests(std::vector<ClientServer::Accepted>& requests);
  static bool is_own(const node::ClientId& to) {
    return to.route.size() == kNameBytes && to.route.front() == kDoor;
  }
  void reply(const node::ClientId& to, Response&& response);
  // How the loop tells its figures; called within reply().
  void set_figures(std::function<http::Figures()> figures) { figures_ = std::move(figures); }
  // Takes no more connections; each one ends with the answer it waits for.
  void begin_drain();

  http::DoorFigures door_figures() const;

 private:
  static constexpr char kDoor = 'h';
  static constexpr size_t kNameBytes = 9;  // door 1 | ticket 8; no other door's names are as long
  struct Connection;
  struct Ticket;

  HttpServer(const std::string& node, const HttpLimits& limits, EventLog& log,
             std::vector<std::string>&& regions);
  Status listen(const topology::Address& address);
  void start();

  // -- the thread of the connections
  void look_after();
  bool take_back();
  void wait();
  void accept();
  void read_head(Connection& connection);
  void begin(Connection& connection);
  void answered(Connection& connection);
  void write(Connection& connection);
  void linger(Connection& connection);
  void expire(Connection& connection);
  void refuse(Connection& connection, int status, const char* code, const char* message);
  void busy(Connection& connection, const char* message);
  void wake();

  // -- a worker
  struct Queue {
    std::deque<Connection*> waiting;
    std::condition_variable work;
  };
  void work(Queue& queue);
  void carry_out(Connection& connection);
  bool more(Connection& connection, HttpWire& wire, Instant begin) const;
  Response ask(Request&& request, http::Figures* figures);
  std::string metrics();

  const std::string node_;
  const std::vector<std::string> regions_;
  const HttpLimits limits_;
  EventLog& log_;
  HttpProtocol protocol_;
  std::function<http::Figures()> figures_;
  int listen_fd_ = -1, wake_fd_ = -1, asked_fd_ = -1;

  // Of the thread of the connections.
  std::vector<std::unique_ptr<Connection>> connections_;
  wan::LogLimit refused_log_;
  Instant now_, flush_until_, accept_again_;

  std::mutex mutex_;
  Queue keys_, node_calls_;
  std::vector<Connection*> returned_;  // by workers
  std::vector<ClientServer::Accepted> asked_;
  std::unordered_map<uint64_t, Ticket*> tickets_;
  uint64_t last_ticket_ = 0;
  bool stopping_ = false;  // workers end
  bool closing_ = false;   // the thread of the connections does

  std::atomic<bool> ended_{false}, draining_{false};
  std::atomic<size_t> body_bytes_{0}, bodies_{0}, output_bytes_{0}, count_{0};
  std::atomic<uint64_t> opened_{0}, refused_{0};
  std::vector<std::thread> workers_;
  std::thread connections_thread_;
};

}  // namespace atolldb::region
