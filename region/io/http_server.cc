#include "region/io/http_server.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "region/http/exchange.h"
#include "region/io/client_socket.h"
#include "region/io/clock.h"
#include "region/io/http_connection.h"

namespace atolldb::region {
namespace {

constexpr int kBodyLookMs = 200;  // how soon a worker that waits for a body sees the end
constexpr size_t kRequestReadBytes = 64u << 10;
constexpr size_t kSmallAnswer = 64u << 10;  // told whatever waits already
constexpr Duration kGrace =
    Duration::seconds(1);  // the node answers at the deadline; this is for what is late

Instant now() { return system_now().monotonic; }

void signal_fd(int fd) {
  const uint64_t one = 1;
  while (::write(fd, &one, sizeof one) < 0 && errno == EINTR) continue;
}

void drain_fd(int fd) {
  uint64_t count = 0;
  while (::read(fd, &count, sizeof count) < 0 && errno == EINTR) continue;
}

Response failed(Outcome outcome, Errc code, const char* message) {
  Response response;
  response.outcome = outcome;
  response.code = code;
  response.message = message;
  return response;
}

http::Answer unread() {
  return http::failure(failed(Outcome::rejected, Errc::busy,
                              "answers that clients have not taken fill this node's memory for them"));
}

}  // namespace

struct HttpServer::Ticket {
  Response response;
  http::Figures* figures = nullptr;
  bool done = false;
  std::condition_variable answered;
};

Result<std::unique_ptr<HttpServer>> HttpServer::open(const topology::Address& address,
                                                     const std::string& node, const HttpLimits& limits,
                                                     EventLog& log, std::vector<std::string> regions) {
  std::unique_ptr<HttpServer> server(new HttpServer(node, limits, log, std::move(regions)));
  if (auto listening = server->listen(address); !listening) return listening.error();
  server->start();
  return server;
}

HttpServer::HttpServer(const std::string& node, const HttpLimits& limits, EventLog& log,
                       std::vector<std::string>&& regions)
    : node_(node),
      regions_(std::move(regions)),
      limits_(limits),
      log_(log),
      protocol_(limits.body_bytes_max) {
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  asked_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  ensure(wake_fd_ >= 0 && asked_fd_ >= 0, "event descriptors can be made");
}

HttpServer::~HttpServer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    ended_ = true;
    for (auto& [number, ticket] : tickets_) {
      ticket->response = failed(Outcome::unknown, Errc::unavailable, "this node has stopped");
      ticket->done = true;
      ticket->answered.notify_one();
    }
    tickets_.clear();
  }
  keys_.work.notify_all();
  node_calls_.work.notify_all();
  for (std::thread& worker : workers_) worker.join();
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  if (connections_thread_.joinable()) {
    wake();
    connections_thread_.join();
  }
  for (const int fd : {listen_fd_, wake_fd_, asked_fd_})
    if (fd >= 0) ::close(fd);
}

