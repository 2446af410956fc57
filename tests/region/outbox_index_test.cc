// What checkpoints keep of the outboxes (region/core/outbox_index.h): a node that starts from it knows what a
// node knows that reads its whole log.

#include "region/core/outbox_index.h"

#include <catch2/catch.hpp>
#include <map>
#include <tuple>

#include "crdt/base/prng.h"
#include "region/core/node.h"
#include "tests/region/serving.h"

using namespace atolldb;
using atolldb::testing::require_converged;
using atolldb::testing::start;
using atolldb::testing::World;
using atolldb::testing::WorldOptions;
using region::Op;
using region::Outcome;
using region::Request;

namespace {

struct Silent final : EventLog {
  void write(LogLevel, std::string_view) override {}
};

// What a start finds of what others still need.
struct Knowledge {
  std::map<PartitionId, std::vector<std::tuple<Dot, uint64_t, bool>>> entries;
  std::map<PartitionId, crdt::DotSet> dots, bulk;
  std::map<PartitionId, std::map<Dot, std::pair<Bytes, uint64_t>>> unsettled;
  std::map<PartitionId, std::vector<std::string>> sendable;
  size_t count = 0, count_unsettled = 0, unreadable = 0;
  storage::LogRange known;
};

Knowledge recover(storage::VirtualDisk disk, const topology::Topology& topology, NodeNumber self) {
  storage::VirtualStoreOptions options;
  options.log_segment_bytes = 128u << 10;
  storage::VirtualStore store(disk, options, 0xabcdef);
  Silent log;
  Knowledge out;
  region::OutboxIndex index(store);
  index.find();
  out.known = index.known();
  region::Node node(topology, self, 1, store, log, [](NodeNumber, BytesView) {});
  const Status recovered = node.recover({});
  if (!recovered) FAIL(recovered.error().message);
  for (const auto& [id, partition] : node.partitions()) {
    const auto& outbox = partition->outbox;
    for (uint64_t s = outbox.begin(); s < outbox.end(); ++s) {
      const auto entry = outbox.at(s);
      out.entries[id].emplace_back(entry.dot, entry.at.value, entry.conditional);
      ++out.count;
      const auto sendable = partition->read(entry);
      if (!sendable) ++out.unreadable;
      out.sendable[id].push_back(!sendable ? "-"
                                           : Bytes(sendable->record.delta) + "/" +
                                                 std::to_string(static_cast<int>(sendable->record.verdict)) +
                                                 "/" + to_string(sendable->record.judged));
    }
    out.dots[id] = outbox.dots();
    out.bulk[id] = partition->unsettled_bulk();
    for (const auto& [dot, unsettled] : partition->unsettled()) {
      out.unsettled[id][dot] = {unsettled.of_key->key(), unsettled.stamp.value};
      ++out.count_unsettled;
    }
  }
  return out;
}

std::vector<Bytes> index_rows(const storage::VirtualDisk& disk) {
  std::vector<Bytes> out;
  for (const Bytes& key : disk.meta_keys())
    if (key.front() == 'o') out.push_back(key);
  return out;
}

storage::VirtualDisk without_index(storage::VirtualDisk disk) {
  for (const Bytes& key : index_rows(disk)) REQUIRE(disk.lose_meta(key));
  return disk;
}

void check_equal(const Knowledge& a, const Knowledge& b) {
  CHECK(a.entries == b.entries);
  CHECK(a.dots == b.dots);
  CHECK(a.bulk == b.bulk);
  CHECK(a.unsettled == b.unsettled);
  CHECK(a.sendable == b.sendable);
}

WorldOptions small(uint64_t seed, uint64_t log_bytes_max = uint64_t{1} << 30) {
  WorldOptions options;
  options.seed = seed;
  options.memtable_bytes = 32u << 10;
  options.log_bytes_max = log_bytes_max;
  return options;
}

// Writes of any kind in two regions, as many as it takes for some index rows, and some that are not settled.
void write_some(World& world, Prng& dice, int count) {
  for (int i = 0; i < count; ++i) {
    Request request;
    request.op = dice.chance(1, 6) ? Op::add : Op::set;
    request.key = "k" + std::to_string(dice.below(400)) + (request.op == Op::add ? "n" : "");
    request.amount = 3;
    if (request.op == Op::set) request.value = Bytes(200 + dice.below(400), 'v');
    if (request.op == Op::set && dice.chance(1, 5))
      request.condition = dice.chance(1, 2) ? region::Condition::absent : region::Condition::present;
    world.send(world.node(static_cast<uint32_t>(dice.below(2)), static_cast<uint32_t>(dice.below(3))),
               std::move(request));
    if (dice.chance(1, 3)) world.run_for(Duration::micros(static_cast<int64_t>(dice.below(1'500))));
  }
}

}  // namespace

TEST_CASE("outbox index: a node killed while a region is away, knows what it would read in its log",
          "[outbox]") {
  const uint64_t seed = GENERATE(range(1u, 9u));
  CAPTURE(seed);
  Prng dice(seed);
  World world(small(seed, dice.chance(1, 2) ? 768u << 10 : uint64_t{1} << 30));
  start(world);
  for (uint32_t j = 0; j < 3; ++j) world.kill(world.node(2, j));
  for (int life = 0; life < 3; ++life) {
    write_some(world, dice, 1500);
    const NodeNumber node =
        world.node(static_cast<uint32_t>(dice.below(2)), static_cast<uint32_t>(dice.below(3)));
    world.kill(node, dice.chance(1, 2));
    const storage::VirtualDisk& disk = world.disk(node);
    const auto rows = index_rows(disk);
    CAPTURE(life, rows.size());
    REQUIRE(rows.size() > 1);
    const Knowledge with = recover(disk, world.topology(), node);
    const Knowledge without = recover(without_index(disk), world.topology(), node);
    CHECK(with.known.end.value - with.known.begin.value >= 256u << 10);
    CHECK(without.known.end == storage::LogPosition{});
    CHECK(with.count > 500);
    CHECK(with.unreadable == 0);
    check_equal(with, without);
    // Any of its rows is damaged, or lost: the log is read for it and for those before it.
    for (const Bytes& row : rows) {
      storage::VirtualDisk damaged = disk;
      REQUIRE((dice.chance(1, 2) ? damaged.damage_meta(row) : damaged.lose_meta(row)));
      const Knowledge partly = recover(damaged, world.topology(), node);
      CHECK(partly.known.end.value - partly.known.begin.value <
            with.known.end.value - with.known.begin.value);
      check_equal(partly, without);
    }
    world.start(node);
    world.run_for(Duration::seconds(2));
  }
  for (uint32_t j = 0; j < 3; ++j) world.start(world.node(2, j));
  require_converged(world, Duration::seconds(120));
}

// The log that no row speaks of is longer than one row may be: what a row says of verdicts has to be what its
// own part of the log says of them, for the row goes with that part.
TEST_CASE("outbox index: a log from before there was one, what was carried out is known as ever",
          "[outbox]") {
  const uint64_t seed = GENERATE(1u, 2u);
  CAPTURE(seed);
  Prng dice(seed);
  World world(small(seed));
  start(world);
  for (uint32_t j = 0; j < 3; ++j) world.kill(world.node(2, j));
  const NodeNumber node = world.node(static_cast<uint32_t>(dice.below(2)), 0);
  write_some(world, dice, 4000);
  world.kill(node);
  world.disk(node) = without_index(world.disk(node));
  world.start(node);
  world.run_for(Duration::seconds(2));
  write_some(world, dice, 2000);
  world.kill(node);
  const storage::VirtualDisk& disk = world.disk(node);
  const Knowledge without = recover(without_index(disk), world.topology(), node);
  CHECK(without.unreadable == 0);
  check_equal(recover(disk, world.topology(), node), without);
  std::vector<Bytes> rows = index_rows(disk);
  CAPTURE(rows.size());
  REQUIRE(rows.size() > 3);
  rows.pop_back();
  for (const Bytes& row : rows) {
    storage::VirtualDisk damaged = disk;
    REQUIRE(damaged.damage_meta(row));
    check_equal(recover(damaged, world.topology(), node), without);
  }
}

TEST_CASE("outbox index: nobody needs an old delta any more, its rows go", "[outbox]") {
  World world(small(1, 512u << 10));
  start(world);
  Prng dice(1);
  for (int i = 0; i < 4; ++i) {
    write_some(world, dice, 1500);
    require_converged(world);
    world.run_for(Duration::seconds(3));
  }
  for (const NodeNumber node : world.all()) {
    const uint64_t log_bytes = 1u << 20;  // kept of it, and a segment more for the row that begins there
    CHECK(index_rows(world.disk(node)).size() <= log_bytes / (128u << 10));
  }
}
