// The order of what one connection sends, where a coordinator hands something back because there is no room
// for it any more.

#include <catch2/catch.hpp>

#include "tests/region/serving.h"
#include "tests/region/world.h"

using namespace atolldb;
using atolldb::testing::World;
using atolldb::testing::WorldOptions;
using region::Condition;
using region::Op;
using region::Outcome;

namespace {

constexpr size_t kMemtableBytes = 8u << 10;

// A node where a sync takes a while: room that a value has taken comes back with a tick.
struct Slow {
  Slow() : world(options()) {
    start(world);
    world.set_sync_time(Duration::millis(1));
  }
  static WorldOptions options() {
    WorldOptions options;
    options.regions = options.nodes = options.n = options.r = options.w = 1;
    options.memtable_bytes = kMemtableBytes;
    return options;
  }
  uint64_t send(Op op, Bytes value = {}, Condition condition = Condition::none) {
    region::Request request;
    request.op = op;
    request.key = "k";
    request.value = std::move(value);
    request.condition = condition;
    return world.send(world.node(0, 0), std::move(request), "rconnec");
  }
  region::Response answer(uint64_t sent) {
    REQUIRE(world.run_until([&] { return world.response(sent).has_value(); }));
    return *world.response(sent);
  }

  World world;
};

}  // namespace

TEST_CASE(
    "order: room goes before a write that waited for a conditional one, reads behind do not overtake it",
    "[region]") {
  Slow slow;
  const uint64_t first = slow.send(Op::set, Bytes(kMemtableBytes, 'a'), Condition::absent);
  const uint64_t set = slow.send(Op::set, "b");
  const uint64_t get = slow.send(Op::get);
  CHECK(slow.answer(first).number == 1);
  CHECK(slow.answer(get).value.substr(0, 2) == "b");
  CHECK(slow.answer(set).outcome == Outcome::done);
}

TEST_CASE("order: a write is handed back for lack of room, what is sent next does not overtake it",
          "[region]") {
  Slow slow;
  const uint64_t first = slow.send(Op::set, Bytes(kMemtableBytes, 'a'), Condition::absent);
  const uint64_t set = slow.send(Op::set, "b");
  CHECK(slow.answer(first).number == 1);
  REQUIRE_FALSE(slow.world.response(set));
  const uint64_t get = slow.send(Op::get);
  CHECK(slow.answer(get).value.substr(0, 2) == "b");
  CHECK(slow.answer(set).outcome == Outcome::done);
}
