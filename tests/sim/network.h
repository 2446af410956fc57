#pragma once
// The network between the machines of a simulated cluster, as wan/io/transport.h promises it: each direction
// of a pair has a connection of its own; a frame arrives once or not at all and in order while its connection
// lives; a connection that goes takes along what was queued in it. In seeds with `datagrams`, frames are
// lost, doubled and reordered one by one as well: the protocol must stand that too.
//
// A direction that is blocked holds its frames back. Where it is cut, its connection breaks after four
// seconds, as TCP's options would have it, and is made again when the block ends. Where one of its ends is
// stopped, it lives on: that machine's kernel answers.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/prng.h"
#include "tests/sim/event_queue.h"

namespace atolldb::sim {

struct NetworkOptions {
  Duration local_delay = Duration::micros(100);
  Duration jitter_max = Duration::micros(0);
  std::vector<std::vector<int64_t>> distance_us;  // by region and region, one way
  bool datagrams = false;
};

struct NetworkRates {  // of a thousand frames
  uint32_t lost = 0, doubled = 0, reordered = 0;
};

struct NetworkCounts {
  uint64_t frames = 0, bytes = 0, lost = 0, doubled = 0, reordered = 0, refused = 0, broken = 0;
};

class Network {
 public:
  static constexpr Duration kSilenceMax = Duration::seconds(4);
  static constexpr size_t kHeldFramesMax = 1024;

  // `region_of`: by machine. `link_news(from, to, up)`: the connection from a machine to another has come up
  // or gone down, as its sender sees it.
  Network(const NetworkOptions& options, std::vector<uint32_t> region_of, EventQueue& events, uint64_t seed,
          std::function<void(uint32_t, uint32_t, bool)> link_news);

  // Never blocks; what cannot be taken is lost.
  void send(Instant now, uint32_t from, uint32_t to, Bytes&& frame);
  // A frame's event. False: it is held back or lost.
  bool arrive(Instant now, const Event& event, Bytes& frame);
  // A link's event: it was silent for too long, or an attempt to connect.
  void handle_link(Instant now, const Event& event);

  enum class Block : unsigned char { cut, stopped };
  void block(Instant now, uint32_t from, uint32_t to, Block why);
  void unblock(Instant now, uint32_t from, uint32_t to, Block why);
  bool blocked(uint32_t from, uint32_t to) const { return link(from, to).blocks > 0; }
  bool connected(uint32_t from, uint32_t to) const { return link(from, to).connected; }
  // The machine's process is there: its peers connect, and it connects to them.
  void up(Instant now, uint32_t machine);
  // It is gone. `noticed`: its peers see their connections reset; otherwise they notice the silence.
  void down(Instant now, uint32_t machine, bool noticed);
  // Extra one-way delay of all that a machine sends and receives, and of everything.
  void clog(uint32_t machine, Duration extra) { clogged_[machine] = extra; }
  NetworkRates rates;
  // Sees each frame that is sent, whatever becomes of it.
  std::function<void(Instant now, uint32_t from, uint32_t to, BytesView frame)> on_send;

  // Takes away single frames, for tests that need the loss of a certain one.
  std::function<bool(uint32_t from, uint32_t to, BytesView frame)> loses;

  const NetworkCounts& counts() const { return counts_; }

 private:
  struct Packet {
    uint32_t connection = 0;
    Bytes frame;
  };
  struct Link {
    uint32_t connection = 0;  // its number; frames of earlier ones are lost
    uint32_t blocks = 0;
    uint32_t cuts = 0;   // of them
    uint32_t timer = 0;  // number of the live timer
    bool connected = false;
    bool told = false;  // what the sender was last told
    Instant last_arrival{0};
    std::unique_ptr<std::deque<Bytes>> held;
  };
  Link& link(uint32_t from, uint32_t to) { return links_[size_t{from} * machines_ + to]; }
  const Link& link(uint32_t from, uint32_t to) const { return links_[size_t{from} * machines_ + to]; }
  Duration delay(uint32_t from, uint32_t to);
  void put(Instant at, uint32_t from, uint32_t to, uint32_t connection, Bytes&& frame);
  void hold(Link& link, Bytes&& frame);
  void arm(Instant at, uint32_t from, uint32_t to);
  void connect_later(Instant now, uint32_t from, uint32_t to);
  void disconnect(uint32_t from, uint32_t to, bool tell);

  NetworkOptions options_;
  std::vector<uint32_t> region_of_;
  uint32_t machines_;
  EventQueue& events_;
  Prng prng_;
  std::function<void(uint32_t, uint32_t, bool)> link_news_;
  std::vector<Link> links_;
  std::vector<bool> alive_;
  std::vector<Duration> clogged_;
  Slots<Packet> packets_;
  NetworkCounts counts_;
};

}  // namespace atolldb::sim
