#pragma once
// A whole node without its input and output: the protocol cores of region/ and wan/ over one store. The
// daemon (region/io) and the simulator (tests/sim) drive exactly this. Feed events, then take the output:
//
//   engine.handle_*(now, ...);  Output out = engine.take_output();  // send the frames, answer the clients,
//   wait until
//                                                                   // next_deadline or the next event
//
// Durability is inside: a frame or a response appears in an output only when all that it says is synced.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crdt/base/ids.h"
#include "crdt/base/log.h"
#include "crdt/base/time.h"
#include "region/core/clear_steps.h"
#include "region/core/request.h"
#include "storage/store.h"
#include "topology/topology.h"

namespace atolldb::node {

struct ClientId {
  Bytes route;  // opaque to the engine: where the response goes
};

struct PeerFrame {
  NodeNumber to{};
  Bytes bytes;
};

struct ClientReply {
  ClientId to;
  region::Response response;
};

struct Output {
  std::vector<PeerFrame> frames;  // at most one for each peer
  std::vector<ClientReply> replies;
  Instant next_deadline = Instant::never();
  std::optional<std::string> fatal;  // the node must stop: say this and exit with an error
};

struct EngineConfig {
  NodeNumber self{};
  uint64_t seed = 0;  // of everything random: the actor, jitter. From the system's entropy in the daemon.
  region::ClearSteps clears;
};

class Engine {
 public:
  // `topology`, `store` and `log` outlive the engine.
  Engine(const EngineConfig& config, const topology::Topology& topology, storage::Store& store,
         EventLog& log);
  ~Engine();

  // Recovers the store and logs a fresh start. Errc::corrupt, Errc::version, Errc::io: the data directory
  // cannot be used.
  Status start(Now now);

  void handle_peer_frame(Now now, NodeNumber from, BytesView frame);
  // The transport saw the link to a peer come up or go down. Only a hint: messages are what proves anything.
  void handle_link(Now now, NodeNumber peer, bool up);
  void handle_request(Now now, const ClientId& client, region::Request&& request);
  void handle_storage(Now now);  // the store's event_fd was readable
  void handle_tick(Now now);     // next_deadline has passed
  // SIGTERM: hands over what it coordinates, answers nothing new. drained() when nothing waits any more.
  void begin_drain(Now now);
  bool drained() const;

  Output take_output();

  // For /status and tests: cut links are decided in the engine and enforced by the transport.
  const std::vector<RegionId>& cut_regions() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace atolldb::node
