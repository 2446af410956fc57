// Whole clusters in one thread: what a user sees of quorums, takeovers, regions that die and come back.

#include <algorithm>
#include <catch2/catch.hpp>

#include "crdt/row_key.h"
#include "tests/region/serving.h"
#include "tests/region/world.h"

using namespace atolldb;
using atolldb::testing::World;
using atolldb::testing::WorldOptions;
using region::Outcome;

namespace {
// A write that the death of a node left unknown is made again.
bool set_at_last(World& world, NodeNumber node, const Bytes& key, const Bytes& value) {
  for (int i = 0; i < 10; ++i)
    if (world.set(node, key, value).outcome == Outcome::done) return true;
  return false;
}
}  // namespace

TEST_CASE("cluster: writes in one region are read in all", "[region][wan]") {
  World world({});
  start(world);
  REQUIRE(world.set(world.node(0, 0), "name", "ada").outcome == Outcome::done);
  for (int i = 0; i < 5; ++i)
    REQUIRE(world.add(world.node(1, 2), "hits", 2).value == std::to_string(2 * (i + 1)));
  require_converged(world);
  for (const NodeNumber node : world.all()) {
    CHECK(world.get(node, "name").value == "ada");
    CHECK(world.get(node, "hits").value == "10");
    CHECK_FALSE(world.get(node, "nothing").found);
  }
}

TEST_CASE("cluster: one node of a region dies, the region serves on and every acknowledged write is there",
          "[region]") {
  for (uint32_t victim = 0; victim < 3; ++victim) {
    WorldOptions options;
    options.regions = 1;
    options.seed = victim + 1;
    World world(options);
    start(world);
    std::map<Bytes, Bytes> written;
    const auto write = [&](int i) {
      const Bytes key = "k" + std::to_string(i), value = "v" + std::to_string(i);
      if (world.set(world.node(0, (victim + 1) % 3), key, value).outcome == Outcome::done)
        written[key] = value;
    };
    for (int i = 0; i < 40; ++i) write(i);
    world.kill(world.node(0, victim));
    for (int i = 40; i < 80; ++i) write(i);
    CHECK(written.size() >= 60);
    world.start(world.node(0, victim));
    REQUIRE(world.run_until([&] { return world.serving(); }));
    for (const auto& [key, value] : written) CHECK(world.get(world.node(0, victim), key).value == value);
    require_converged(world);
  }
}

// A node that comes back takes its partitions again after 3 s: it dies at every moment around that.
TEST_CASE("cluster: a node dies while partitions are handed over to it, the region serves on", "[region]") {
  for (int64_t ms = 2'900; ms <= 3'300; ms += 10) {
    CAPTURE(ms);
    WorldOptions options;
    options.regions = 1;
    options.seed = static_cast<uint64_t>(ms);
    options.local_delay_us = 5'000;
    World world(options);
    start(world);
    world.kill(world.node(0, 0));
    REQUIRE(set_at_last(world, world.node(0, 1), "k", "v"));
    world.start(world.node(0, 0));
    REQUIRE(world.run_until([&] { return world.serving(); }));
    world.run_for(Duration::millis(ms));
    world.kill(world.node(0, 0));
    world.run_for(Duration::seconds(3));
    for (int i = 0; i < 20; ++i) {
      const auto set = world.set(world.node(0, 1), "k" + std::to_string(i), "v");
      INFO(set.message);
      CHECK(set.outcome == Outcome::done);
    }
  }
}

TEST_CASE("cluster: a region is cut off and heals, both sides keep their writes", "[wan]") {
  World world({});
  start(world);
  REQUIRE(world.set(world.node(0, 0), "both", "before").outcome == Outcome::done);
  require_converged(world);
  world.cut_regions(RegionId{0}, RegionId{1});
  world.cut_regions(RegionId{0}, RegionId{2});
  REQUIRE(world.set(world.node(0, 1), "both", "left").outcome == Outcome::done);
  REQUIRE(world.set(world.node(1, 1), "both", "right").outcome == Outcome::done);
  for (int i = 0; i < 100; ++i) {
    REQUIRE(world.add(world.node(i % 2, i % 3), "sum", 1).outcome == Outcome::done);
    REQUIRE(world.set(world.node(i % 3, i % 3), "k" + std::to_string(i), "v").outcome == Outcome::done);
  }
  world.run_for(Duration::seconds(60));
  world.heal();
  require_converged(world);
  for (const NodeNumber node : world.all()) CHECK(world.get(node, "sum").value == "100");
  CHECK(world.get(world.node(2, 0), "both").hidden == 1);
}

