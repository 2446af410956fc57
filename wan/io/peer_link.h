#pragma once
// What one node says to one peer: a DEALER that connects to the peer's ROUTER as CURVE client, and a monitor
// on it that tells when the connection comes and goes. Nothing ever comes back on it: the peer has a link of
// its own.
//
// Only a finished connection has a queue (ZMQ_IMMEDIATE), and the queue goes with the connection: what is
// sent to a peer that is away is refused at once instead of arriving out of date.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/result.h"
#include "topology/topology.h"
#include "wan/io/counted_message.h"
#include "wan/io/zmq_socket.h"

namespace atolldb::wan {

inline constexpr size_t kQueueBytesMax = 64u << 20;  // waiting for one peer
inline constexpr int kQueueFramesMax = 1024;

class PeerLink {
 public:
  struct Keys {
    std::string own_public, own_secret;  // Z85
  };
  enum class Event : unsigned char {
    up,        // handshake done
    down,      // an established connection ended
    rejected,  // a handshake failed: the peer hung up on our key, or does not hold the key that the topology
               // gives
  };

  // Starts connecting. Errc::io.
  static Result<std::unique_ptr<PeerLink>> open(void* context, const topology::Node& peer, const Keys& keys);

  // Never blocks. False: not connected, or the queue is full; the frame is gone.
  bool send(BytesView frame);
  // What happened since the last call, in order.
  void take_events(std::vector<Event>& events);
  int monitor_fd() const { return monitor_.fd(); }
  // What is queued is still given this long when the link is closed.
  void set_linger(int milliseconds) { socket_.set(ZMQ_LINGER, milliseconds); }

 private:
  PeerLink(ZmqSocket socket, ZmqSocket monitor);

  ZmqSocket socket_, monitor_;
  std::shared_ptr<ByteGauge> queued_ = std::make_shared<ByteGauge>();
};

}  // namespace atolldb::wan
