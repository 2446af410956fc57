// Clusters under random faults, one seed a run: kills, lost unsynced writes, lost and rolled-back disks,
// cuts, loss and duplication of frames, skewed clocks. Then everything heals, and what was acknowledged must
// be there (G1, G3, G4, G7 for a key with one writer, G12). `ATOLL_SEEDS=first..last` runs others than the
// built-in ones.

#include <catch2/catch.hpp>
#include <cstdlib>

#include "tests/region/world.h"

using namespace atolldb;
using atolldb::testing::World;
using atolldb::testing::WorldOptions;
using region::Op;
using region::Outcome;
using region::Request;
using region::Response;

namespace {

struct Counter {
  int64_t done = 0;       // each exactly once
  int64_t uncertain = 0;  // unknown for good: a disk was lost in between
};

// A client with one request in work at a time.
struct Client {
  uint32_t region = 0;
  uint32_t number = 0;
  uint64_t waiting = 0;
  Request request;
  NodeNumber at{};
  Instant since;
  // An increment on its way.
  bool adding = false, routed = false, sent = false;
  int64_t last_acked = 0, last_tried = 0;  // of the key that only this client writes
  // Sets whose outcome is unknown may surface late, beside what came after them (G7).
  std::set<int64_t> unknown;
  int64_t read_floor = 0;
  std::string last;  // what it was answered
  int hopeless = 0;  // attempts that were told the id is beyond memory
};

class Run {
 public:
  explicit Run(uint64_t seed) : prng_(seed), world_(options(seed)), seed_(seed) {
    for (uint32_t i = 0; i < 2 * world_.topology().regions.size(); ++i) {
      Client client;
      client.region = i % static_cast<uint32_t>(world_.topology().regions.size());
      client.number = i;
      clients_.push_back(client);
    }
  }

  std::optional<std::string> run() {
    world_.start_all();
    if (!world_.run_until([&] { return world_.serving(); })) return fail("does not serve");
    const uint64_t kinds = prng_.next();
    for (int round = 0; round < 400 && !failed_; ++round) {
      step_faults(kinds);
      for (Client& client : clients_) step(client, true);
      world_.run_for(Duration::millis(static_cast<int64_t>(prng_.below(40)) + 1));
    }
    heal();
    if (!world_.run_until([&] { return finished(); }, Duration::seconds(120)))
      fail("a client does not finish: " + unfinished() + reports());
    if (!failed_ && !world_.run_until([&] { return world_.converged(); }, Duration::seconds(120)))
      fail("does not converge: " + reports());
    if (!failed_) check();
    return failed_;
  }
  World& world() { return world_; }

 private:
  static WorldOptions options(uint64_t seed) {
    Prng prng(seed * 77 + 1);
    WorldOptions o;
    o.seed = seed;
    o.regions = 1 + static_cast<uint32_t>(prng.below(3));
    o.nodes = prng.chance(1, 4) ? 5 : 3;
    o.partitions = 1 + static_cast<uint32_t>(prng.below(6));
    switch (prng.below(4)) {
      case 0:
        o.r = 1, o.w = 3;
        break;
      case 1:
        o.r = 3, o.w = 1;
        break;
      default:
        break;
    }
    o.memtable_bytes = prng.chance(1, 2) ? 8u << 10 : 1u << 20;
    o.log_bytes_max = prng.chance(1, 3) ? 32u << 10 : 1u << 30;
    return o;
  }

  std::optional<std::string> fail(const std::string& what) {
    if (!failed_) failed_ = "seed " + std::to_string(seed_) + ": " + what;
    return failed_;
  }

  NodeNumber node_of(const Client& client) {
    return world_.node(client.region,
                       static_cast<uint32_t>(prng_.below(world_.topology().regions[0].nodes.size())));
  }

  void step(Client& client, bool more) {
    if (client.waiting != 0) {
      const auto response = world_.response(client.waiting);
      if (!response) {
        if (world_.now() - client.since < Duration::seconds(8)) return;
        Response lost;  // the node died with it
        lost.outcome = Outcome::unknown;
        return answered(client, lost);
      }
      return answered(client, *response);
    }
    if (client.adding) return continue_add(client);
    if (more) begin(client);
  }

  void send(Client& client) {
    client.at = node_of(client);
    client.since = world_.now();
    client.request.deadline_ms = 2000;
    client.waiting = world_.send(client.at, client.request);
    if (!world_.running(client.at)) client.waiting = 0;  // refused connection: nothing happened
  }