TEST_CASE("cluster: a whole region dies for long, its outbox is cut, an exchange brings everything",
          "[wan]") {
  WorldOptions options;
  options.memtable_bytes = 16u << 10;
  options.log_bytes_max = 64u << 10;
  World world(options);
  start(world);
  for (int i = 0; i < 100; ++i)
    REQUIRE(world.set(world.node(i % 3, 0), "k" + std::to_string(i), Bytes(100, 'a')).outcome ==
            Outcome::done);
  require_converged(world);
  for (uint32_t j = 0; j < 3; ++j) world.kill(world.node(2, j));
  for (int i = 0; i < 600; ++i)
    REQUIRE(world.set(world.node(i % 2, 0), "k" + std::to_string(i), Bytes(200, 'b')).outcome ==
            Outcome::done);
  world.run_for(Duration::seconds(5));
  for (uint32_t j = 0; j < 3; ++j) world.start(world.node(2, j));
  require_converged(world, Duration::seconds(120));
  for (int i = 0; i < 600; i += 7)
    CHECK(world.get(world.node(2, i % 3), "k" + std::to_string(i)).value == Bytes(200, 'b'));
}

// docs/decisions/0012. B sends C its rows, and meanwhile gets from A what C cannot get.
TEST_CASE("cluster: updates enter while a partition is scanned, its receiver has them with their dots",
          "[wan]") {
  WorldOptions options;
  options.nodes = 1;
  options.n = options.r = options.w = options.partitions = 1;
  options.log_bytes_max = 256u << 10;
  World world(options);
  start(world);
  const NodeNumber a = world.node(0, 0), b = world.node(1, 0), c = world.node(2, 0);
  REQUIRE(world.set(c, "k", "c").outcome == Outcome::done);
  require_converged(world);
  world.cut(a, c);
  world.cut(b, c);
  for (int i = 0; i < 500; ++i)
    REQUIRE(world.set(b, "k" + std::to_string(i), Bytes(3'000, 'b')).outcome == Outcome::done);
  world.run_for(Duration::seconds(10));
  world.heal();
  world.cut(a, c);
  const auto clock_and_rows = [&](NodeNumber node) {
    const std::string report = world.report(node, region::Op::digest);
    const size_t rows = report.find("\"digest\""), end = report.find("\"node\"");
    return std::pair(report.substr(0, rows), report.substr(rows, end - rows));
  };
  std::map<std::string, std::string> b_had;
  int sent = 0;
  for (; sent < 400; ++sent) {  // some before, some after the exchange, most of them in it
    for (int i = 0; i < 4; ++i) {
      world.run_for(Duration::millis(1));
      b_had.insert(clock_and_rows(b));
    }
    region::Request request;
    request.op = sent % 3 == 0 ? region::Op::del : region::Op::set;
    request.key = (sent % 3 == 2 ? "new" : "k") + std::to_string(sent * 37 % 500);
    request.value = "a";
    REQUIRE(world.call(a, std::move(request)).outcome == Outcome::done);
  }
  const auto [clock, rows] = clock_and_rows(c);
  CHECK(clock != clock_and_rows(b).first);
  REQUIRE(b_had.contains(clock));
  CHECK(b_had.at(clock) == rows);
  world.heal();
  require_converged(world);
}

// docs/decisions/0009: what W disks held alone is gone, and the region serves on without an operator.
TEST_CASE("cluster: two or all disks of a region are lost, it regains what others have and serves",
          "[region][wan]") {
  for (const uint32_t lost : {2u, 3u}) {
    World world({});
    start(world);
    for (int i = 0; i < 50; ++i)
      REQUIRE(world.set(world.node(i % 3, 0), "k" + std::to_string(i), "v").outcome == Outcome::done);
    REQUIRE(world.add(world.node(0, 0), "sum", 7).outcome == Outcome::done);
    require_converged(world);
    world.run_for(Duration::seconds(2));  // heartbeats have told every node of every other
    for (uint32_t j = 0; j < lost; ++j) {
      world.kill(world.node(0, j));
      world.wipe(world.node(0, j));
    }
    REQUIRE(world.set(world.node(1, 0), "meanwhile", "v").outcome == Outcome::done);
    for (uint32_t j = 0; j < lost; ++j) world.start(world.node(0, j));
    REQUIRE(world.run_until([&] { return world.serving(); }, Duration::seconds(60)));
    CHECK(world.get(world.node(0, 0), "k3").value == "v");
    REQUIRE(world.add(world.node(0, 1), "sum", 1).outcome == Outcome::done);
    require_converged(world);
    for (const NodeNumber node : world.all()) {
      CHECK(world.get(node, "sum").value == "8");
      CHECK(world.get(node, "meanwhile").value == "v");
      for (int i = 0; i < 50; ++i) CHECK(world.get(node, "k" + std::to_string(i)).value == "v");
      CHECK_FALSE(world.fatal(node));
    }
  }
}

// HAZARDS 1: the witnesses were killed as well, and remember what they had logged of the node's log.
TEST_CASE(
    "cluster: a disk is rolled back by a few writes while its region is down, the node has no vote at first",
    "[region]") {
  WorldOptions options;
  options.regions = 1;
  World world(options);
  start(world);
  for (int i = 0; i < 10; ++i) REQUIRE(set_at_last(world, world.node(0, 0), "k" + std::to_string(i), "v"));
  const storage::VirtualDisk older = world.disk(world.node(0, 0));
  for (int i = 10; i < 20; ++i) REQUIRE(set_at_last(world, world.node(0, 0), "k" + std::to_string(i), "v"));
  world.run_for(Duration::millis(200));
  for (uint32_t j = 0; j < 3; ++j) world.kill(world.node(0, j));
  world.disk(world.node(0, 0)) = older;
  world.start_all();
  REQUIRE(world.run_until([&] { return world.serving(); }));
  const auto& lines = world.lines();
  CHECK(std::any_of(lines.begin(), lines.end(), [](const auto& line) {
    return line.find("1 this disk is older than what the node acknowledged") != std::string::npos;
  }));
  require_converged(world);
  for (int i = 0; i < 20; ++i) CHECK(world.get(world.node(0, 0), "k" + std::to_string(i)).value == "v");
}

TEST_CASE("cluster: a busy counter's request ids are fetched in pages, and a retry counts once", "[region]") {
  WorldOptions options;
  options.regions = 1;
  options.partitions = 1;
  World world(options);
  start(world);
  region::Request add;
  add.op = region::Op::add;
  add.key = "hits";
  add.amount = 1;
  const auto route = [&](NodeNumber node) {
    region::Request request;
    request.op = region::Op::route;
    request.key = "hits";
    return world.call(node, request);
  };
  const region::Response at = route(world.node(0, 0));
  std::vector<uint64_t> sent;
  for (uint64_t i = 0; i < 4'500; ++i) {
    add.id = region::RequestId{RegionId{0}, at.epoch, at.stamp_ms + i / 100, i + 1};
    sent.push_back(world.send(at.coordinator, add));
    if (i % 100 == 99) world.run_for(Duration::millis(100));
  }
  REQUIRE(world.run_until([&] {
    return std::all_of(sent.begin(), sent.end(),
                       [&](uint64_t number) { return world.response(number).has_value(); });
  }));
  world.run_for(Duration::seconds(1));
  const NodeNumber lost = at.coordinator;
  world.kill(lost);
  world.wipe(lost);
  world.start(lost);
  REQUIRE(world.run_until([&] { return world.serving(); }, Duration::seconds(60)));
  world.run_for(Duration::seconds(10));  // it is the first of the list again, and takes the partition
  REQUIRE(route(lost).coordinator == lost);
  add.attempt = 2;
  for (const uint64_t i : {0u, 1u, 2'100u, 4'499u}) {
    add.id = region::RequestId{RegionId{0}, at.epoch, at.stamp_ms + i / 100, i + 1};
    CHECK(world.call(lost, add).outcome == Outcome::done);
  }
  CHECK(world.get(lost, "hits").value == "4500");
}

// Nobody else keeps the request ids of a region that has one replica.
TEST_CASE("cluster: the only disk of a region is lost, an increment that is retried never counts twice",
          "[region][wan]") {
  WorldOptions options;
  options.regions = 2;
  options.nodes = options.n = options.r = options.w = 1;
  World world(options);
  start(world);
  const NodeNumber only = world.node(0, 0);
  region::Request request;
  request.op = region::Op::route;
  request.key = "hits";
  const region::Response at = world.call(only, request);
  request.op = region::Op::add;
  request.amount = 1;
  request.id = region::RequestId{RegionId{0}, at.epoch, at.stamp_ms, 1};
  REQUIRE(world.call(only, request).outcome == Outcome::done);
  require_converged(world);
  world.kill(only);
  world.wipe(only);
  world.start(only);
  require_converged(world);
  REQUIRE(world.run_until([&] { return world.serving(); }));
  request.attempt = 2;
  CHECK(world.call(only, request).outcome == Outcome::unknown);
  CHECK(world.get(only, "hits").value == "1");
}

// With N-W+1 = 1 and R = 1 nothing that the one sends would ever meet the other's promise.
TEST_CASE("cluster: a coordinator was passed over while it was cut off, it is told and gets what it lacks",
          "[region]") {
  WorldOptions options;
  options.regions = 1;
  options.nodes = options.n = options.w = 2;
  options.r = options.partitions = 1;
  World world(options);
  start(world);
  region::Request request;
  request.op = region::Op::route;
  request.key = "k";
  const NodeNumber first = world.call(world.node(0, 0), request).coordinator;
  const NodeNumber other = first == world.node(0, 0) ? world.node(0, 1) : world.node(0, 0);
  world.cut(first, other);
  world.run_for(Duration::seconds(10));
  CHECK(world.set(other, "k", "v").outcome == Outcome::unknown);
  world.kill(other, false);
  world.heal();
  world.start(other);
  require_converged(world);
  CHECK(world.get(first, "k").value == "v");
}

TEST_CASE("cluster: memtables are full for moments, writers are slowed and nobody is refused", "[region]") {
  WorldOptions options;
  options.regions = 1;
  options.w = 3;  // everybody waits for a replica that dropped what it had no room for, too
  options.r = 1;
  options.memtable_bytes = 16u << 10;
  World world(options);
  start(world);
  world.set_sync_time(Duration::micros(5'000));
  for (int round = 0; round < 60; ++round) {
    std::vector<uint64_t> sent;
    for (uint32_t i = 0; i < 6; ++i) {
      region::Request request;
      request.op = region::Op::set;
      request.key = "k" + std::to_string(round * 6 + static_cast<int>(i));
      request.value = Bytes(4'000, 'v');
      sent.push_back(world.send(world.node(0, i % 3), std::move(request)));
    }
    const bool answered = world.run_until(
        [&] {
          return std::all_of(sent.begin(), sent.end(),
                             [&](uint64_t c) { return world.response(c).has_value(); });
        },
        Duration::millis(600));
    CAPTURE(round);
    REQUIRE(answered);
    for (const uint64_t correlation : sent) {
      const auto response = world.response(correlation);
      CAPTURE(response->message);
      REQUIRE(response->outcome == Outcome::done);
    }
  }
  require_converged(world);
}

// HAZARDS 7: an increment without an id counts as often as it is run.
TEST_CASE("cluster: every frame comes twice, a forwarded increment runs once", "[region]") {
  WorldOptions options;
  options.datagrams = true;
  options.jitter_max_us = 3'000;
  World world(options);
  start(world);
  world.rates().doubled = 1'000;
  for (int i = 0; i < 60; ++i)
    REQUIRE(world.add(world.node(0, i % 3), "sum" + std::to_string(i % 4), 1).outcome == Outcome::done);
  world.rates().doubled = 0;
  require_converged(world);
  for (int i = 0; i < 4; ++i) CHECK(world.get(world.node(0, 0), "sum" + std::to_string(i)).value == "15");
}

TEST_CASE("cluster: a disk is lost, the node regains its memory and then votes", "[region]") {
  WorldOptions options;
  options.regions = 1;
  World world(options);
  start(world);
  for (int i = 0; i < 50; ++i)
    REQUIRE(world.set(world.node(0, 0), "k" + std::to_string(i), "v").outcome == Outcome::done);
  world.kill(world.node(0, 1));
  world.wipe(world.node(0, 1));
  for (int i = 50; i < 100; ++i) REQUIRE(set_at_last(world, world.node(0, 0), "k" + std::to_string(i), "v"));
  world.start(world.node(0, 1));
  REQUIRE(world.run_until([&] { return world.serving(); }));
  require_converged(world);
  world.kill(world.node(0, 0));
  for (int i = 0; i < 100; ++i) CHECK(world.get(world.node(0, 1), "k" + std::to_string(i)).value == "v");
}

// HAZARDS 17, 30, 38. The damaged row has to go with the rest of its partition: what is left of it would be
// met at the next scan, and the node would lose its memory again and again.
TEST_CASE(
    "cluster: a row is damaged while its node runs, the partition begins again once and the row returns",
    "[region]") {
  WorldOptions options;
  options.memtable_bytes = 16u << 10;
  World world(options);
  start(world);
  std::map<Bytes, Bytes> written;
  for (int i = 0; i < 200; ++i) {
    const Bytes key = "k" + std::to_string(i);
    written[key] = "v" + std::to_string(i) + Bytes(100, 'x');
    REQUIRE(set_at_last(world, world.node(0, 0), key, written[key]));
  }
  require_converged(world);
  const NodeNumber victim = world.node(0, 1);
  const std::vector<Bytes> rows = world.disk(victim).row_keys();
  REQUIRE(rows.size() > 50);
  const Bytes row = rows[rows.size() / 2];
  const Bytes key(crdt::parse_row_key(row)->key);
  REQUIRE(world.disk(victim).damage_row(row));

  const auto resets = [&] {
    return std::count_if(world.lines().begin(), world.lines().end(), [](const std::string& line) {
      return line.find("a damaged row was found, the partition is fetched again") != std::string::npos;
    });
  };
  // A write to the key has every replica look at the row.
  written[key] = "written over it";
  REQUIRE(set_at_last(world, world.node(0, 0), key, written[key]));
  REQUIRE(world.run_until([&] { return resets() > 0; }));
  REQUIRE(world.run_until([&] { return world.serving(); }));
  require_converged(world);
  CHECK_FALSE(world.fatal(victim));
  for (const auto& [name, value] : written) CHECK(world.get(victim, name).value == value);

  // Another node loses its disk and has all of this one's rows scanned.
  world.kill(world.node(0, 2));
  world.wipe(world.node(0, 2));
  world.start(world.node(0, 2));
  REQUIRE(world.run_until([&] { return world.serving(); }));
  require_converged(world);
  // And a checkpoint, and a restart, bring nothing of it back.
  const storage::LogPosition checkpoint = world.disk(victim).checkpoint();
  for (int i = 0; world.disk(victim).checkpoint() == checkpoint; ++i) {
    REQUIRE(i < 1000);
    const Bytes name = "k" + std::to_string(i % 200);
    written[name] = "again" + Bytes(100, static_cast<char>('a' + i % 26));
    REQUIRE(set_at_last(world, world.node(0, 0), name, written[name]));
  }
  world.kill(victim);
  world.start(victim);
  REQUIRE(world.run_until([&] { return world.serving(); }));
  require_converged(world);
  for (const auto& [name, value] : written) CHECK(world.get(victim, name).value == value);
  CHECK(resets() == 1);
}

namespace {
// Writes that overwrite each other, until a node's table has them and its log has more of the same.
void write_past_a_checkpoint(World& world, NodeNumber node) {
  const auto write = [&](int i) {
    const Bytes key = "k" + std::to_string(i % 40);
    REQUIRE(world.set(world.node(0, i % 3), key, Bytes(200, 'v')).outcome == Outcome::done);
    REQUIRE(world.add(world.node(0, i % 3), "n" + std::to_string(i % 40), 1).outcome == Outcome::done);
  };
  for (int i = 0; world.disk(node).row_keys().size() < 80; ++i) write(i);
  for (int i = 0; i < 40; ++i) write(i);
}

region::Response get_locally(World& world, NodeNumber node, const Bytes& key) {
  region::Request read;
  read.op = region::Op::get;
  read.key = key;
  read.local = true;
  return world.call(node, read);
}

// Every key's value at every node itself, as a coordinator says it.
void require_same_everywhere(World& world) {
  require_converged(world);
  for (int i = 0; i < 80; ++i) {
    const Bytes key = (i < 40 ? "k" : "n") + std::to_string(i % 40);
    const Bytes value = world.get(world.node(0, 0), key).value;
    REQUIRE_FALSE(value.empty());
    for (uint32_t j = 0; j < 3; ++j) CHECK(get_locally(world, world.node(0, j), key).value == value);
  }
}
}  // namespace

TEST_CASE("cluster: a node's rows are damaged, replayed over, and fetched again", "[region]") {
  WorldOptions options;
  options.regions = 1;
  options.memtable_bytes = 16u << 10;
  World world(options);
  start(world);
  const NodeNumber victim = world.node(0, 1);
  write_past_a_checkpoint(world, victim);
  world.kill(victim);
  for (const Bytes& key : world.disk(victim).row_keys()) REQUIRE(world.disk(victim).damage_row(key));
  world.start(victim);
  for (int i = 0; !world.serving() && i < 10'000; ++i) {
    const auto read = get_locally(world, victim, "k" + std::to_string(i % 40));
    CHECK((read.outcome == Outcome::rejected || read.found));  // never "nothing": it was acknowledged
    world.run_for(Duration::millis(1));
  }
  REQUIRE(world.serving());
  require_same_everywhere(world);
}

TEST_CASE("cluster: damage is found while memory is regained, that partition begins again and no other",
          "[region]") {
  WorldOptions options;
  options.regions = 1;
  options.partitions = 64;
  options.memtable_bytes = 16u << 10;
  World world(options);
  start(world);
  const NodeNumber victim = world.node(0, 1);
  write_past_a_checkpoint(world, victim);
  world.kill(victim);
  for (const Bytes& key : world.disk(victim).row_keys()) REQUIRE(world.disk(victim).damage_row(key));
  world.start(victim);
  REQUIRE(world.run_until([&] { return world.serving(); }));
  require_same_everywhere(world);
  const auto told = [&](const char* phrase) {
    return std::count_if(world.lines().begin(), world.lines().end(),
                         [&](const std::string& line) { return line.find(phrase) != std::string::npos; });
  };
  CHECK(told("a damaged row was found") >= 20);
  CHECK(told("standing=lost") <= 2);  // the start, and the one after the damage that its replay had met
}

TEST_CASE("cluster: a bit of a row's key is flipped, the partition is fetched again and nothing stays of it",
          "[region]") {
  WorldOptions options;
  options.regions = 1;
  options.memtable_bytes = 16u << 10;
  World world(options);
  start(world);
  const NodeNumber victim = world.node(0, 1);
  write_past_a_checkpoint(world, victim);
  const auto keys = world.disk(victim).row_keys();
  for (size_t i = 0; i < keys.size(); i += 10)
    REQUIRE(world.disk(victim).damage_row_key(keys[i], 8 * (keys[i].size() - 1)));
  for (int i = 0; i < 3; ++i) {  // a walk meets what a read of the key does not
    region::Request scan;
    scan.op = region::Op::scan;
    world.call(victim, scan);
    REQUIRE(world.run_until([&] { return world.serving(); }));
    write_past_a_checkpoint(world, victim);
  }
  require_same_everywhere(world);
  size_t told = 0;
  for (const auto& line : world.lines()) told += line.find("a damaged row was found") != std::string::npos;
  CHECK(told > 0);
  CHECK(told <= 4);  // once a partition
}
