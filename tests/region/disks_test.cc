// Whether a disk is its node's latest, where processes end while that is being found out.

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "region/core/message.h"
#include "tests/region/frames.h"
#include "tests/region/serving.h"
#include "tests/region/world.h"

using namespace atolldb;
using atolldb::testing::has;
using atolldb::testing::start;
using atolldb::testing::World;
using atolldb::testing::WorldOptions;
using region::Outcome;

namespace {
constexpr Duration kTooShortToJoin = Duration::millis(180);

WorldOptions one_region() {
  WorldOptions options;
  options.regions = 1;
  return options;
}
Bytes key(int i) { return "k" + std::to_string(i); }
void write(World& world, int from, int to, size_t bytes) {
  for (int i = from; i < to; ++i)
    world.send(world.node(0, i % 3), [&] {
      region::Request set;
      set.op = region::Op::set;
      set.key = key(i);
      set.value = Bytes(bytes, 'v');
      return set;
    }());
}
std::string standing(World& world, NodeNumber node) {
  return nlohmann::json::parse(world.report(node, region::Op::status))["standing"];
}
bool told(World& world, const std::string& phrase) {
  for (const auto& line : world.lines())
    if (line.find(phrase) != std::string::npos) return true;
  return false;
}
// It answers that there is nothing. Where it cannot know, it does not answer.
bool denies(World& world, NodeNumber node, const Bytes& key) {
  region::Request read;
  read.op = region::Op::get;
  read.key = key;
  read.local = true;
  const auto response = world.call(node, read);
  return response.outcome == Outcome::done && !response.found;
}
}  // namespace

// What a process hears before it has joined must not make the log as long as it once was.
TEST_CASE("disks: an older copy, and processes that end before they have joined, noticed all the same",
          "[region]") {
  World world(one_region());
  start(world);
  const NodeNumber victim = world.node(0, 1);
  write(world, 0, 30, 100);
  world.run_for(Duration::seconds(1));
  const storage::VirtualDisk older = world.disk(victim);
  write(world, 30, 33, 20);
  world.run_for(Duration::seconds(1));
  world.kill(victim);
  world.disk(victim) = older;
  for (int i = 0; i < 20; ++i) {
    world.start(victim);
    write(world, 100 + 3 * i, 103 + 3 * i, 20);  // others have news to tell
    world.run_for(kTooShortToJoin);
    REQUIRE(standing(world, victim) == "joining");
    world.kill(victim, false);
  }
  world.start(victim);
  REQUIRE(world.run_until([&] { return standing(world, victim) != "joining"; }));
  CHECK(standing(world, victim) == "lost");
  REQUIRE(world.run_until([&] { return world.serving() && world.converged(); }));
}

