#pragma once
// Transports on loopback with real sockets and real keys, for the tests: each node has a ZeroMQ context of
// its own, as each process has. Waiting is always for a condition, on the descriptors that the daemon would
// poll.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "topology/topology.h"
#include "wan/io/transport.h"

namespace atolldb::wan {

struct KeyPair {
  std::string public_key, secret_key;
};
KeyPair make_keys();

Instant monotonic_now();

class CapturingLog final : public EventLog {
 public:
  void write(LogLevel level, std::string_view line) override;
  size_t count(LogLevel level, const std::string& part) const;
  std::string all() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::pair<LogLevel, std::string>> lines_;
};

// A topology on loopback: regions "a", "b", ... with so many nodes each, numbered from 1 in order.
struct Cluster {
  explicit Cluster(const std::vector<int>& nodes_in_region);
  topology::Topology topology;
  std::map<NodeNumber, KeyPair> keys;
  void delay(RegionId a, RegionId b, uint32_t milliseconds) {
    topology.links.push_back({a, b, milliseconds, 0});
  }
};

// One process: a context and a transport, with what it received.
class Process {
 public:
  Process(const Cluster& cluster, uint16_t number);
  ~Process();
  Transport& transport() { return *transport_; }
  NodeNumber number() const { return number_; }
  void pump();
  bool send(const Process& to, Bytes frame);
  bool up(const Process& peer) const;

  std::vector<Transport::Received> received;
  std::vector<Transport::LinkChange> changes;
  CapturingLog log;

 private:
  friend bool eventually(const std::vector<Process*>& processes, const std::function<bool()>& condition);
  const NodeNumber number_;
  void* context_;
  std::unique_ptr<Transport> transport_;
};

// Drives the processes until the condition holds; false when it does not within 20 seconds.
bool eventually(const std::vector<Process*>& processes, const std::function<bool()>& condition);

// A peer that is not bound by our code: a bare DEALER with any keys and any bytes.
class RawPeer {
 public:
  struct Keys {
    std::string server_public;
    KeyPair own;
  };
  RawPeer(const topology::Node& server, const Keys* keys);  // no keys: no CURVE
  ~RawPeer();
  bool send(const std::vector<std::string>& parts);  // false: not connected

 private:
  void* context_;
  void* socket_;
};

// A TCP connection that says `bytes` and then nothing.
class TcpClient {
 public:
  TcpClient(uint16_t port, const std::string& bytes);
  ~TcpClient();
  TcpClient(TcpClient&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  bool closed_by_peer() const;

 private:
  int fd_;
};

}  // namespace atolldb::wan
