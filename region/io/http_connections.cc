// The thread that looks after the connections of the HTTP port.

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <utility>

#include "region/io/client_socket.h"
#include "region/io/clock.h"
#include "region/io/http_connection.h"

namespace atolldb::region {
namespace {

constexpr int kLookMs = 500;  // how often what does not go on is looked for
constexpr int kAcceptsATurn = 64;
constexpr size_t kRefusedMax = 128;  // connections that are told why; more are closed without a word
constexpr Duration kAcceptPause = Duration::millis(500);  // the system has no descriptor left
constexpr size_t kReadBytes = 16u << 10;
constexpr size_t kOutputKeptBytes = 64u << 10;
constexpr Duration kLinger = Duration::seconds(2);
constexpr Duration kFlush = Duration::millis(500);  // at the end

constexpr BytesView kNodeTargets[] = {"/healthz", "/readyz", "/metrics", "/v1/status"};

// The head stands whole at the beginning of what is not done with.
bool has_head(const HttpWire& wire) {
  return BytesView(wire.input).find("\r\n\r\n", wire.taken) != BytesView::npos;
}

// A call of the node itself, without a body that it could be waited for. By the head alone, before anybody
// has understood it: what is taken for the other kind is answered all the same.
bool asks_for_node(const HttpWire& wire) {
  Bytes head = wire.input.substr(wire.taken, wire.input.find("\r\n\r\n", wire.taken) - wire.taken);
  const BytesView target = BytesView(head).substr(std::min(head.size(), head.find(' ') + 1));
  if (std::none_of(std::begin(kNodeTargets), std::end(kNodeTargets),
                   [&](BytesView path) { return target.starts_with(path); }))
    return false;
  std::transform(head.begin(), head.end(), head.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
  return head.find("content-length") == Bytes::npos && head.find("transfer-encoding") == Bytes::npos;
}

}  // namespace

void HttpServer::look_after() {
  pthread_setname_np(pthread_self(), "http");
  while (true) {
    const bool closing = take_back();
    if (closing && flush_until_ == Instant{}) flush_until_ = now_ + kFlush;
    const bool unwritten = std::any_of(connections_.begin(), connections_.end(), [](const auto& one) {
      return one->state == Connection::State::flush;
    });
    if (closing && (!unwritten || now_ >= flush_until_)) return connections_.clear();
    wait();
    for (size_t i = 0; i < connections_.size(); ++i) expire(*connections_[i]);
    std::erase_if(connections_, [](const auto& one) { return one->state == Connection::State::gone; });
    count_ = connections_.size();
  }
}

// What workers have answered. True: the server closes.
bool HttpServer::take_back() {
  std::vector<Connection*> returned;
  bool closing = false;
  {
    const std::lock_guard lock(mutex_);
    returned.swap(returned_);
    closing = closing_;
  }
  now_ = system_now().monotonic;
  for (Connection* connection : returned) answered(*connection);
  return closing;
}

void HttpServer::wait() {
  if (draining_ && listen_fd_ >= 0) ::close(std::exchange(listen_fd_, -1));
  std::vector<pollfd> fds{{wake_fd_, POLLIN, 0}, {now_ < accept_again_ ? -1 : listen_fd_, POLLIN, 0}};
  std::vector<Connection*> polled;
  for (const auto& connection : connections_) {
    if (connection->state == Connection::State::work) continue;
    const bool writes = connection->state == Connection::State::flush;
    fds.push_back({connection->fd, static_cast<short>(writes ? POLLOUT : POLLIN), 0});
    polled.push_back(connection.get());
  }
  const bool nothing = connections_.empty() && flush_until_ == Instant{} && accept_again_ <= now_;
  poll(fds.data(), fds.size(), nothing ? -1 : kLookMs);
  now_ = system_now().monotonic;
  if (fds[0].revents != 0) {
    uint64_t count = 0;
    if (::read(wake_fd_, &count, sizeof count) < 0) count = 0;  // somebody's news was taken before
  }
  for (size_t i = 0; i < polled.size(); ++i) {
    if (fds[i + 2].revents == 0) continue;
    Connection& connection = *polled[i];
    if (connection.state == Connection::State::head)
      read_head(connection);
    else if (connection.state == Connection::State::flush)
      write(connection);
    else
      linger(connection);
  }
  if (fds[1].revents != 0) accept();
}

void HttpServer::accept() {
  for (int i = 0; i < kAcceptsATurn; ++i) {
    const int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      if (!would_block() && errno != ECONNABORTED) accept_again_ = now_ + kAcceptPause;
      return;
    }
    if (connections_.size() >= limits_.connections_max + kRefusedMax) {
      ++refused_;
      ::close(fd);
      continue;
    }
    set_client_socket_options(fd);
    connections_.push_back(std::make_unique<Connection>(fd));
    Connection& connection = *connections_.back();
    connection.since = now_;
    ++opened_;
    if (connections_.size() > limits_.connections_max)
      busy(connection, "this node has as many connections as it takes");
  }
}

void HttpServer::read_head(Connection& connection) {
  HttpWire& wire = connection.wire;
  const size_t before = wire.input.size();
  if (before == 0) connection.since = now_;
  wire.input.resize(before + kReadBytes);
  const ssize_t size = recv(connection.fd, wire.input.data() + before, kReadBytes, 0);
  const bool later = size < 0 && would_block();
  wire.input.resize(before + static_cast<size_t>(std::max<ssize_t>(size, 0)));
  if (size <= 0) {
    if (!later) connection.state = Connection::State::gone;
    return;
  }
  begin(connection);
}

// Hands the connection to a worker if its head is there.
void HttpServer::begin(Connection& connection) {
  HttpWire& wire = connection.wire;
  if (!has_head(wire)) {
    if (wire.input.size() > limits_.head_bytes_max)
      refuse(connection, 431, "too_large", "the head of the request is too large");
    return;
  }
  Queue& queue = asks_for_node(wire) ? node_calls_ : keys_;
  {
    const std::lock_guard lock(mutex_);
    if (queue.waiting.size() < limits_.waiting_max) {
      connection.state = Connection::State::work;
      queue.waiting.push_back(&connection);
    }
  }
  if (connection.state == Connection::State::work) return queue.work.notify_one();
  busy(connection, "too many requests wait for this node; try again soon");
}

// A worker is done with it.
void HttpServer::answered(Connection& connection) {
  HttpWire& wire = connection.wire;
  wire.input.erase(0, wire.taken);
  wire.taken = 0;
  if (wire.input.empty()) wire.input.shrink_to_fit();
  connection.state = Connection::State::flush;
  connection.since = now_;
  write(connection);
}

void HttpServer::write(Connection& connection) {
  HttpWire& wire = connection.wire;
  while (connection.written < wire.output.size()) {
    const ssize_t size = send(connection.fd, wire.output.data() + connection.written,
                              wire.output.size() - connection.written, MSG_NOSIGNAL);
    if (size < 0 && would_block()) return;
    if (size <= 0) {
      connection.state = Connection::State::gone;
      break;
    }
    connection.written += static_cast<size_t>(size);
    connection.since = now_;
  }
  output_bytes_ -= std::exchange(connection.output_bytes, 0);
  if (connection.state == Connection::State::gone) return;
  wire.output.clear();
  if (wire.output.capacity() > kOutputKeptBytes) wire.output.shrink_to_fit();
  connection.written = 0;
  connection.since = now_;
  if (wire.close) {
    // What the client still sends is read and thrown away: a reset could overtake the answer.
    shutdown(connection.fd, SHUT_WR);
    connection.state = Connection::State::linger;
    return;
  }
  connection.state = Connection::State::head;
  if (!wire.input.empty()) begin(connection);
}

void HttpServer::linger(Connection& connection) {
  char scratch[kReadBytes];
  const ssize_t size = recv(connection.fd, scratch, sizeof scratch, 0);
  if (size == 0 || (size < 0 && !would_block())) connection.state = Connection::State::gone;
}

void HttpServer::expire(Connection& connection) {
  const Duration quiet = now_ - connection.since;
  switch (connection.state) {
    case Connection::State::head:
      if (connection.wire.input.empty()) {
        if (draining_ || quiet > limits_.idle_max) connection.state = Connection::State::gone;
      } else if (quiet > limits_.head_max)
        refuse(connection, 408, "timeout", "the head of the request did not come to its end in time");
      return;
    case Connection::State::flush:
      if (quiet <= limits_.unread_max) return;
      output_bytes_ -= std::exchange(connection.output_bytes, 0);
      connection.state = Connection::State::gone;
      return;
    case Connection::State::linger:
      if (quiet > kLinger) connection.state = Connection::State::gone;
      return;
    default:
      return;
  }
}

void HttpServer::refuse(Connection& connection, int status, const char* code, const char* message) {
  connection.wire.output = HttpProtocol::refusal(status, code, message);
  connection.wire.close = true;
  connection.wire.input.clear();
  connection.wire.taken = 0;
  connection.state = Connection::State::flush;
  connection.since = now_;
  write(connection);
}

void HttpServer::busy(Connection& connection, const char* message) {
  ++refused_;
  refuse(connection, 503, "busy", message);
  if (const auto held_back = refused_log_.allow(now_))
    log_.write(LogLevel::warn, "client refused node=" + node_ +
                                   " door=http connections=" + std::to_string(connections_.size()) +
                                   " held_back=" + std::to_string(*held_back));
}

}  // namespace atolldb::region
