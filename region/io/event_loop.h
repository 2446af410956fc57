#pragma once
// The protocol loop: one thread that feeds everything that arrives into the engine and carries out what the
// engine says. It owns nothing of what it drives.
//
//   peers (transport)   C++, Redis, HTTP clients     store (synced, checkpointed)   signals   deadlines
//                 \                 |                       |                     |        /
//                  +----------------+-------- one turn: handle_*() each ----------+-------+
//                                               |
//                                   take_output(): frames, replies
//
// A turn takes what is there, in bounded portions, and then sends: under load many events share one batch in
// the log and one frame a peer; with a single request in flight nothing waits for company.

#include <asio.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "crdt/base/log.h"
#include "crdt/base/time.h"
#include "region/http/meter.h"
#include "region/io/client_server.h"
#include "region/io/http_server.h"
#include "region/io/resp_server.h"
#include "region/io/signals.h"
#include "region/io/token_key.h"
#include "region/node/engine.h"
#include "storage/store.h"
#include "wan/io/transport.h"

namespace atolldb::region {

class EventLoop {
 public:
  struct Parts {  // all outlive the loop
    const topology::Node& node;
    node::Engine& engine;
    storage::Store& store;
    wan::Transport& transport;
    ClientServer& clients;
    asio::io_context& io;
    RespServer& resp;
    HttpServer& http;
    const TokenKey& tokens;
    Signals& signals;
    EventLog& log;
  };
  struct End {
    std::optional<std::string> fatal;  // what the engine cannot go on with; nothing: it was asked to stop
    bool drained = false;              // nothing was left waiting
  };

  explicit EventLoop(const Parts& parts);
  ~EventLoop();
  // Until a signal asks to stop and the engine has drained (or five seconds have passed, or a second signal
  // insists), or the engine cannot go on.
  End run();

 private:
  // What the last wait found readable, and what was not taken to its end.
  struct Ready {
    bool transport = true, clients = true, store = true, signals = true, http = true;
    bool any() const { return transport || clients || store || signals || http; }
  };

  void watch(int fd, bool Ready::*ready);
  Ready wait(Instant until);
  void turn(Now now);
  bool take_peers(Now now);
  bool take_clients(Now now);
  void take_resp(Now now);
  void take_http(Now now);
  void hand_over(Now now);
  void answer(node::ClientReply&& reply, Instant now);
  http::Figures figures() const;
  void carry_out(Now now);
  void handle_signals(Now now);
  bool ended(Now now) const;

  // Descriptors of others, looked at and never closed here.
  struct Watched {
    asio::posix::stream_descriptor descriptor;
    bool Ready::*ready;
    bool waiting = false;
  };

  Parts parts_;
  std::vector<Watched> watched_;
  Ready fired_{false, false, false, false, false};
  Ready ready_;  // all at first: descriptors tell of changes only
  Instant deadline_{INT64_MIN};
  http::Meter meter_;
  std::optional<std::string> fatal_;
  std::optional<Instant> drain_until_;
  std::vector<RegionId> cut_;
  // Kept for their memory.
  std::vector<wan::Transport::Received> frames_;
  std::vector<wan::Transport::LinkChange> changes_;
  std::vector<ClientServer::Accepted> requests_;
};

}  // namespace atolldb::region
