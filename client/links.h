#pragma once
// The ZeroMQ side of the client: one DEALER a link, opened afresh after every loss so that nothing of an old
// connection is sent on a new one (ZeroMQ would keep and repeat it). A link is up when its handshake is
// complete, and down as soon as the connection is closed or refused; a monitor socket tells.
//
// One thread owns it.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/core.h"
#include "crdt/base/bytes.h"
#include "crdt/base/time.h"

namespace atolldb::client {

class Links {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void on_up(LinkId link) = 0;
    virtual void on_down(LinkId link, const std::string& why) = 0;
    virtual void on_frame(LinkId link, BytesView frame) = 0;
    virtual void on_writable(LinkId link) = 0;  // what was stuck has left
  };

  Links(void* zmq_context, size_t count);
  ~Links();

  // Requires: closed. on_up or on_down follows from poll().
  void open(LinkId link, const std::string& endpoint);
  // Closes without an on_down.
  void close(LinkId link);
  // Keeps the frame when ZeroMQ has no room now; on_writable follows. Requires: open and not stuck.
  void send(LinkId link, Bytes&& frame);
  bool stuck(LinkId link) const;

  // Waits until something happens, `wake_fd` is readable or `timeout` has passed, and hands out all that has
  // arrived. True: `wake_fd` is readable.
  bool poll(int wake_fd, Duration timeout, Handler& handler);

 private:
  struct Link {
    void* dealer = nullptr;
    void* monitor = nullptr;
    Bytes stuck;
    std::string failed;  // open() did not succeed; reported by the next poll()
  };

  std::string connect(Link& link, const std::string& endpoint);
  void collect(int wake_fd);
  void read_frames(LinkId id, Handler& handler);
  void read_monitor(LinkId id, Handler& handler);
  void lose(LinkId id, const std::string& why, Handler& handler);

  void* context_;
  std::vector<Link> links_;
  std::vector<uint32_t> open_;  // links with sockets
  std::vector<uint32_t> failed_;
  struct PollSet;
  std::unique_ptr<PollSet> poll_set_;
  uint64_t monitors_ = 0;  // names the monitors' endpoints
};

}  // namespace atolldb::client
