#include "region/io/resp_server.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <utility>

#include "region/io/client_socket.h"
#include "region/io/clock.h"
#include "region/io/log_line.h"

namespace atolldb::region {
namespace {

using asio::ip::tcp;

constexpr size_t kScratchBytes = 64u << 10;
constexpr int kReadsATurn = 4;         // of one connection
constexpr size_t kRequestsATurn = 32;  // of one connection
constexpr size_t kAskedKept = 64;      // requests that a connection keeps memory for
constexpr Duration kFavoured = Duration::millis(200), kFavourAgain = Duration::millis(5);
constexpr Duration kTick = Duration::seconds(1);
constexpr uint32_t kNumberMax = (1u << 24) - 1;  // three bytes of a name

void put_number(Bytes& out, uint32_t number, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(number >> (8 * i)));
}

uint32_t take_number(BytesView name, size_t at, int bytes) {
  uint32_t number = 0;
  for (int i = 0; i < bytes; ++i)
    number |= static_cast<uint32_t>(static_cast<unsigned char>(name[at + static_cast<size_t>(i)])) << (8 * i);
  return number;
}

std::string text_of(const tcp::endpoint& endpoint) {
  const bool six = endpoint.address().is_v6();
  const std::string address = endpoint.address().to_string();
  return (six ? "[" + address + "]" : address) + ":" + std::to_string(endpoint.port());
}

uint64_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  unsigned long size = 0, resident = 0;
  const int read = std::fscanf(file, "%lu %lu", &size, &resident);
  std::fclose(file);
  return read == 2 ? resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

struct Gathered {
  using value_type = asio::const_buffer;
  using const_iterator = const asio::const_buffer*;
  const_iterator first, last;
  const_iterator begin() const { return first; }
  const_iterator end() const { return last; }
};

}  // namespace

struct RespServer::Peer {
  Peer(tcp::socket&& s, uint32_t n, uint32_t g, resp::Connection&& c)
      : socket(std::move(s)), number(n), generation(g), connection(std::move(c)) {}

  tcp::socket socket;
  const uint32_t number, generation;
  resp::Connection connection;
  std::vector<ClientServer::Accepted> asked;  // from `handed` on: not handed over yet
  size_t handed = 0;
  std::vector<Bytes> writing;                // taken from the connection, in order
  size_t written = 0;                        // of the first one
  size_t unwritten = 0;                      // bytes
  size_t input_bytes = 0, output_bytes = 0;  // as counted in the server's sums
  uint64_t commands = 0;
  Instant heard, wrote;
  bool reading = false, waiting_to_write = false, queued = false, paused = false, ready = false;
  bool gone = false;  // closed; destroyed when its last handler has run
  int handlers = 0;
};

Result<std::unique_ptr<RespServer>> RespServer::open(asio::io_context& io, const topology::Address& address,
                                                     resp::Node&& node, uint64_t seed,
                                                     const RespLimits& limits, EventLog& log) {
  std::unique_ptr<RespServer> server(new RespServer(io, std::move(node), seed, limits, log));
  if (auto listening = server->listen(address); !listening) return listening.error();
  server->accept();
  return server;
}

RespServer::RespServer(asio::io_context& io, resp::Node&& node, uint64_t seed, const RespLimits& limits,
                       EventLog& log)
    : io_(io),
      acceptor_(io),
      node_(std::move(node)),
      random_(seed),
      limits_(limits),
      log_(log),
      now_(system_now().monotonic),
      next_tick_(now_ + kTick),
      started_(now_),
      scratch_(std::make_unique_for_overwrite<char[]>(kScratchBytes)) {
  node_.figures = [this] { return figures(); };
}

RespServer::~RespServer() = default;

Status RespServer::listen(const topology::Address& address) {
  const std::string where = address.host + ":" + std::to_string(address.port);
  asio::error_code error;
  const auto found = tcp::resolver(io_).resolve(address.host, std::to_string(address.port), error);
  if (error || found.empty())
    return {Errc::io, "the RESP address " + where + " cannot be found: " + error.message()};
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(kBacklog, error);
  if (error)
    return {Errc::io, "cannot bind the RESP address " + where + ": " + error.message() +
                          " (is another process using it?)"};
  return atolldb::ok();
}