Status HttpServer::listen(const topology::Address& address) {
  const std::string port = std::to_string(address.port), where = address.host + ":" + port;
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  if (const int error = getaddrinfo(address.host.c_str(), port.c_str(), &hints, &found); error != 0)
    return {Errc::io, "the HTTP address " + where + " cannot be found: " + gai_strerror(error)};
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> end(found, freeaddrinfo);
  listen_fd_ = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  const bool bound =
      listen_fd_ >= 0 && setsockopt(listen_fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      bind(listen_fd_, found->ai_addr, found->ai_addrlen) == 0 && ::listen(listen_fd_, kBacklog) == 0;
  if (!bound)
    return {Errc::io, "cannot bind the HTTP address " + where + ": " + strerror(errno) +
                          " (is another process using it?)"};
  return atolldb::ok();
}

void HttpServer::start() {
  connections_thread_ = std::thread([this] { look_after(); });
  for (size_t i = 0; i < limits_.workers; ++i) workers_.emplace_back([this] { work(keys_); });
  for (size_t i = 0; i < limits_.node_workers; ++i) workers_.emplace_back([this] { work(node_calls_); });
}

void HttpServer::wake() { signal_fd(wake_fd_); }

void HttpServer::begin_drain() {
  draining_ = true;
  wake();
}

http::DoorFigures HttpServer::door_figures() const { return {count_, opened_, refused_}; }

// -- the protocol loop

void HttpServer::take_requests(std::vector<ClientServer::Accepted>& requests) {
  drain_fd(asked_fd_);
  const std::lock_guard lock(mutex_);
  std::move(asked_.begin(), asked_.end(), std::back_inserter(requests));
  asked_.clear();
}

void HttpServer::reply(const node::ClientId& to, Response&& response) {
  uint64_t number = 0;
  if (!is_own(to)) return;
  memcpy(&number, to.route.data() + 1, sizeof number);
  const std::lock_guard lock(mutex_);
  const auto at = tickets_.find(number);
  if (at == tickets_.end()) return;  // its time was up
  Ticket& ticket = *at->second;
  if (ticket.figures != nullptr && figures_) *ticket.figures = figures_();
  ticket.response = std::move(response);
  ticket.done = true;
  tickets_.erase(at);
  ticket.answered.notify_one();  // under the lock: it goes when its worker wakes
}

// -- a worker

// As many wait here as there are workers, at most.
Response HttpServer::ask(Request&& request, http::Figures* figures) {
  const bool read = reads_key(request.op) || request.op == Op::status;
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(request.deadline_ms) +
                     std::chrono::nanoseconds(kGrace.ns);
  Ticket ticket;
  ticket.figures = figures;
  std::unique_lock lock(mutex_);
  if (stopping_)
    return failed(Outcome::rejected, Errc::unavailable, "this node is stopping; use another one");
  const uint64_t number = ++last_ticket_;
  Bytes name(kNameBytes, kDoor);
  memcpy(name.data() + 1, &number, sizeof number);
  tickets_.emplace(number, &ticket);
  asked_.push_back({{name}, std::move(request)});
  signal_fd(asked_fd_);
  if (ticket.answered.wait_until(lock, until, [&] { return ticket.done; })) return std::move(ticket.response);
  tickets_.erase(number);
  const auto queued = std::find_if(asked_.begin(), asked_.end(),
                                   [&](const auto& accepted) { return accepted.client.route == name; });
  const bool not_begun = queued != asked_.end();
  if (not_begun) asked_.erase(queued);
  return failed(read || not_begun ? Outcome::rejected : Outcome::unknown, Errc::timeout,
                "the node did not answer before the deadline");
}

std::string HttpServer::metrics() {
  const auto figures = std::make_unique<http::Figures>();
  Request request;
  request.op = Op::status;
  const Response response = ask(std::move(request), figures.get());
  if (response.outcome != Outcome::done) return {};
  return http::metrics_text(*figures, response.value);
}

void HttpServer::work(Queue& queue) {
  pthread_setname_np(pthread_self(), "http worker");
  std::unique_lock lock(mutex_);
  while (true) {
    queue.work.wait(lock, [&] { return stopping_ || !queue.waiting.empty(); });
    if (stopping_) return;
    Connection& connection = *queue.waiting.front();
    queue.waiting.pop_front();
    lock.unlock();
    carry_out(connection);
    lock.lock();
    returned_.push_back(&connection);
    wake();
  }
}

void HttpServer::carry_out(Connection& connection) {
  const http::Door door{[this](Request&& request) { return ask(std::move(request), nullptr); },
                        [this] { return metrics(); }, [this](RegionId id) { return regions_.at(raw(id)); }};
  const Instant begin = now();
  size_t reserved = 0;
  bool body = false;
  HttpProtocol::Hooks hooks;
  hooks.more = [&](HttpWire& wire) { return more(connection, wire, begin); };
  hooks.reserve = [&](size_t bytes) {
    if (!body) {
      body = true;
      if (bodies_.fetch_add(1) >= limits_.workers / 2) {
        ++refused_;
        return false;
      }
    }
    if (bytes <= reserved) return true;
    const size_t grown = bytes - reserved;
    reserved = bytes;
    if (body_bytes_.fetch_add(grown) + grown <= limits_.body_bytes_all_max) return true;
    ++refused_;
    return false;
  };
  hooks.handle = [&](const http::Call& call) {
    http::Answer answer = output_bytes_ > limits_.output_bytes_all_max ? unread() : http::answer(call, door);
    const size_t size = answer.body.size();
    if (output_bytes_.fetch_add(size) + size > limits_.output_bytes_all_max && size > kSmallAnswer) {
      output_bytes_ -= size;
      ++refused_;
      return unread();
    }
    connection.output_bytes = size;
    return answer;
  };
  protocol_.serve(connection.wire, hooks);
  if (draining_) connection.wire.close = true;
  body_bytes_ -= reserved;
  if (body) --bodies_;
}

bool HttpServer::more(Connection& connection, HttpWire& wire, Instant begin) const {
  Instant heard = now();
  while (!ended_) {
    const bool writes = connection.written < wire.output.size();
    pollfd fd{connection.fd, static_cast<short>(POLLIN | (writes ? POLLOUT : 0)), 0};
    poll(&fd, 1, kBodyLookMs);
    if (writes) {
      const ssize_t size = send(connection.fd, wire.output.data() + connection.written,
                                wire.output.size() - connection.written, MSG_NOSIGNAL);
      if (size > 0) connection.written += static_cast<size_t>(size);
    }
    const size_t before = wire.input.size();
    wire.input.resize(before + kRequestReadBytes);
    const ssize_t size = recv(connection.fd, wire.input.data() + before, kRequestReadBytes, 0);
    const bool later = size < 0 && would_block();
    wire.input.resize(before + static_cast<size_t>(std::max<ssize_t>(size, 0)));
    if (size > 0) return true;
    if (!later || now() - heard > limits_.body_silent_max || now() - begin > limits_.body_max) return false;
  }
  return false;
}

}  // namespace atolldb::region
