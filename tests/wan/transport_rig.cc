#include "tests/wan/transport_rig.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>

#include "tests/wan/free_port.h"

namespace atolldb::wan {
namespace {

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

KeyPair make_keys() {
  char public_key[41], secret_key[41];
  REQUIRE(zmq_curve_keypair(public_key, secret_key) == 0);
  return {public_key, secret_key};
}

Instant monotonic_now() {
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(
              std::chrono::steady_clock::now().time_since_epoch())
              .count()};
}

void CapturingLog::write(LogLevel level, std::string_view line) {
  const std::lock_guard lock(mutex_);
  lines_.emplace_back(level, line);
}

size_t CapturingLog::count(LogLevel level, const std::string& part) const {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(std::count_if(lines_.begin(), lines_.end(), [&](const auto& line) {
    return line.first == level && line.second.find(part) != std::string::npos;
  }));
}

std::string CapturingLog::all() const {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (const auto& [level, line] : lines_) text += line + "\n";
  return text;
}

Cluster::Cluster(const std::vector<int>& nodes_in_region) {
  topology.cluster = "test";
  topology.placement = {{1, 2}, 16};
  uint16_t number = 0;
  for (size_t r = 0; r < nodes_in_region.size(); ++r) {
    topology::Region region;
    region.name = std::string(1, static_cast<char>('a' + r));
    region.id = RegionId{static_cast<uint16_t>(r)};
    region.n = region.r = region.w = 1;
    for (int i = 1; i <= nodes_in_region[r]; ++i) {
      topology::Node node;
      node.number = NodeNumber{++number};
      node.name = region.name + "-" + std::to_string(i);
      node.region = region.id;
      for (auto* address : {&node.resp, &node.http, &node.peer, &node.client})
        *address = {"127.0.0.1", free_port()};
      node.public_key = (keys[node.number] = make_keys()).public_key;
      region.nodes.push_back(node.number);
      topology.nodes.push_back(node);
    }
    topology.regions.push_back(region);
  }
}

Process::Process(const Cluster& cluster, uint16_t number)
    : number_(NodeNumber{number}), context_(zmq_ctx_new()) {
  auto opened =
      Transport::open({number_, cluster.keys.at(number_).secret_key}, cluster.topology, context_, log);
  if (!opened) FAIL(opened.error().message);
  transport_ = std::move(*opened);
}

Process::~Process() {
  transport_.reset();
  zmq_ctx_term(context_);
}

void Process::pump() { transport_->receive(monotonic_now(), 64, received, changes); }

bool Process::send(const Process& to, Bytes frame) {
  return transport_->send(monotonic_now(), to.number(), std::move(frame));
}

bool Process::up(const Process& peer) const {
  bool up = false;
  for (const auto& change : changes)
    if (change.peer == peer.number()) up = change.up;
  return up;
}

bool eventually(const std::vector<Process*>& processes, const std::function<bool()>& condition) {
  std::vector<pollfd> fds;
  for (const auto* process : processes)
    for (const int fd : process->transport_->poll_fds()) fds.push_back({fd, POLLIN, 0});
  const Instant end = monotonic_now() + Duration::seconds(20);
  while (true) {
    for (auto* process : processes) process->pump();
    if (condition()) return true;
    if (monotonic_now() > end) return false;
    // Conditions may also depend on what the test's own sockets see; those are looked at every few
    // milliseconds.
    poll(fds.data(), fds.size(), 2);
  }
}

RawPeer::RawPeer(const topology::Node& server, const Keys* keys)
    : context_(zmq_ctx_new()), socket_(zmq_socket(context_, ZMQ_DEALER)) {
  const int zero = 0, one = 1;
  zmq_setsockopt(socket_, ZMQ_LINGER, &zero, sizeof zero);
  zmq_setsockopt(socket_, ZMQ_IMMEDIATE, &one, sizeof one);
  if (keys != nullptr) {
    const auto set = [&](int option, const std::string& key) {
      REQUIRE(zmq_setsockopt(socket_, option, key.data(), key.size()) == 0);
    };
    set(ZMQ_CURVE_SERVERKEY, keys->server_public);
    set(ZMQ_CURVE_PUBLICKEY, keys->own.public_key);
    set(ZMQ_CURVE_SECRETKEY, keys->own.secret_key);
  }
  REQUIRE(zmq_connect(socket_, server.peer.endpoint().c_str()) == 0);
}

RawPeer::~RawPeer() {
  zmq_close(socket_);
  zmq_ctx_term(context_);
}

bool RawPeer::send(const std::vector<std::string>& parts) {
  for (size_t i = 0; i < parts.size(); ++i) {
    const int more = i + 1 < parts.size() ? ZMQ_SNDMORE : 0;
    if (zmq_send(socket_, parts[i].data(), parts[i].size(), more | ZMQ_DONTWAIT) < 0) return false;
  }
  return true;
}

TcpClient::TcpClient(uint16_t port, const std::string& bytes)
    : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const auto address = loopback(port);
  REQUIRE(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  if (!bytes.empty()) REQUIRE(write(fd_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
}

TcpClient::~TcpClient() {
  if (fd_ >= 0) close(fd_);
}

bool TcpClient::closed_by_peer() const {
  char buffer[256];
  while (true) {
    const auto got = recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got == 0) return true;
    if (got < 0) return errno != EAGAIN;
  }
}

}  // namespace atolldb::wan
