// Maps, several types under one key, and the multi-value view, as users of a whole cluster see them.

#include <catch2/catch.hpp>

#include "crdt/context_codec.h"
#include "tests/region/world.h"

using namespace atolldb;
using atolldb::testing::World;
using atolldb::testing::WorldOptions;
using region::Op;
using region::Outcome;
using region::Response;

namespace {

using Values = std::vector<Bytes>;

void start(World& world) {
  world.start_all();
  REQUIRE(world.run_until([&] { return world.serving(); }));
}

Response call(World& world, NodeNumber node, Op op, Bytes key, Values args = {}, Bytes value = {}) {
  region::Request request;
  request.op = op;
  request.key = std::move(key);
  request.args = std::move(args);
  request.value = std::move(value);
  return world.call(node, std::move(request));
}

Response hadd(World& world, NodeNumber node, Bytes key, Bytes field, int64_t amount) {
  region::Request request;
  request.op = Op::hadd;
  request.key = std::move(key);
  request.args = {std::move(field)};
  request.amount = amount;
  return world.call(node, std::move(request));
}

std::map<Bytes, Bytes> fields(World& world, NodeNumber node, const Bytes& key) {
  const Response page = call(world, node, Op::hgetall, key);
  REQUIRE(page.outcome == Outcome::done);
  REQUIRE(page.value.empty());
  std::map<Bytes, Bytes> out;
  for (size_t i = 0; i + 1 < page.values.size(); i += 2) out[page.values[i]] = page.values[i + 1];
  return out;
}

Values sorted(Values values) {
  std::sort(values.begin(), values.end());
  return values;
}

// Two regions that do not hear each other, until healed.
struct Split {
  explicit Split(uint64_t seed) : world(options(seed)) {
    start(world);
    world.cut_regions(RegionId{0}, RegionId{1});
  }
  static WorldOptions options(uint64_t seed) {
    WorldOptions out;
    out.regions = 2;
    out.seed = seed;
    return out;
  }
  void heal() {
    world.heal();
    REQUIRE(world.run_until([&] { return world.converged(); }, Duration::seconds(60)));
  }
  NodeNumber eu() const { return world.node(0, 0); }
  NodeNumber us() const { return world.node(1, 1); }
  World world;
};

}  // namespace

TEST_CASE("maps: written in one region, read in all, field by field", "[region]") {
  World world({});
  start(world);
  const NodeNumber here = world.node(0, 0);
  CHECK(call(world, here, Op::hset, "m", {"name", "ada", "born", "1815"}).number == 2);
  CHECK(hadd(world, world.node(0, 1), "m", "born", 1).value == "1816");
  CHECK(call(world, here, Op::hget, "m", {"name"}).value == "ada");
  CHECK_FALSE(call(world, here, Op::hget, "m", {"nothing"}).found);
  REQUIRE(world.run_until([&] { return world.converged(); }));
  for (const NodeNumber node : world.all()) {
    CHECK(fields(world, node, "m") == std::map<Bytes, Bytes>{{"name", "ada"}, {"born", "1816"}});
    CHECK(call(world, node, Op::hlen, "m").number == 2);
  }
  CHECK(call(world, here, Op::hdel, "m", {"name", "nothing"}).number == 1);
  CHECK(call(world, here, Op::del, "m").number == 1);
  CHECK(fields(world, here, "m").empty());
}

TEST_CASE("maps: one region deletes what another goes on to write, the unseen part survives",
          "[region][G4]") {
  Split split(7);
  World& world = split.world;
  world.heal();
  REQUIRE(call(world, split.eu(), Op::hset, "m", {"f", "old", "g", "old"}).outcome == Outcome::done);
  REQUIRE(hadd(world, split.eu(), "m", "n", 10).value == "10");
  REQUIRE(world.run_until([&] { return world.converged(); }));
  world.cut_regions(RegionId{0}, RegionId{1});
  REQUIRE(call(world, split.us(), Op::del, "m").number == 1);
  REQUIRE(call(world, split.eu(), Op::hset, "m", {"g", "new"}).outcome == Outcome::done);
  REQUIRE(hadd(world, split.eu(), "m", "n", 3).value == "13");
  split.heal();
  for (const NodeNumber node : world.all())
    CHECK(fields(world, node, "m") == std::map<Bytes, Bytes>{{"g", "new"}, {"n", "3"}});
}

