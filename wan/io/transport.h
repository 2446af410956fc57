#pragma once
// Frames between the nodes of a cluster, over ZeroMQ ROUTER (one socket bound to the node's peer address) and
// a DEALER for every peer it has something to say to, with CURVE, and a ZAP handler that binds each public
// key to the node number that the topology gives it. A frame arrives once or not at all; order holds within
// one connection; nothing here is an acknowledgement: the cores count clocks.
//
// Frames between regions are delayed and cut here as the topology's links and `atoll dev cut` say.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "crdt/base/log.h"
#include "crdt/base/result.h"
#include "crdt/base/time.h"
#include "topology/topology.h"

namespace atolldb::wan {

inline constexpr size_t kPeerFrameBytesMax = 32u << 20;

struct TransportConfig {
  NodeNumber self{};
  std::string secret_key;  // CURVE, Z85
};

struct TransportStats {
  uint64_t frames_sent = 0, frames_received = 0, bytes_sent = 0, bytes_received = 0;
  uint64_t refused = 0;  // handshakes that the ZAP handler turned down
  uint64_t dropped = 0;  // frames that a full queue or a cut link did not take
};

class Transport {
 public:
  struct Received {
    NodeNumber from{};
    Bytes frame;
  };
  struct LinkChange {
    NodeNumber peer{};
    bool up = false;
  };

  // Binds the peer address. Errc::io: the address cannot be bound (it says why and what to do).
  static Result<std::unique_ptr<Transport>> open(const TransportConfig& config,
                                                 const topology::Topology& topology, void* zmq_context,
                                                 EventLog& log);
  virtual ~Transport() = default;

  // Never blocks. False: the peer's queue is full, the link is cut, or the peer is not in the topology; the
  // frame is gone.
  virtual bool send(Instant now, NodeNumber to, Bytes&& frame) = 0;
  // What has arrived, at most `frames_max`.
  virtual void receive(Instant now, size_t frames_max, std::vector<Received>& frames,
                       std::vector<LinkChange>& changes) = 0;
  // File descriptors that become readable when receive() may have something, to poll on; after every wake-up
  // call receive() until it returns nothing.
  virtual std::vector<int> poll_fds() const = 0;
  // When a delayed frame is due.
  virtual Instant next_deadline() const = 0;
  virtual void set_cut(const std::vector<RegionId>& regions) = 0;
  virtual TransportStats stats() const = 0;
};

}  // namespace atolldb::wan
