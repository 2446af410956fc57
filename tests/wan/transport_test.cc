// The transport between real sockets on loopback: what flows, who gets in, and what happens when something
// breaks. Losing a frame is allowed, saying so wrongly, blocking or mistaking the sender is not.

#include "wan/io/transport.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <iomanip>
#include <set>
#include <sstream>

#include "tests/wan/transport_rig.h"

namespace atolldb::wan {
namespace {

bool connected(Process& a, Process& b) {
  return eventually({&a, &b}, [&] { return a.up(b) && b.up(a); });
}

std::string numbered(int i) { return "frame " + std::to_string(i); }

// Local ports from which connections to this one are being tried, unanswered so far.
std::set<std::string> tries_at(uint16_t port) {
  std::ifstream table("/proc/net/tcp");
  std::set<std::string> ports;
  std::string line;
  std::getline(table, line);
  while (std::getline(table, line)) {
    std::istringstream fields(line);
    std::string number, local, remote, state;
    fields >> number >> local >> remote >> state;
    if (state == "02" &&
        remote.substr(9) ==
            (std::ostringstream() << std::hex << std::uppercase << std::setw(4) << std::setfill('0') << port)
                .str())
      ports.insert(local.substr(9));
  }
  return ports;
}

// Listens, and answers nobody: as many connections wait to be taken as may.
class SilentPort {
 public:
  explicit SilentPort(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto* const at = reinterpret_cast<const sockaddr*>(&address);
    fds_.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(bind(fds_[0], at, sizeof address) == 0);
    REQUIRE(listen(fds_[0], 0) == 0);
    while (tries_at(port).empty()) {
      fds_.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      connect(fds_.back(), at, sizeof address);
    }
  }
  ~SilentPort() {
    for (const int fd : fds_) close(fd);
  }