  void begin(Client& client) {
    client.request = {};
    const uint64_t what = prng_.below(10);
    if (what < 4) {
      client.adding = true;
      client.routed = client.sent = false;
      client.request.op = Op::add;
      client.request.key = "c" + std::to_string(prng_.below(3));
      client.request.amount = 1 + static_cast<int64_t>(prng_.below(5));
      client.request.attempt = 1;
      return;
    }
    if (what < 6) {
      client.request.op = Op::sadd;
      client.request.key = "s" + std::to_string(prng_.below(2));
      client.request.args = {std::to_string(client.number) + "-" + std::to_string(++elements_)};
    } else if (what < 8) {
      client.request.op = Op::set;
      client.request.key = "k" + std::to_string(client.number);
      client.request.value = std::to_string(++client.last_tried);
    } else {
      client.request.op = Op::get;
      client.request.key = "k" + std::to_string(client.number);
      client.read_floor = client.last_acked;
    }
    send(client);
  }

  // Exactly once: an id names the epoch that the client knew; a retry keeps the id and stays in the region.
  void continue_add(Client& client) {
    if (!client.routed) {
      Request route;
      route.op = Op::route;
      route.key = client.request.key;
      if (client.request.op == Op::add) pending_add_[client.number] = std::exchange(client.request, route);
      return send(client);
    }
    send(client);
    if (client.waiting != 0) client.sent = true;
  }

  void answered(Client& client, const Response& response) {
    client.waiting = 0;
    client.last = std::to_string(static_cast<int>(response.outcome)) + " " + response.message;
    if (client.request.op == Op::route) {
      client.request = pending_add_[client.number];
      if (response.outcome != Outcome::done) return;
      client.routed = true;
      client.request.attempt = 1;
      client.request.id = region::RequestId{RegionId{static_cast<uint16_t>(client.region)}, response.epoch,
                                            response.stamp_ms, prng_.next()};
      return;
    }
    switch (client.request.op) {
      case Op::add:
        return answered_add(client, response);
      case Op::sadd:
        if (response.outcome == Outcome::done) members_[client.request.key].insert(client.request.args[0]);
        return;
      case Op::set:
        if (response.outcome == Outcome::done) client.last_acked = std::stoll(client.request.value);
        if (response.outcome == Outcome::unknown) client.unknown.insert(std::stoll(client.request.value));
        return;
      case Op::get: {
        if (response.outcome != Outcome::done) return;
        const int64_t shown = response.found ? std::stoll(response.value) : 0;
        if (shown < client.read_floor && !client.unknown.contains(shown))
          fail("G7: client " + std::to_string(client.number) + " read " + std::to_string(shown) + " after " +
               std::to_string(client.read_floor) + " was acknowledged");
        return;
      }
      default:
        return;
    }
  }

  void answered_add(Client& client, const Response& response) {
    if (response.outcome == Outcome::done) {
      counters_[client.request.key].done += client.request.amount;
      client.adding = false;
      return;
    }
    if (response.outcome == Outcome::rejected && client.request.attempt == 1) {
      client.routed = false;  // certainly nothing happened: a new id
      return;
    }
    if (response.outcome == Outcome::unknown || client.request.attempt > 1) ++client.request.attempt;
    if (disks_lost_ > 0 && healed_ && response.outcome == Outcome::unknown && ++client.hopeless > 20) {
      counters_[client.request.key].uncertain += client.request.amount;
      client.adding = false;
      client.hopeless = 0;
    }
  }

  std::string unfinished() const {
    std::string out;
    for (const Client& client : clients_)
      if (client.waiting != 0 || client.adding)
        out += "client " + std::to_string(client.number) + " op " +
               std::to_string(static_cast<int>(client.request.op)) + " attempt " +
               std::to_string(client.request.attempt) + " last \"" + client.last + "\"; ";
    return out;
  }

  std::string clocks(NodeNumber node) {
    Request request;
    request.op = Op::inspect;
    request.key = "c0";
    return world_.call(node, request).value;
  }
  std::string reports() {
    std::string out;
    for (const NodeNumber node : world_.all())
      if (world_.running(node))
        out += world_.report(node, Op::status) + "\n" + world_.report(node, Op::digest) + "\n" +
               clocks(node) + "\n";
    return out;
  }

  bool finished() {
    bool all = true;
    for (Client& client : clients_) {
      step(client, false);
      all = all && client.waiting == 0 && !client.adding;
    }
    return all || failed_;
  }

