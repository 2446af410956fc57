// What the daemon refuses to start with, as an operator meets it: the process, its exit code, the sentence
// that says what is wrong and what to do. Runs against the program that ATOLLD names.

#include <signal.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/region_io/daemon_rig.h"

namespace atolldb::testing {
namespace {

// Ends by itself with this code and says all of this.
void check_refused(ChildProcess& process, int code, const std::vector<std::string>& says) {
  const auto status = process.wait();
  INFO(process.output());
  REQUIRE(status.has_value());
  CHECK(*status == code);
  for (const auto& text : says) CHECK_THAT(process.output(), Catch::Contains(text));
}

TEST_CASE("atolld: flags missing or unknown, exit 2 and the flag is named", "[cluster]") {
  const DaemonRig rig({1});
  check_refused(*rig.run({}), 2, {"--topology is required"});
  check_refused(*rig.start(1, {"--speed", "11"}), 2, {"--speed"});
  check_refused(*rig.start(1, {"--log-level", "loud"}), 2, {"loud"});
}

TEST_CASE("atolld: topology missing or wrong, exit 2 with the place", "[cluster]") {
  const DaemonRig rig({1});
  write_file(rig.file("bad.toml"), "[cluster]\nname = \"x\"\ncolour = 3\n");
  check_refused(*rig.run({"--topology", rig.file("none.toml"), "--node", "a-1", "--data", rig.data(1)}), 2,
                {"none.toml", "No such file"});
  check_refused(*rig.run({"--topology", rig.file("bad.toml"), "--node", "a-1", "--data", rig.data(1)}), 2,
                {"bad.toml:3:1", "colour"});
}

TEST_CASE("atolld: name that the topology does not have, exit 2 with the names it has", "[cluster]") {
  const DaemonRig rig({2});
  check_refused(*rig.run({"--topology", rig.topology_file(), "--node", "a-3", "--data", rig.data(1)}), 2,
                {"has no node a-3", "did you mean a-", "its nodes are a-1, a-2"});
}

TEST_CASE("atolld: secret key missing, no key or another node's, exit 2 and the key is not repeated",
          "[cluster]") {
  const DaemonRig rig({2});
  const std::string key = rig.data(1) + "/node.key";
  const std::string& other = rig.cluster.keys.at(NodeNumber{2}).secret_key;
  write_file(key, other + "\n");
  auto wrong = rig.start(1);
  check_refused(*wrong, 2, {"a-1", rig.node(1).public_key, rig.node(2).public_key});
  CHECK(wrong->output().find(other) == std::string::npos);
  write_file(key, "hunter2");
  auto short_key = rig.start(1);
  check_refused(*short_key, 2, {"node.key", "found 7 characters", "atoll topology keygen"});
  CHECK(short_key->output().find("hunter2") == std::string::npos);
  std::filesystem::remove(key);
  check_refused(*rig.start(1), 2, {"node.key", "No such file", "atoll topology keygen --out"});
  write_file(rig.file("elsewhere.key"), rig.cluster.keys.at(NodeNumber{1}).secret_key);
  auto started = rig.start(1, {"--secret-key", rig.file("elsewhere.key")});
  CHECK(started->wait_for_line("ready"));
}

TEST_CASE("atolld: data directory of another node, of another cluster or of something else, exit 3",
          "[cluster]") {
  DaemonRig rig({2});
  {
    auto first = rig.start(1);
    REQUIRE(first->wait_for_line("ready"));
    first->send_signal(SIGTERM);
    REQUIRE(first->wait() == 0);
  }
  const std::string key2 = rig.data(2) + "/node.key";
  const auto node2_on = [&](const std::string& data) {
    return rig.run(
        {"--topology", rig.topology_file(), "--node", "a-2", "--data", data, "--secret-key", key2});
  };
  check_refused(*node2_on(rig.data(1)), 3, {rig.data(1), "belongs to node number 1, expected 2"});
  const std::string photos = rig.file("photos");
  std::filesystem::create_directory(photos);
  write_file(photos + "/holiday.jpg", "x");
  check_refused(*node2_on(photos), 3, {photos, "is not empty", "holiday.jpg"});
  CHECK(std::distance(std::filesystem::directory_iterator(photos), {}) == 1);
  rig.cluster.topology.placement.seed.k0 ^= 1;
  rig.write_topology();
  check_refused(*rig.start(1), 3, {rig.data(1), "belongs to cluster"});
}

TEST_CASE("atolld: data directory that another process has open, exit 3", "[cluster]") {
  const DaemonRig rig({1});
  auto first = rig.start(1);
  REQUIRE(first->wait_for_line("ready"));
  check_refused(*rig.start(1), 3, {rig.data(1), "another process"});
}

TEST_CASE("atolld: port in use, exit 4 with the port and how to find who has it", "[cluster]") {
  const DaemonRig rig({1});
  auto first = rig.start(1);
  REQUIRE(first->wait_for_line("ready"));
  const std::string peer = std::to_string(rig.node(1).peer.port);
  check_refused(*rig.run({"--topology", rig.topology_file(), "--node", "a-1", "--data", rig.file("fresh"),
                          "--secret-key", rig.data(1) + "/node.key"}),
                4, {"peer address 127.0.0.1:" + peer + " is in use", "ss -ltnp 'sport = :" + peer});
}

TEST_CASE("atolld: client port in use, exit 4", "[cluster]") {
  DaemonRig rig({2});
  auto first = rig.start(1);
  REQUIRE(first->wait_for_line("ready"));
  rig.cluster.topology.nodes[1].client.port = rig.node(1).client.port;
  rig.cluster.topology.nodes[0].client.port = 9999;  // the topology itself allows no port twice
  rig.write_topology();
  check_refused(*rig.start(2), 4,
                {"client address 127.0.0.1:" + std::to_string(rig.node(2).client.port) + " is in use"});
}

TEST_CASE("atolld: address of another machine, exit 4", "[cluster]") {
  DaemonRig rig({1});
  for (auto* address : {&rig.cluster.topology.nodes[0].resp, &rig.cluster.topology.nodes[0].http,
                        &rig.cluster.topology.nodes[0].peer, &rig.cluster.topology.nodes[0].client})
    address->host = "192.0.2.1";
  rig.write_topology();
  check_refused(*rig.start(1), 4, {"192.0.2.1", "does not belong to this machine"});
}

TEST_CASE("atolld: key that others can read, it starts and warns", "[cluster]") {
  const DaemonRig rig({1});
  REQUIRE(chmod((rig.data(1) + "/node.key").c_str(), 0644) == 0);
  auto process = rig.start(1);
  REQUIRE(process->wait_for_line("ready"));
  CHECK_THAT(process->output(), Catch::Contains("secret key is readable by others"));
}

}  // namespace
}  // namespace atolldb::testing
