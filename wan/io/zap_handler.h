#pragma once
// Who may connect to the peer port. CURVE alone proves that a peer holds some key; this handler (ZAP, ZeroMQ
// RFC 27) accepts only keys that stand in the topology, and binds each to its node number: ZeroMQ then
// attaches the number to every message of that connection as "User-Id", where the peer cannot touch it
// (HAZARDS 32).
//
// Runs in a thread of its own, so that a busy protocol loop does not hold up handshakes. Whoever opens the
// listening socket sets ZMQ_ZAP_DOMAIN, and drops messages that come without a user id: where no handler
// lives, ZeroMQ lets connections through unasked.

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "crdt/base/ids.h"
#include "crdt/base/result.h"
#include "topology/topology.h"
#include "wan/io/zmq_socket.h"

namespace atolldb::wan {

inline constexpr const char* kZapDomain = "atoll-peer";

class ZapHandler {
 public:
  struct Refusal {
    std::string address;     // of the connection
    std::string public_key;  // Z85; empty when it did not come with one
    std::string reason;
  };

  // Binds inproc://zeromq.zap.01 in the context; one handler a context. Errc::io.
  static Result<std::unique_ptr<ZapHandler>> start(void* context, const topology::Topology& topology,
                                                   NodeNumber self);
  ~ZapHandler();

  uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }
  int event_fd() const { return event_fd_; }  // readable when take_refusals() has something
  // The refusals since the last call, at most the last few: for the log. refused() counts all.
  std::vector<Refusal> take_refusals();

 private:
  ZapHandler(ZmqSocket socket, int stop_fd, int event_fd);
  void run();
  void answer_one();
  void note(Refusal refusal);

  ZmqSocket socket_;
  const int stop_fd_, event_fd_;
  std::map<std::string, NodeNumber> node_of_;  // by public key; constant after start()
  std::string own_key_;
  std::atomic<uint64_t> refused_{0};
  std::mutex mutex_;
  std::vector<Refusal> refusals_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace atolldb::wan
