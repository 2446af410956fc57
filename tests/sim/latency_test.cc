// G2: a region answers as quickly when the others are slow, cut off or gone as when they are near.

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "tests/sim/world.h"

using namespace atolldb;
using namespace atolldb::sim;

namespace {

constexpr uint32_t kRequests = 6'000, kKeys = 40;
constexpr Duration kBetween = Duration::micros(1'700);
constexpr Duration kNoise = Duration::micros(50);  // a third of a sync

// Everything that clients ask for most, on few keys, so that requests meet each other.
region::Request request(uint32_t number) {
  const std::string name = std::to_string(number * 7 % kKeys);
  region::Request request;
  request.deadline_ms = 5'000;
  switch (number % 6) {
    case 0:
      request.op = region::Op::set;
      request.key = "string " + name;
      request.value = "value " + std::to_string(number);
      break;
    case 1:
      request.op = region::Op::get;
      request.key = "string " + name;
      break;
    case 2:
      request.op = region::Op::add;
      request.key = "counter " + name;
      request.amount = 1;
      break;
    case 3:
      request.op = region::Op::sadd;
      request.key = "set " + name;
      request.args = {"element " + std::to_string(number)};
      break;
    case 4:
      request.op = region::Op::sismember;
      request.key = "set " + name;
      request.args = {"element " + std::to_string(number - 1)};
      break;
    default:
      request.op = region::Op::del;
      request.key = "string " + name;
      break;
  }
  return request;
}

using Damage = void (*)(World&);

void cut_off(World& world) {
  for (uint32_t a = 0; a < world.machines(); ++a)
    for (uint32_t b = 0; b < world.machines(); ++b)
      if (a < b && world.region_of(a) == 0 && world.region_of(b) != 0) world.cut(a, b);
}

void kill_the_others(World& world) {
  for (uint32_t m = 0; m < world.machines(); ++m)
    if (world.region_of(m) != 0) world.kill(m, true);
}

void stop_the_others(World& world) {
  for (uint32_t m = 0; m < world.machines(); ++m)
    if (world.region_of(m) != 0) world.pause(m);
}

void clog_the_others(World& world) {
  for (uint32_t m = 0; m < world.machines(); ++m)
    if (world.region_of(m) != 0) world.network().clog(m, Duration::seconds(30));
}

void slow_their_disks(World& world) {
  for (uint32_t m = 0; m < world.machines(); ++m)
    if (world.region_of(m) != 0) world.set_sync_time(m, Duration::seconds(2));
}

// How long each request took that the first region was asked, in order of time taken.
std::vector<Duration> latencies(Damage damage) {
  WorldOptions options;
  options.seed = 7;
  options.partitions = 16;
  options.keep_facts = false;
  options.network.distance_us.assign(3, std::vector<int64_t>(3, 20'000));
  World world(options);
  world.start_all();
  REQUIRE(world.run_until([&] { return world.serving(); }, Duration::seconds(30)));
  world.run_for(Duration::seconds(10));  // partitions have moved to the nodes that shall coordinate them

  std::vector<Duration> took;
  const Instant begin = world.now();
  world.at(begin + kBetween * (kRequests / 3), [&] { damage(world); });
  for (uint32_t i = 0; i < kRequests; ++i) {
    const Instant when = begin + kBetween * i;
    world.at(when, [&world, &took, when, i] {
      world.request(world.machine(0, i % 3), request(i),
                    [&world, &took, when](const region::Response* response) {
                      REQUIRE(response != nullptr);
                      REQUIRE(response->outcome == region::Outcome::done);
                      took.push_back(world.now() - when);
                    });
    });
  }
  REQUIRE(world.run_until([&] { return took.size() == kRequests; }, Duration::seconds(60)));
  std::sort(took.begin(), took.end());
  return took;
}

}  // namespace

TEST_CASE("latency: the other regions are slow, cut off, stopped or gone, and no answer takes longer",
          "[sim]") {
  const std::vector<Duration> near = latencies([](World&) {});
  CHECK(near.front() > Duration::micros(0));
  const std::vector<std::pair<std::string, Damage>> damages{{"cut off", cut_off},
                                                            {"killed", kill_the_others},
                                                            {"stopped", stop_the_others},
                                                            {"30 s away", clog_the_others},
                                                            {"on slow disks", slow_their_disks}};
  for (const auto& [name, damage] : damages) {
    const std::vector<Duration> with = latencies(damage);
    for (const uint32_t of_a_thousand : {500, 900, 990, 999}) {
      const size_t at = size_t{kRequests} * of_a_thousand / 1'000;
      INFO("the others are " << name << ": " << of_a_thousand << " of 1000 answers take at most "
                             << with[at].ns / 1'000 << " us, else " << near[at].ns / 1'000 << " us");
      CHECK(with[at] <= near[at] + kNoise);
    }
    CHECK(with.back().ns <= near.back().ns * 2);
  }
}