  void step_faults(uint64_t kinds) {
    const auto all = world_.all();
    const NodeNumber node = all[prng_.below(all.size())];
    const uint64_t x = prng_.below(100);
    if (x < 4 && (kinds & 1)) {
      if (world_.running(node)) world_.kill(node);
    } else if (x < 12) {
      for (const NodeNumber n : all)
        if (!world_.running(n) && prng_.chance(1, 2)) world_.start(n);
    } else if (x < 14 && (kinds & 2)) {
      world_.isolate(node);
    } else if (x < 15 && (kinds & 4) && world_.topology().regions.size() > 1) {
      world_.cut_regions(RegionId{0}, RegionId{1});
    } else if (x < 20) {
      world_.heal();
    } else if (x < 21 && (kinds & 8)) {
      world_.drop_per_1000 = static_cast<uint32_t>(prng_.below(100));
      world_.duplicate_per_1000 = static_cast<uint32_t>(prng_.below(50));
    } else if (x < 22 && (kinds & 16)) {
      world_.wall_skew_ms[node] = static_cast<int64_t>(prng_.below(8 * 3'600'000)) - 4 * 3'600'000;
    } else if (x < 23 && (kinds & 32) && (kinds & 192) == 192) {
      lose_disk(node);
    }
  }

  // One disk at a time, and only while the rest of the region is whole: W disks at once are outside G1.
  void lose_disk(NodeNumber node) {
    const auto& region = world_.topology().region(world_.topology().find(node)->region);
    if (region.w < 2 || !world_.run_until([&] { return world_.serving(); }, Duration::millis(1))) return;
    for (const NodeNumber other : region.nodes)
      if (!world_.running(other)) return;
    ++disks_lost_;
    if (prng_.chance(1, 2)) {
      world_.kill(node);
      world_.wipe(node);
    } else {
      const storage::VirtualDisk older = world_.disk(node);
      world_.run_for(Duration::millis(300));
      if (!world_.running(node)) return;
      world_.kill(node);
      world_.disk(node) = older;
      world_.disk(node).cut_power(world_.prng());
    }
    world_.start(node);
  }

  void heal() {
    world_.drop_per_1000 = world_.duplicate_per_1000 = 0;
    world_.heal();
    world_.start_all();
    world_.run_for(Duration::seconds(5));
    healed_ = true;
  }

  // A read that meets a takeover is rejected, and asked again.
  Response read(NodeNumber node, Op op, const Bytes& key, std::vector<Bytes> args = {}) {
    Response response;
    for (int i = 0; i < 20; ++i) {
      Request request;
      request.op = op;
      request.key = key;
      request.args = args;
      response = world_.call(node, request);
      if (response.outcome == Outcome::done) break;
      world_.run_for(Duration::millis(500));
    }
    return response;
  }

  void check() {
    for (const NodeNumber node : world_.all()) {
      if (world_.fatal(node)) fail("node stopped: " + *world_.fatal(node));
      for (const auto& [key, counter] : counters_) {
        const Response response = read(node, Op::get, key);
        const int64_t sum = response.value.empty() ? 0 : std::stoll(response.value);
        if (response.outcome != Outcome::done || sum < counter.done || sum > counter.done + counter.uncertain)
          fail("G4: " + key + " is " + response.value + " on node " + std::to_string(raw(node)) +
               ", acknowledged " + std::to_string(counter.done) + " and at most " +
               std::to_string(counter.uncertain) + " more " + response.message);
      }
      for (const auto& [key, members] : members_)
        for (const Bytes& member : members) {
          if (!read(node, Op::sismember, key, {member}).found)
            fail("G4: " + member + " is missing in " + key);
        }
      for (const Client& client : clients_) {
        const Response response = read(node, Op::get, "k" + std::to_string(client.number));
        const int64_t shown = response.found ? std::stoll(response.value) : 0;
        if (response.outcome != Outcome::done || shown > client.last_tried ||
            (shown < client.last_acked && !client.unknown.contains(shown)))
          fail("G1: k" + std::to_string(client.number) + " is " + std::to_string(shown) + ", acknowledged " +
               std::to_string(client.last_acked) + " " + response.message);
      }
    }
  }

  Prng prng_;
  World world_;
  uint64_t seed_;
  std::vector<Client> clients_;
  std::map<uint32_t, Request> pending_add_;
  std::map<Bytes, Counter> counters_;
  std::map<Bytes, std::set<Bytes>> members_;
  uint64_t elements_ = 0, disks_lost_ = 0;
  bool healed_ = false;
  std::optional<std::string> failed_;
};

}  // namespace

TEST_CASE("cluster: random faults, nothing acknowledged is lost", "[random]") {
  uint64_t first = 1, last = 40;
  if (const char* seeds = std::getenv("ATOLL_SEEDS")) {
    char* end = nullptr;
    first = std::strtoull(seeds, &end, 10);
    last = *end == '.' ? std::strtoull(end + 2, nullptr, 10) : first;
  }
  for (uint64_t seed = first; seed <= last; ++seed) {
    Run run(seed);
    const auto failure = run.run();
    if (failure && std::getenv("ATOLL_TRACE"))
      for (const auto& line : run.world().lines()) UNSCOPED_INFO(line);
    CHECK(failure.value_or("") == "");
  }
}