void RespServer::accept() {
  acceptor_.async_accept([this](const asio::error_code& error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error) welcome(std::move(socket));
    accept();
  });
}

void RespServer::welcome(tcp::socket&& socket) {
  asio::error_code error;
  socket.non_blocking(true, error);
  if (count_ >= limits_.connections_max || draining_) {
    ++refused_;
    socket.write_some(asio::buffer(std::string_view(draining_ ? "-ERR this node is stopping\r\n"
                                                              : "-ERR max number of clients reached\r\n")),
                      error);
    if (const auto held_back = refused_log_.allow(now_))
      log_.write(LogLevel::warn, "client refused node=" + node_.name + " door=resp connections=" +
                                     std::to_string(count_) + " held_back=" + std::to_string(*held_back));
    return;
  }
  set_client_socket_options(socket.native_handle());
  const tcp::endpoint from = socket.remote_endpoint(error);
  if (error) return;
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(peers_.size()));
    peers_.emplace_back();
  }
  const uint32_t number = free_.back();
  free_.pop_back();
  generation_ = (generation_ + 1) & kNumberMax;
  ++count_;
  peers_[number] = std::make_unique<Peer>(
      std::move(socket), number, generation_,
      resp::Connection(++connections_, text_of(from), node_, random_, limits_.connection));
  Peer& peer = *peers_[number];
  peer.heard = peer.wrote = now_;
  wait_to_read(peer);
}

void RespServer::wait_to_read(Peer& peer) {
  peer.reading = true;
  ++peer.handlers;
  peer.socket.async_wait(tcp::socket::wait_read, [this, &peer](const asio::error_code& error) {
    --peer.handlers;
    peer.reading = false;
    if (peer.gone || error) return close(peer);
    read(peer);
  });
}

bool RespServer::may_read(const Peer& peer) const {
  if (!peer.connection.takes_input()) return false;
  if (favoured_ == peer.number) return true;
  return input_bytes_ <= limits_.input_bytes_all_max || peer.input_bytes <= limits_.input_bytes_small;
}

void RespServer::read(Peer& peer) {
  for (int i = 0; i < kReadsATurn && may_read(peer); ++i) {
    asio::error_code error;
    const size_t size = peer.socket.read_some(asio::buffer(scratch_.get(), kScratchBytes), error);
    if (error == asio::error::would_block) break;
    if (error) return close(peer);
    input_total_ += size;
    peer.heard = now_;
    peer.connection.receive({scratch_.get(), size}, asked_);
    took(peer);
    if (size < kScratchBytes) break;
  }
  if (may_read(peer)) return wait_to_read(peer);
  if (!peer.paused) paused_.push_back(peer.number);
  peer.paused = true;
}

// What the connection has made of what it was given.
void RespServer::took(Peer& peer) {
  for (resp::Connection::Asked& asked : asked_) {
    Bytes name;
    name.push_back(kDoor);
    put_number(name, peer.number, 3);
    put_number(name, peer.generation, 3);
    put_number(name, asked.slot, 4);
    put_number(name, asked.number, 4);
    peer.asked.push_back({{std::move(name)}, std::move(asked.request)});
  }
  asked_.clear();
  if (!peer.asked.empty() && !std::exchange(peer.ready, true)) ready_.push_back(peer.number);
  commands_ += peer.connection.commands() - peer.commands;
  peer.commands = peer.connection.commands();
  input_bytes_ += peer.connection.input_bytes() - peer.input_bytes;
  peer.input_bytes = peer.connection.input_bytes();
  const size_t output_bytes = peer.unwritten + peer.connection.output_bytes();
  output_bytes_ += output_bytes - std::exchange(peer.output_bytes, output_bytes);
  node_.room->set_unread(output_bytes_);
  const bool to_write = peer.connection.has_output() || peer.connection.finished();
  if (!to_write || peer.queued || peer.waiting_to_write) return;
  peer.queued = true;
  to_write_.push_back(peer.number);
}