TEST_CASE("maps: a wrong type or malformed arguments, an error and nothing changes", "[region][G10]") {
  WorldOptions options;
  options.regions = 1;
  World world(options);
  start(world);
  const NodeNumber here = world.node(0, 0);
  REQUIRE(world.set(here, "s", "x").outcome == Outcome::done);
  REQUIRE(call(world, here, Op::hset, "m", {"f", "x"}).number == 1);
  for (const Op op : {Op::hset, Op::hdel, Op::hget, Op::hgetall, Op::hlen}) {
    const Response response = call(world, here, op, "s", op == Op::hgetall ? Values{} : Values{"f", "x"});
    CHECK(response.outcome == Outcome::rejected);
    CHECK(response.code == Errc::wrong_type);
  }
  for (const Op op : {Op::get, Op::sadd, Op::smembers, Op::siblings})
    CHECK(call(world, here, op, "m", op == Op::get ? Values{} : Values{"a"}).outcome == Outcome::rejected);
  CHECK(call(world, here, Op::hset, "m", {"odd"}).code == Errc::invalid);
  CHECK(call(world, here, Op::hset, "m", {}).code == Errc::invalid);
  CHECK(call(world, here, Op::hadd, "m", {}).code == Errc::invalid);
  CHECK(hadd(world, here, "m", "f", 1).code == Errc::invalid);
  CHECK(fields(world, here, "m") == std::map<Bytes, Bytes>{{"f", "x"}});
  CHECK(world.set(here, "m", "SET replaces any type").outcome == Outcome::done);
  CHECK(world.get(here, "m").value == "SET replaces any type");
}

TEST_CASE("siblings: written apart, listed with a context, and resolved by a set that names them",
          "[region][G4]") {
  Split split(3);
  World& world = split.world;
  REQUIRE(world.set(split.eu(), "k", "eu").outcome == Outcome::done);
  REQUIRE(world.set(split.us(), "k", "us").outcome == Outcome::done);
  split.heal();
  const Response all = call(world, split.eu(), Op::siblings, "k");
  REQUIRE(all.found);
  REQUIRE(sorted(all.values) == Values{"=eu", "=us"});
  REQUIRE(all.values[0] == region::kSibling + world.get(split.us(), "k").value);

  // One more comes while the client thinks: it was not named, and stands.
  world.cut_regions(RegionId{0}, RegionId{1});
  REQUIRE(world.set(split.us(), "k", "later").outcome == Outcome::done);
  REQUIRE(call(world, split.eu(), Op::set_context, "k", {all.value}, "both").outcome == Outcome::done);
  split.heal();
  const Response rest = call(world, split.us(), Op::siblings, "k");
  CHECK(sorted(rest.values) == Values{"=both", "=later"});
  REQUIRE(call(world, split.us(), Op::set_context, "k", {rest.value}, "one").outcome == Outcome::done);
  REQUIRE(world.run_until([&] { return world.converged(); }));
  CHECK(call(world, split.eu(), Op::siblings, "k").values == Values{"=one"});
  CHECK(world.get(split.eu(), "k").hidden == 0);
}

TEST_CASE("siblings: increments under a set with context, those that it names are in the value",
          "[region][G4]") {
  WorldOptions options;
  options.regions = 1;
  World world(options);
  start(world);
  const NodeNumber here = world.node(0, 0);
  REQUIRE(world.add(here, "n", 5).value == "5");
  const Response read = call(world, here, Op::siblings, "n");
  REQUIRE(read.values == Values{"+5"});
  REQUIRE(world.add(here, "n", 3).value == "8");  // not named
  REQUIRE(call(world, here, Op::set_context, "n", {read.value}, "100").outcome == Outcome::done);
  CHECK(world.get(here, "n").value == "103");
}