 private:
  std::vector<int> fds_;
};

TEST_CASE("transport: two nodes, frames flow both ways in order", "[wan]") {
  const Cluster cluster({1, 1});
  Process a(cluster, 1), b(cluster, 2);
  REQUIRE(connected(a, b));
  for (int i = 0; i < 500; ++i) {
    REQUIRE(a.send(b, numbered(i)));
    REQUIRE(b.send(a, numbered(i)));
  }
  REQUIRE(eventually({&a, &b}, [&] { return a.received.size() == 500 && b.received.size() == 500; }));
  for (int i = 0; i < 500; ++i) {
    CHECK(a.received[static_cast<size_t>(i)].frame == numbered(i));
    CHECK(b.received[static_cast<size_t>(i)].frame == numbered(i));
    CHECK(b.received[static_cast<size_t>(i)].from == NodeNumber{1});
  }
  CHECK(a.transport().stats().frames_sent == 500);
  CHECK(b.transport().stats().frames_received == 500);
  CHECK(b.transport().stats().bytes_received == a.transport().stats().bytes_sent);
}

TEST_CASE("transport: empty, binary and largest frames arrive whole", "[wan]") {
  const Cluster cluster({2});
  Process a(cluster, 1), b(cluster, 2);
  REQUIRE(connected(a, b));
  std::string largest(kPeerFrameBytesMax, 'x');
  for (size_t i = 0; i < largest.size(); i += 4096) largest[i] = static_cast<char>(i >> 12);
  const std::vector<std::string> frames{"", std::string("\0\xff\0", 3), largest};
  for (const auto& frame : frames) REQUIRE(a.send(b, frame));
  REQUIRE(eventually({&a, &b}, [&] { return b.received.size() == frames.size(); }));
  for (size_t i = 0; i < frames.size(); ++i) CHECK((b.received[i].frame == frames[i]));
}

TEST_CASE("transport: frame over the limit, refused at the sender and the link lives on", "[wan]") {
  const Cluster cluster({2});
  Process a(cluster, 1), b(cluster, 2);
  REQUIRE(connected(a, b));
  CHECK_FALSE(a.send(b, Bytes(kPeerFrameBytesMax + 1, 'x')));
  CHECK(a.transport().stats().dropped == 1);
  REQUIRE(a.send(b, "after"));
  REQUIRE(eventually({&a, &b}, [&] { return !b.received.empty(); }));
  CHECK(b.received[0].frame == "after");
}

TEST_CASE("transport: no such peer, or itself, is refused", "[wan]") {
  const Cluster cluster({2});
  Process a(cluster, 1);
  CHECK_FALSE(a.transport().send(monotonic_now(), NodeNumber{77}, "x"));
  CHECK_FALSE(a.transport().send(monotonic_now(), NodeNumber{1}, "x"));
  CHECK(a.transport().stats().dropped == 2);
}

// HAZARDS 25: what is sent to a peer that is away must not wait and arrive out of date.
TEST_CASE("transport: peer away, send says so and nothing is delivered later", "[wan]") {
  const Cluster cluster({2});
  Process a(cluster, 1);
  CHECK_FALSE(a.transport().send(monotonic_now(), NodeNumber{2}, "too early"));
  Process b(cluster, 2);
  REQUIRE(connected(a, b));
  REQUIRE(a.send(b, "now"));
  REQUIRE(eventually({&a, &b}, [&] { return !b.received.empty(); }));
  CHECK(b.received[0].frame == "now");
}

// The system would ask again after 1, 2, 4, up to 64 s: a host that comes back would wait for the next time.
TEST_CASE("transport: peer's host swallows everything, connecting begins anew every few seconds", "[wan]") {
  const Cluster cluster({2});
  const uint16_t port = cluster.topology.nodes[1].peer.port;
  const SilentPort silent(port);
  const std::set<std::string> others = tries_at(port);
  std::set<std::string> tried;
  Process a(cluster, 1);
  CHECK(eventually({&a}, [&] {
    for (const std::string& from : tries_at(port))
      if (!others.contains(from)) tried.insert(from);
    return tried.size() >= 3;
  }));
}

TEST_CASE("transport: key that is not in the topology, refused and counted while peers go on", "[wan]") {
  const Cluster cluster({2});
  Process a(cluster, 1), b(cluster, 2);
  REQUIRE(connected(a, b));
  const RawPeer::Keys keys{cluster.topology.nodes[0].public_key, make_keys()};
  RawPeer stranger(cluster.topology.nodes[0], &keys);
  REQUIRE(eventually({&a, &b}, [&] { return a.transport().stats().refused >= 2; }));
  CHECK_FALSE(stranger.send({std::string("\1\1let me in", 11)}));
  REQUIRE(b.send(a, "peer"));
  REQUIRE(eventually({&a, &b}, [&] { return !a.received.empty(); }));
  CHECK(a.received.size() == 1);
  CHECK(a.received[0].frame == "peer");
  CHECK(a.log.count(LogLevel::warn, "connection refused") >= 1);
  CHECK(a.log.count(LogLevel::warn, keys.own.public_key) >= 1);
}

TEST_CASE("transport: peer without CURVE, does not get in", "[wan]") {
  const Cluster cluster({2});
  Process a(cluster, 1), b(cluster, 2);
  RawPeer plain(cluster.topology.nodes[0], nullptr);
  REQUIRE(connected(a, b));
  for (int i = 0; i < 50; ++i) {
    plain.send({std::string("\1\1plain", 7)});
    REQUIRE(b.send(a, numbered(i)));
    REQUIRE(eventually({&a, &b}, [&] { return a.received.size() == static_cast<size_t>(i) + 1; }));
  }
  CHECK(std::all_of(a.received.begin(), a.received.end(),
                    [](const auto& r) { return r.from == NodeNumber{2}; }));
}

// HAZARDS 32: the sender is who holds the key, whatever the frame or the connection says.
TEST_CASE("transport: region b's key claiming to be c, counts as b", "[wan]") {
  const Cluster cluster({1, 1, 1});
  Process a(cluster, 1);
  const RawPeer::Keys keys{cluster.topology.nodes[0].public_key, cluster.keys.at(NodeNumber{2})};
  RawPeer b(cluster.topology.nodes[0], &keys);
  REQUIRE(eventually({&a}, [&] { return b.send({std::string("\1\1", 2) + "I am node 3"}); }));
  REQUIRE(eventually({&a}, [&] { return !a.received.empty(); }));
  CHECK(a.received[0].from == NodeNumber{2});
}

TEST_CASE("transport: another process with this node's own key, refused and logged as such", "[wan]") {
  const Cluster cluster({2});
  Process a(cluster, 1);
  const RawPeer::Keys keys{cluster.topology.nodes[0].public_key, cluster.keys.at(NodeNumber{1})};
  RawPeer clone(cluster.topology.nodes[0], &keys);
  REQUIRE(eventually({&a}, [&] { return a.log.count(LogLevel::warn, "held by another process") > 0; }));
}

TEST_CASE("transport: frame of another version or in parts, refused, counted, and the link lives on",
          "[wan]") {
  const Cluster cluster({2});
  Process a(cluster, 1);
  const RawPeer::Keys keys{cluster.topology.nodes[0].public_key, cluster.keys.at(NodeNumber{2})};
  RawPeer b(cluster.topology.nodes[0], &keys);
  const std::string head("\1\1", 2);
  REQUIRE(eventually({&a}, [&] { return b.send({std::string("\2\1", 2) + "future"}); }));
  REQUIRE(b.send({std::string("\1\7", 2) + "kind"}));
  REQUIRE(b.send({"\1"}));
  REQUIRE(b.send({""}));
  REQUIRE(b.send({head + "one", "two", "three"}));
  REQUIRE(b.send({head + "good"}));
  REQUIRE(eventually({&a}, [&] { return !a.received.empty(); }));
  CHECK(a.received.size() == 1);
  CHECK(a.received[0].frame == "good");
  CHECK(a.transport().stats().invalid == 5);
  CHECK(a.log.count(LogLevel::error, "another protocol version\" found=2/1 expected=1/1") == 1);
}

TEST_CASE("transport: oversized message from a peer with a key, that connection ends and others go on",
          "[wan]") {
  const Cluster cluster({3});
  Process a(cluster, 1), c(cluster, 3);
  REQUIRE(connected(a, c));
  const RawPeer::Keys keys{cluster.topology.nodes[0].public_key, cluster.keys.at(NodeNumber{2})};
  RawPeer b(cluster.topology.nodes[0], &keys);
  const std::string head("\1\1", 2);
  REQUIRE(eventually({&a, &c}, [&] { return b.send({head + std::string(kPeerFrameBytesMax + 4096, 'x')}); }));
  REQUIRE(eventually({&a, &c}, [&] { return b.send({head + "again"}) && !a.received.empty(); }));
  CHECK(a.received[0].frame == "again");
  REQUIRE(c.send(a, "peer"));
  // Behind it may come what b had sent again and again.
  REQUIRE(eventually({&a, &c}, [&] {
    return std::any_of(a.received.begin(), a.received.end(),
                       [](const auto& r) { return r.from == NodeNumber{3} && r.frame == "peer"; });
  }));
}

// HAZARDS 33.
TEST_CASE("transport: 200 silent connections, real peers connect and talk, the silent ones are closed",
          "[wan]") {
  const Cluster cluster({2});
  Process a(cluster, 1);
  std::vector<TcpClient> silent;
  for (int i = 0; i < 200; ++i) silent.emplace_back(cluster.topology.nodes[0].peer.port, "");
  Process b(cluster, 2);
  REQUIRE(connected(a, b));
  REQUIRE(b.send(a, "hello"));
  REQUIRE(eventually({&a, &b}, [&] { return !a.received.empty(); }));
  const bool closed = eventually({&a, &b}, [&] {
    return std::all_of(silent.begin(), silent.end(),
                       [](const auto& client) { return client.closed_by_peer(); });
  });
  CHECK(closed);
  REQUIRE(b.send(a, "still here"));
  CHECK(eventually({&a, &b}, [&] { return a.received.size() == 2; }));
}

TEST_CASE("transport: garbage at the port, closed and real peers go on", "[wan]") {
  const Cluster cluster({2});
  Process a(cluster, 1), b(cluster, 2);
  const uint16_t port = cluster.topology.nodes[0].peer.port;
  std::string noise(4096, '\0');
  uint64_t state = 12345;
  for (auto& byte : noise)
    byte = static_cast<char>((state = state * 6364136223846793005u + 1442695040888963407u) >> 56);
  const std::string greeting = std::string("\xff\0\0\0\0\0\0\0\1\x7f\3\1CURVE", 17) + std::string(47, '\0');
  std::vector<TcpClient> clients;
  clients.emplace_back(port, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  clients.emplace_back(port, noise);
  clients.emplace_back(port, greeting + noise);
  clients.emplace_back(port,
                       greeting + std::string("\6\xff\xff\xff\xff\xff\xff\xff\xff", 9));  // a huge command
  clients.emplace_back(port, std::string("\1\0", 2));                                     // ZMTP 1.0
  REQUIRE(connected(a, b));
  const bool closed = eventually({&a, &b}, [&] {
    return std::all_of(clients.begin(), clients.end(),
                       [](const auto& client) { return client.closed_by_peer(); });
  });
  CHECK(closed);
  REQUIRE(b.send(a, "hello"));
  CHECK(eventually({&a, &b}, [&] { return a.received.size() == 1; }));
}

// HAZARDS 24: a full queue is a refusal that the sender hears, and never a wait.
TEST_CASE("transport: receiver stops reading, send refuses, and what was taken arrives without a gap",
          "[wan]") {
  const Cluster cluster({2});
  Process a(cluster, 1), b(cluster, 2);
  REQUIRE(connected(a, b));
  const std::string padding(64 << 10, 'p');
  int taken = 0;
  while (taken < 20'000 && a.send(b, numbered(taken) + padding)) ++taken;
  REQUIRE(taken < 20'000);
  CHECK(a.transport().stats().dropped == 1);
  REQUIRE(eventually({&a, &b}, [&] { return b.received.size() == static_cast<size_t>(taken); }));
  for (int i = 0; i < taken; ++i)
    REQUIRE(b.received[static_cast<size_t>(i)].frame.starts_with(numbered(i) + "p"));
  REQUIRE(a.send(b, "room again"));
  CHECK(eventually({&a, &b}, [&] { return b.received.back().frame == "room again"; }));
}

TEST_CASE("transport: receiver stops reading large frames, what waits is bounded in bytes", "[wan]") {
  const Cluster cluster({2});
  Process a(cluster, 1), b(cluster, 2);
  REQUIRE(connected(a, b));
  const std::string large(16 << 20, 'l');
  size_t taken = 0;
  while (taken < 200 && a.send(b, Bytes(large))) ++taken;
  // Three at the sender; the receiver's 32 frames and what the kernel holds take some off it meanwhile.
  CHECK(taken >= 3);
  CHECK(taken < 60);
  REQUIRE(eventually({&a, &b}, [&] { return b.received.size() == taken; }));
}

// ZeroMQ 4.3 aborts the process when a heartbeat is due, or is to be answered, on a connection that broke
// while its input was stopped: a node that was stalled for seconds, and comes back to peers that have given
// it up.
TEST_CASE("transport: sender ends while the receiver has stopped reading, the receiver lives on", "[wan]") {
  const Cluster cluster({2});
  Process b(cluster, 2);
  auto a = std::make_unique<Process>(cluster, 1);
  REQUIRE(connected(*a, b));
  const std::string padding(64 << 10, 'p');
  while (a->send(b, Bytes(padding))) continue;
  a.reset();
  // Two heartbeats of a second, if there were any: the first one would find out that nobody is there.
  const Instant later = monotonic_now() + Duration::millis(2500);
  REQUIRE(eventually({}, [&] { return monotonic_now() > later; }));
  a = std::make_unique<Process>(cluster, 1);
  REQUIRE(connected(*a, b));
  REQUIRE(a->send(b, "again"));
  CHECK(eventually({a.get(), &b}, [&] { return b.received.back().frame == "again"; }));
}

TEST_CASE("transport: one side restarts, both see the link go and come, frames flow again", "[wan]") {
  const Cluster cluster({2});
  Process a(cluster, 1);
  auto b = std::make_unique<Process>(cluster, 2);
  REQUIRE(connected(a, *b));
  b.reset();
  const auto down = [&] { return !a.changes.empty() && !a.changes.back().up; };
  REQUIRE(eventually({&a}, down));
  // A link that was about to come up when its end went may come and go once more.
  REQUIRE(eventually({&a}, [&] { return !a.transport().send(monotonic_now(), NodeNumber{2}, "lost"); }));
  b = std::make_unique<Process>(cluster, 2);
  REQUIRE(connected(a, *b));
  REQUIRE(a.send(*b, "to b"));
  REQUIRE(b->send(a, "to a"));
  REQUIRE(eventually({&a, b.get()}, [&] { return !a.received.empty() && !b->received.empty(); }));
  CHECK(b->received[0].frame == "to b");
  CHECK(a.received[0].frame == "to a");
}

TEST_CASE("transport: peer does not hold the key that our topology gives it, logged and never up", "[wan]") {
  Cluster cluster({2});
  Process b(cluster, 2);
  cluster.topology.nodes[1].public_key = make_keys().public_key;  // what node 1 believes of node 2
  Process a(cluster, 1);
  REQUIRE(eventually({&a, &b}, [&] { return a.log.count(LogLevel::warn, "peer handshake failed") > 0; }));
  CHECK(a.log.count(LogLevel::warn, "peer=a-2") > 0);
  CHECK_FALSE(a.up(b));
  CHECK_FALSE(a.send(b, "x"));
}

TEST_CASE("transport: key added to a peer's topology later, the refused node gets in by itself", "[wan]") {
  const Cluster cluster({2});
  Cluster old = cluster;
  old.topology.nodes.pop_back();
  Process b(cluster, 2);
  {
    Process a(old, 1);
    REQUIRE(eventually({&a, &b}, [&] { return a.transport().stats().refused > 0; }));
  }
  Process a(cluster, 1);
  REQUIRE(connected(a, b));
}

TEST_CASE("transport: region cut, nothing passes either way; healed, it does", "[wan]") {
  const Cluster cluster({2, 1});
  Process a(cluster, 1), a2(cluster, 2), b(cluster, 3);
  REQUIRE(eventually({&a, &a2, &b}, [&] { return a.up(b) && b.up(a) && a.up(a2); }));
  a.transport().set_cut({RegionId{1}});
  REQUIRE(eventually({&a, &b}, [&] { return !a.up(b); }));
  CHECK_FALSE(a.send(b, "into the cut"));
  REQUIRE(b.send(a, "from the far side"));
  REQUIRE(a.send(a2, "inside the region"));
  REQUIRE(
      eventually({&a, &a2, &b}, [&] { return a.transport().stats().dropped == 2 && !a2.received.empty(); }));
  CHECK(a.received.empty());
  a.transport().set_cut({});
  REQUIRE(eventually({&a, &b}, [&] { return a.up(b); }));
  REQUIRE(a.send(b, "healed"));
  REQUIRE(b.send(a, "healed"));
  REQUIRE(eventually({&a, &b}, [&] { return !a.received.empty() && !b.received.empty(); }));
  CHECK(a.received[0].frame == "healed");
  CHECK(b.received[0].frame == "healed");
}

TEST_CASE("transport: delayed link, frames wait their time, in order, and only between regions", "[wan]") {
  Cluster cluster({2, 1});
  cluster.delay(RegionId{1}, RegionId{0}, 60);
  Process a(cluster, 1), a2(cluster, 2), b(cluster, 3);
  REQUIRE(eventually({&a, &a2, &b}, [&] { return a.up(b) && b.up(a) && a.up(a2); }));
  const Instant sent = monotonic_now();
  for (int i = 0; i < 10; ++i) REQUIRE(a.send(b, numbered(i)));
  REQUIRE(a.send(a2, "near"));
  CHECK(a.transport().next_deadline() >= sent + Duration::millis(60));
  CHECK(a.transport().next_deadline() < sent + Duration::seconds(10));
  REQUIRE(eventually({&a, &a2, &b}, [&] { return !a2.received.empty(); }));
  REQUIRE(eventually({&a, &a2, &b}, [&] { return b.received.size() == 10; }));
  CHECK(monotonic_now() - sent >= Duration::millis(60));
  for (int i = 0; i < 10; ++i) CHECK(b.received[static_cast<size_t>(i)].frame == numbered(i));
  CHECK(a.transport().next_deadline() == Instant::never());
}

TEST_CASE("transport: cut while frames are on a delayed link, they are gone", "[wan]") {
  Cluster cluster({1, 1});
  cluster.delay(RegionId{0}, RegionId{1}, 1000);
  Process a(cluster, 1), b(cluster, 2);
  REQUIRE(connected(a, b));
  REQUIRE(a.send(b, "on its way"));
  a.transport().set_cut({RegionId{1}});
  CHECK(a.transport().next_deadline() == Instant::never());
  CHECK(a.transport().stats().dropped == 1);
}

TEST_CASE("transport: address in use, the message names port and remedy", "[wan]") {
  const Cluster cluster({1});
  Process a(cluster, 1);
  void* context = zmq_ctx_new();
  CapturingLog log;
  {
    const auto second = Transport::open({NodeNumber{1}, cluster.keys.at(NodeNumber{1}).secret_key},
                                        cluster.topology, context, log);
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().code == Errc::io);
    const std::string port = std::to_string(cluster.topology.nodes[0].peer.port);
    CHECK(second.error().message.find("peer address 127.0.0.1:" + port + " is in use") != std::string::npos);
    CHECK(second.error().message.find("ss -ltnp") != std::string::npos);
  }
  zmq_ctx_term(context);
}

TEST_CASE("transport: secret key of another node, or no key at all, refused", "[wan]") {
  const Cluster cluster({2});
  void* context = zmq_ctx_new();
  CapturingLog log;
  const auto open = [&](uint16_t number, const std::string& secret) {
    return Transport::open({NodeNumber{number}, secret}, cluster.topology, context, log).error();
  };
  const auto other = open(1, cluster.keys.at(NodeNumber{2}).secret_key);
  CHECK(other.code == Errc::invalid);
  CHECK(other.message.find(cluster.topology.nodes[1].public_key) != std::string::npos);
  CHECK(other.message.find(cluster.keys.at(NodeNumber{2}).secret_key) == std::string::npos);
  CHECK(open(1, "").code == Errc::invalid);
  CHECK(open(1, std::string(40, '\\')).code == Errc::invalid);
  CHECK(open(9, cluster.keys.at(NodeNumber{2}).secret_key).code == Errc::invalid);
  zmq_ctx_term(context);
}

}  // namespace
}  // namespace atolldb::wan