void RespServer::take_requests(std::vector<ClientServer::Accepted>& requests) {
  for (const uint32_t number : std::exchange(ready_, {})) {
    Peer* peer = peers_[number].get();
    if (peer == nullptr || peer->gone || !std::exchange(peer->ready, false)) continue;
    hand_over(*peer, requests);
    if (peer->asked.empty() || is_full(*peer)) continue;  // or write() makes it ready again
    peer->ready = true;
    ready_.push_back(number);
  }
}

bool RespServer::is_full(const Peer& peer) const {
  return peer.unwritten + peer.connection.output_bytes() >= limits_.connection.output_bytes_max;
}

// A part of what was asked: the answers to it may be large, and are seen before more is handed over. Where
// much is answered already, only what the first command in work still asks, for which the others wait.
void RespServer::hand_over(Peer& peer, std::vector<ClientServer::Accepted>& requests) {
  auto& asked = peer.asked;
  if (is_full(peer)) {
    const auto first = [&](const ClientServer::Accepted& one) {
      return take_number(one.client.route, 7, 4) == peer.connection.first_slot();
    };
    const auto begin = asked.begin() + static_cast<ptrdiff_t>(peer.handed);
    const auto others =
        std::stable_partition(begin, asked.end(), [&](const auto& one) { return first(one); });
    std::move(begin, others, std::back_inserter(requests));
    asked.erase(begin, others);
  } else {
    const size_t end = std::min(asked.size(), peer.handed + kRequestsATurn);
    for (; peer.handed < end; ++peer.handed) requests.push_back(std::move(asked[peer.handed]));
  }
  if (peer.handed < asked.size()) return;
  asked.clear();
  if (asked.capacity() > kAskedKept) asked.shrink_to_fit();
  peer.handed = 0;
}

void RespServer::reply(const node::ClientId& to, Response&& response) {
  if (to.route.size() != kNameBytes) return;
  const uint32_t number = take_number(to.route, 1, 3);
  if (number >= peers_.size() || !peers_[number]) return;  // it has gone
  Peer& peer = *peers_[number];
  if (peer.gone || peer.generation != take_number(to.route, 4, 3)) return;
  peer.connection.answer(take_number(to.route, 7, 4), take_number(to.route, 11, 4), std::move(response),
                         asked_);
  took(peer);
}

void RespServer::flush(Instant now) {
  now_ = now;
  for (size_t i = 0; i < to_write_.size(); ++i) {  // grows where room for answers lets commands begin
    Peer* peer = peers_[to_write_[i]].get();
    if (peer == nullptr || !peer->queued) continue;
    peer->queued = false;
    write(*peer);
  }
  to_write_.clear();
  if (!paused_.empty()) resume_reading();
}

void RespServer::write(Peer& peer) {
  for (Bytes& buffer : peer.connection.take_output()) {
    peer.unwritten += buffer.size();
    peer.writing.push_back(std::move(buffer));
  }
  size_t done = 0;  // buffers
  asio::error_code error;
  while (done < peer.writing.size()) {
    constexpr size_t kGathered = 64;
    std::array<asio::const_buffer, kGathered> buffers;
    size_t count = 0;
    for (; count < kGathered && done + count < peer.writing.size(); ++count)
      buffers[count] = asio::buffer(peer.writing[done + count]);
    buffers[0] += peer.written;
    size_t left = peer.socket.write_some(Gathered{buffers.data(), buffers.data() + count}, error);
    if (error) break;
    peer.unwritten -= left;
    output_total_ += left;
    peer.wrote = now_;
    for (left += peer.written; done < peer.writing.size() && left >= peer.writing[done].size(); ++done)
      left -= peer.writing[done].size();
    peer.written = left;
  }
  peer.writing.erase(peer.writing.begin(), peer.writing.begin() + static_cast<ptrdiff_t>(done));
  if (error && error != asio::error::would_block) return close(peer);
  peer.connection.set_unwritten(peer.unwritten, output_bytes_ > limits_.output_bytes_all_max, asked_);
  took(peer);
  if (!peer.writing.empty()) return wait_to_write(peer);
  if (peer.connection.finished()) close(peer);
}