TEST_CASE("contexts: forged, foreign or broken, an error or nothing superseded", "[region][G10][hazard42]") {
  WorldOptions options;
  options.regions = 1;
  World world(options);
  start(world);
  const NodeNumber here = world.node(0, 0);
  REQUIRE(world.set(here, "k", "v").outcome == Outcome::done);
  REQUIRE(world.add(here, "n", 5).value == "5");
  const Bytes good = call(world, here, Op::siblings, "k").value;
  CHECK(call(world, here, Op::set_context, "other", {good}, "x").code == Errc::invalid);
  CHECK(call(world, here, Op::set_context, "k", {good + "x"}, "x").code == Errc::corrupt);
  CHECK(call(world, here, Op::set_context, "k", {Bytes(crdt::kContextBytesMax + 1, 'x')}, "x").code ==
        Errc::too_large);
  CHECK(call(world, here, Op::set_context, "k", {}, "x").code == Errc::invalid);
  CHECK(world.get(here, "k").value == "v");

  // Every actor's dots of the future: they supersede nothing that is there, and nothing that comes.
  const auto held = crdt::decode_context(good, "k");
  REQUIRE(held);
  crdt::NamedContext forged;
  for (uint64_t ahead = 1; ahead < 1000; ++ahead)
    forged.dots.push_back({{held->dots[0].dot.actor, held->dots[0].dot.counter + ahead}, std::nullopt, 0});
  REQUIRE(call(world, here, Op::set_context, "k", {crdt::encode_context(forged, "k")}, "beside").outcome ==
          Outcome::done);
  CHECK(call(world, here, Op::siblings, "k").values.size() == 2);
  REQUIRE(world.set(here, "k", "next").outcome == Outcome::done);
  CHECK(world.get(here, "k").value == "next");

  // A total's name with a counter of the future is believed up to the counter that is held.
  auto total = crdt::decode_context(call(world, here, Op::siblings, "n").value, "n");
  REQUIRE(total);
  total->dots[0].dot.counter += 1'000'000;
  total->dots[0].total_sum = 1'000'000;
  REQUIRE(call(world, here, Op::set_context, "n", {crdt::encode_context(*total, "n")}, "0").outcome ==
          Outcome::done);
  CHECK(world.get(here, "n").value == "0");
  CHECK(world.add(here, "n", 7).value == "7");
}

TEST_CASE("types: given to one key in two regions, both kept and one shown everywhere", "[region][G4]") {
  Split split(11);
  World& world = split.world;
  REQUIRE(call(world, split.eu(), Op::sadd, "k", {"e"}).number == 1);
  REQUIRE(call(world, split.us(), Op::hset, "k", {"f", "v"}).number == 1);
  split.heal();
  for (const NodeNumber node : world.all()) {
    CHECK(call(world, node, Op::smembers, "k").values == Values{"e"});
    CHECK(call(world, node, Op::hget, "k", {"f"}).code == Errc::wrong_type);
  }
  REQUIRE(call(world, split.us(), Op::srem, "k", {"e"}).number == 1);
  CHECK(call(world, split.us(), Op::hget, "k", {"f"}).value == "v");
}

TEST_CASE("maps: an increment of a field whose answer was lost, counted once", "[region][hazard8]") {
  WorldOptions options;
  options.regions = 1;
  World world(options);
  start(world);
  const NodeNumber here = world.node(0, 0);
  const Response first = call(world, here, Op::hget, "m", {"n"});
  region::Request request;
  request.op = Op::hadd;
  request.key = "m";
  request.args = {"n"};
  request.amount = 5;
  request.id = region::RequestId{RegionId{0}, first.epoch, first.stamp_ms, 42};
  REQUIRE(world.call(here, request).value == "5");
  request.attempt = 2;
  const Response again = world.call(here, request);
  CHECK(again.outcome == Outcome::done);
  CHECK(again.value.empty());
  CHECK(call(world, here, Op::hget, "m", {"n"}).value == "5");
}
