// The daemon around an engine without a protocol: what arrives reaches the engine, what the engine says
// leaves, and the process starts and stops as docs/operations.md says.

#include <signal.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "tests/region_io/daemon_rig.h"
#include "tests/region_io/test_client.h"

namespace atolldb::testing {
namespace {

using region::Op;
using region::request;
using region::TestClient;
using wan::monotonic_now;

bool eventually(TestClient& client, const std::function<bool()>& condition) {
  const Instant end = monotonic_now() + Duration::seconds(20);
  while (true) {
    client.wait();
    client.take();
    if (condition()) return true;
    if (monotonic_now() > end) return false;
  }
}

// Asks once and gives the answer's value.
Bytes ask(TestClient& client, Op op, Bytes key = {}, Bytes value = {}) {
  const size_t before = client.responses.size();
  client.send({request(before + 1, op, std::move(key), std::move(value))});
  REQUIRE(eventually(client, [&] { return client.responses.size() > before; }));
  return client.responses.back().value;
}

// Asks what the node has heard until it contains `text`.
bool hears(TestClient& client, const std::string& text) {
  const Instant end = monotonic_now() + Duration::seconds(20);
  Bytes heard;
  do {
    heard = ask(client, Op::inspect);
    if (heard.find(text) != std::string::npos) return true;
  } while (monotonic_now() < end);
  UNSCOPED_INFO("it has heard:\n" << heard);
  return false;
}

TEST_CASE("daemon shell: request, answered at once; one with a deadline, when it is due", "[region]") {
  const DaemonRig rig({1});
  auto process = rig.start(1);
  REQUIRE(process->wait_for_line("ready"));
  TestClient client(rig.node(1).client);
  CHECK(ask(client, Op::ping).empty());
  const Instant begin = monotonic_now();
  CHECK(ask(client, Op::get, "k") == "later");
  CHECK(monotonic_now() - begin >= Duration::millis(50));
}

TEST_CASE("daemon shell: frames and link changes reach the engines of both nodes, cuts hold and heal",
          "[region]") {
  const DaemonRig rig({1, 1});
  auto first = rig.start(1), second = rig.start(2);
  REQUIRE(first->wait_for_line("ready"));
  REQUIRE(second->wait_for_line("ready"));
  TestClient a(rig.node(1).client), b(rig.node(2).client);
  REQUIRE(hears(a, "2 up"));
  REQUIRE(hears(b, "1 up"));
  ask(a, Op::set, "2", "hello");
  CHECK(hears(b, "1:hello"));
  ask(a, Op::cut);
  CHECK(hears(a, "2 down"));
  ask(a, Op::set, "2", "into the cut");
  ask(a, Op::heal);
  ask(a, Op::set, "2", "healed");
  CHECK(hears(b, "1:healed"));
  CHECK(ask(b, Op::inspect).find("into the cut") == Bytes::npos);
  // What b sends into the cut is tests/wan/transport_test.cc's: only there it can be seen to be gone before
  // the link heals, and not to come when it has.
  second->send_signal(SIGKILL);
  CHECK(hears(a, "2 up\n2 down\n2 up\n2 down\n"));
}

TEST_CASE("daemon shell: SIGTERM, answers what waits, exit 0", "[region]") {
  const DaemonRig rig({1});
  auto process = rig.start(1);
  REQUIRE(process->wait_for_line("ready"));
  TestClient client(rig.node(1).client);
  ask(client, Op::ping);
  client.send({request(77, Op::get, "k")});
  client.send({request(78, Op::ping)});  // answered: the one before it has been taken
  REQUIRE(eventually(client, [&] { return client.responses.back().correlation == 78; }));
  process->send_signal(SIGTERM);
  CHECK(process->wait() == 0);
  CHECK_THAT(process->output(), Catch::Contains("stopping") && Catch::Contains("signal=SIGTERM"));
  CHECK_THAT(process->output(), Catch::Contains("stopped") && Catch::Contains("drained=yes"));
  client.take();
  CHECK(client.responses.back().correlation == 77);
}

TEST_CASE("daemon shell: work that never ends, SIGTERM ends in five seconds, a second one at once",
          "[region]") {
  const DaemonRig rig({1});
  for (const bool insist : {false, true}) {
    auto process = rig.start(1);
    REQUIRE(process->wait_for_line("ready"));
    TestClient client(rig.node(1).client);
    client.send({request(1, Op::del, "k"), request(2, Op::ping)});
    REQUIRE(eventually(client, [&] { return client.responses.size() == 1; }));
    const Instant begin = monotonic_now();
    process->send_signal(SIGINT);
    REQUIRE(process->wait_for_line("stopping"));
    if (insist) process->send_signal(SIGTERM);
    CHECK(process->wait() == 0);
    CHECK_THAT(process->output(), Catch::Contains("drained=no"));
    if (insist)
      CHECK_THAT(process->output(), Catch::Contains("stopping at once"));
    else
      CHECK(monotonic_now() - begin >= Duration::seconds(5));
  }
}

TEST_CASE("daemon shell: engine cannot go on, exit 5 with its reason", "[region]") {
  const DaemonRig rig({1});
  auto process = rig.start(1);
  REQUIRE(process->wait_for_line("ready"));
  TestClient client(rig.node(1).client);
  client.send({request(1, Op::status)});
  CHECK(process->wait() == 5);
  CHECK_THAT(process->output(), Catch::Contains("cannot go on") && Catch::Contains("told to give up"));
}

TEST_CASE("daemon shell: --log-json, every line is an object with its fields", "[region]") {
  const DaemonRig rig({1});
  auto process = rig.start(1, {"--log-json"});
  REQUIRE(process->wait_for_line("ready"));
  process->send_signal(SIGTERM);
  REQUIRE(process->wait() == 0);
  std::istringstream lines(process->output());
  std::vector<nlohmann::json> parsed;
  for (std::string line; std::getline(lines, line);) parsed.push_back(nlohmann::json::parse(line));
  REQUIRE(parsed.size() == 5);
  CHECK(parsed[0]["event"] == "starting");
  CHECK(parsed[0]["node"] == "a-1");
  CHECK(parsed[0]["level"] == "info");
  CHECK(parsed[1]["event"].get<std::string>().starts_with("no token secret"));
  CHECK(parsed[2]["event"] == "ready");
  CHECK(parsed[2]["client"] == rig.node(1).client.endpoint());
  CHECK(parsed[4]["event"] == "stopped");
}

TEST_CASE("daemon shell: idle, it does not spin", "[region]") {
  const DaemonRig rig({1});
  auto process = rig.start(1);
  REQUIRE(process->wait_for_line("ready"));
  TestClient client(rig.node(1).client);
  ask(client, Op::ping);
  const auto before = process->cpu();
  const Instant begin = monotonic_now();
  while (monotonic_now() - begin < Duration::millis(500)) client.wait();
  CHECK(process->cpu() - before < Duration::millis(250));
}

}  // namespace
}  // namespace atolldb::testing