void RespServer::wait_to_write(Peer& peer) {
  peer.waiting_to_write = true;
  ++peer.handlers;
  peer.socket.async_wait(tcp::socket::wait_write, [this, &peer](const asio::error_code& error) {
    --peer.handlers;
    peer.waiting_to_write = false;
    if (peer.gone || error) return close(peer);
    if (peer.queued) return;
    peer.queued = true;
    to_write_.push_back(peer.number);
  });
}

// Handlers that were started still run once, with an error; the last of them destroys the peer.
void RespServer::close(Peer& peer) {
  if (!peer.gone) {
    peer.gone = true;
    peer.queued = false;
    asio::error_code ignored;
    peer.socket.close(ignored);
    input_bytes_ -= peer.input_bytes;
    output_bytes_ -= peer.output_bytes;
    node_.room->set_unread(output_bytes_);
    --count_;
  }
  if (peer.handlers > 0) return;
  const uint32_t number = peer.number;
  peers_[number].reset();
  free_.push_back(number);
}

// While there is too much input, one connection of those that wait for room goes on, or none would ever come
// to its command's end: whoever has most to be read, for a moment.
void RespServer::favour() {
  const auto waits = [&](uint32_t number) {
    const Peer* peer = peers_[number].get();
    return peer != nullptr && !peer->gone && peer->connection.takes_input() &&
           peer->input_bytes > limits_.input_bytes_small;
  };
  if (input_bytes_ <= limits_.input_bytes_all_max) return favoured_.reset();
  if (now_ - favoured_since_ < (favoured_ && waits(*favoured_) ? kFavoured : kFavourAgain)) return;
  favoured_.reset();
  favoured_since_ = now_;
  size_t most = 0;
  for (const uint32_t number : paused_) {
    asio::error_code ignored;
    const size_t there = waits(number) ? peers_[number]->socket.available(ignored) : 0;
    if (there <= most) continue;
    most = there;
    favoured_ = number;
  }
}

void RespServer::resume_reading() {
  favour();
  std::vector<uint32_t> paused = std::exchange(paused_, {});
  for (const uint32_t number : paused) {
    Peer* peer = peers_[number].get();
    if (peer == nullptr || !peer->paused || peer->gone) continue;
    if (peer->reading) {
      peer->paused = false;
      continue;
    }
    if (may_read(*peer)) {
      peer->paused = false;
      wait_to_read(*peer);
    } else {
      paused_.push_back(number);
    }
  }
}

void RespServer::tick(Instant now) {
  now_ = now;
  if (now < next_tick_) return;
  next_tick_ = now + kTick;
  for (size_t i = 0; i < peers_.size(); ++i) {
    Peer* peer = peers_[i].get();
    if (peer == nullptr || peer->gone) continue;
    const bool unread = peer->unwritten > 0 && now - peer->wrote > limits_.unread_max;
    const bool quiet = peer->unwritten == 0 && !peer->connection.has_output();
    bool half_sent = quiet && peer->connection.is_half_sent() && now - peer->heard > limits_.half_sent_max;
    asio::error_code ignored;
    if (half_sent && peer->paused && peer->socket.available(ignored) > 0) half_sent = false;  // not its fault
    const bool idle = quiet && peer->connection.idle() && now - peer->heard > limits_.idle_max;
    if (unread || half_sent || idle) close(*peer);
  }
}

void RespServer::begin_drain() { draining_ = true; }

resp::NodeFigures RespServer::figures() const {
  resp::NodeFigures out;
  out.uptime_seconds = static_cast<uint64_t>((now_ - started_).as_millis() / 1000);
  out.clients = count_;
  out.clients_max = limits_.connections_max;
  out.connections = connections_;
  out.refused_connections = refused_;
  out.commands = commands_;
  out.input_bytes = input_total_;
  out.output_bytes = output_total_;
  out.resident_bytes = resident_bytes();
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  out.cpu_user_seconds = seconds_of(usage.ru_utime);
  out.cpu_system_seconds = seconds_of(usage.ru_stime);
  return out;
}

}  // namespace atolldb::region