// The store knows of damage until a checkpoint covers the place.
TEST_CASE("disks: damage in the log, a checkpoint and an end before the node has joined, lost all the same",
          "[region]") {
  WorldOptions options = one_region();
  options.memtable_bytes = 32u << 10;
  World world(options);
  start(world);
  const NodeNumber victim = world.node(0, 1);
  world.set_sync_time(
      Duration::micros(50'000));  // of a checkpoint, too: much is written before the first is done
  write(world, 0, 350, 50);
  world.run_for(Duration::millis(140));
  world.set_sync_time(Duration::micros(150));
  world.kill(victim, false);
  const storage::LogPosition checkpoint = world.disk(victim).checkpoint();
  bool damaged = false;
  for (uint64_t at = checkpoint.value + (24u << 10); !damaged && at < checkpoint.value + (40u << 10); at += 8)
    damaged = world.disk(victim).damage_record({at});
  REQUIRE(damaged);
  world.start(victim);
  world.run_for(kTooShortToJoin);
  REQUIRE(standing(world, victim) == "joining");
  REQUIRE(world.disk(victim).checkpoint() > checkpoint);
  world.kill(victim);
  world.start(victim);
  REQUIRE(world.run_until([&] { return standing(world, victim) != "joining"; }));
  CHECK(standing(world, victim) == "lost");
  REQUIRE(world.run_until([&] { return world.serving() && world.converged(); }));
}

// What is logged then is several records, of which a power cut may keep the first ones.
TEST_CASE("disks: the power fails as a damaged row is met, whoever votes afterwards has everything",
          "[region]") {
  uint32_t voted = 0, lost = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    WorldOptions options = one_region();
    options.partitions = 1;
    options.memtable_bytes = 16u << 10;
    options.seed = seed;
    World world(options);
    start(world);
    const NodeNumber victim = world.node(0, 1);
    int written = 0;
    for (; world.disk(victim).row_keys().size() < 20; ++written)
      REQUIRE(world.set(world.node(0, 0), key(written % 40), Bytes(200 + seed * 4, 'v')).outcome ==
              Outcome::done);
    world.run_for(Duration::seconds(1));
    REQUIRE(world.disk(victim).damage_row(world.disk(victim).row_keys().at(3)));
    world.set_sync_time(Duration::micros(1'000'000));
    region::Request scan;
    scan.op = region::Op::scan;
    world.send(victim, scan);
    world.run_for(Duration::millis(150));
    REQUIRE(told(world, "a damaged row was found"));
    world.set_sync_time(Duration::micros(150));
    world.kill(victim);
    world.start(victim);
    REQUIRE(world.run_until([&] { return standing(world, victim) != "joining"; }));
    INFO("seed " << seed);
    if (standing(world, victim) == "lost") {
      ++lost;
      continue;
    }
    ++voted;
    for (int i = 0; i < std::min(written, 40); ++i) REQUIRE_FALSE(denies(world, victim, key(i)));
  }
  CHECK(voted > 10);
  CHECK(lost > 10);
}

// One that has no room answers nobody, for as long as its disk takes. Enough others do.
TEST_CASE("disks: one is lost, and a witness is silent, the others give the memory back meanwhile",
          "[region]") {
  WorldOptions options = one_region();
  options.nodes = options.n = 5;
  options.r = options.w = 3;
  options.partitions = 16;
  World world(options);
  start(world);
  write(world, 0, 60, 100);
  world.run_for(Duration::seconds(1));
  const NodeNumber victim = world.node(0, 1), silent = world.node(0, 2);
  uint64_t unheard = 0;
  world.loses = [&](NodeNumber, NodeNumber to, BytesView frame) {
    const bool lost = to == silent && has(frame, region::MessageType::pull);
    return unheard += lost, lost;
  };
  world.kill(victim);
  world.wipe(victim);
  world.start(victim);
  REQUIRE(world.run_until([&] { return standing(world, victim) == "lost"; }));
  CHECK(world.run_until([&] { return standing(world, victim) == "vote"; }, Duration::seconds(5)));
  CHECK(unheard > 0);
}

// Whoever takes long to answer is not asked in vain, however often others have their turn before.
TEST_CASE("disks: one is lost, and every witness takes seconds to answer, the memory comes back",
          "[region]") {
  WorldOptions options = one_region();
  options.partitions = 1;
  World world(options);
  start(world);
  write(world, 0, 30, 100);
  world.run_for(Duration::seconds(1));
  const NodeNumber victim = world.node(0, 1);
  world.kill(victim);
  world.wipe(victim);
  world.set_sync_time(Duration::millis(1'000));
  world.start(victim);
  bool votes = false;
  for (int i = 0; !votes && i < 1'200; ++i) {  // their logs are never synced as far as they go
    write(world, 3 * i, 3 * i + 3, 20);
    world.run_for(Duration::millis(100));
    votes = standing(world, victim) == "vote";
  }
  CHECK(votes);
}

// HAZARDS 9. What it says of itself is not what its peers know of the one that serves.
TEST_CASE("disks: a clone that joins beside its original, which coordinates on until the clone has to stop",
          "[region][hazard9]") {
  WorldOptions options = one_region();
  options.partitions = 1;
  options.clones = true;
  World world(options);
  start(world);
  world.run_for(Duration::seconds(5));
  const auto epoch = [&](const region::Response& response) {
    return std::pair(response.epoch.number, response.epoch.node);
  };
  region::Request route;
  route.op = region::Op::route;
  route.key = "k";
  const auto before = world.call(world.node(0, 0), route);
  const NodeNumber original = before.coordinator;
  std::vector<NodeNumber> others;
  for (const NodeNumber node : world.all())
    if (node != original) others.push_back(node);
  world.start_clone(original, others[0]);
  bool slow = false;
  for (int i = 0; i < 200; ++i) {
    const Instant began = world.now();
    const auto written = world.set(others[1], key(i), "v");
    CAPTURE(i, written.message);
    REQUIRE(written.outcome == Outcome::done);
    REQUIRE(epoch(written) == epoch(before));
    slow = slow || world.now() - began > Duration::millis(100);
    world.run_for(Duration::millis(40));
  }
  CHECK_FALSE(slow);
  REQUIRE(world.fatal_of_clone(original));
  CHECK(world.fatal_of_clone(original)->find("another process is running as node") != std::string::npos);
  CHECK_FALSE(world.fatal(original));
  CHECK(world.run_until([&] { return world.converged(); }));
}

// There the first process is over, and its connections say so.
TEST_CASE("disks: a coordinator ends and begins again at once, another one takes over without waiting",
          "[region]") {
  WorldOptions options = one_region();
  options.partitions = 1;
  World world(options);
  start(world);
  world.run_for(Duration::seconds(5));
  const auto before = world.set(world.node(0, 0), "k", "1");
  REQUIRE(before.outcome == Outcome::done);
  const NodeNumber first = before.coordinator;
  const NodeNumber other = world.node(0, first == world.node(0, 0) ? 1 : 0);
  world.kill(first, false);
  world.start(first);
  CHECK(world.run_until([&] { return world.set(other, "k", "2").outcome == Outcome::done; },
                        Duration::seconds(1)));
  CHECK(world.get(other, "k").epoch.number > before.epoch.number);
}
