#pragma once
// Frames between the nodes of a cluster, over ZeroMQ ROUTER (one socket bound to the node's peer address) and
// a DEALER for every peer it has something to say to, with CURVE, and a ZAP handler that binds each public
// key to the node number that the topology gives it. A frame arrives once or not at all; order holds within
// one connection; nothing here is an acknowledgement: the cores count clocks.
//
// Each direction has a connection of its own: a node receives on its ROUTER and sends on its DEALERs, which
// it opens at the start. The sender of a frame is the node that the ZAP handler bound to the connection's
// key, never what a peer says. Every frame carries a version (docs/formats/transport.md).
//
// Frames between regions are delayed and cut here as the topology's links and `atoll dev cut` say.
//
// One thread, the protocol loop, calls everything. One transport a ZeroMQ context: the ZAP handler owns its
// address.

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
  uint64_t invalid = 0;  // received frames of another version or kind, or in several parts
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

  // Binds the peer address and starts connecting to every other node of the topology, which outlives the
  // transport. Errc::io: the address cannot be bound (it says why and what to do). Errc::invalid: the
  // topology does not have the node, or has another public key for it than the secret key's.
  static Result<std::unique_ptr<Transport>> open(const TransportConfig& config,
                                                 const topology::Topology& topology, void* zmq_context,
                                                 EventLog& log);
  virtual ~Transport() = default;

  // Never blocks. False: the peer's queue is full, the link is cut, or the peer is not in the topology; the
  // frame is gone.
  virtual bool send(Instant now, NodeNumber to, Bytes&& frame) = 0;
  // Appends what has arrived, at most `frames_max` frames, and lets go delayed frames that are due. Link
  // changes are those of this node's own connection to the peer, and cuts and heals.
  // True: there may be more.
  virtual bool receive(Instant now, size_t frames_max, std::vector<Received>& frames,
                       std::vector<LinkChange>& changes) = 0;
  // File descriptors that become readable when receive() may have something, to poll on; after every wake-up
  // call receive() until it has no more.
  virtual std::vector<int> poll_fds() const = 0;
  // When a delayed frame is due.
  virtual Instant next_deadline() const = 0;
  // The regions to which nothing goes and from which nothing is taken, from now on; replaces those of the
  // last call.
  virtual void set_cut(const std::vector<RegionId>& regions) = 0;
  virtual TransportStats stats() const = 0;
};

}  // namespace atolldb::wan
