// Reads with the client library, over and over, until its standard input ends. For each line that it is given
// it prints what has happened since the line before, as JSON: reads, failures, the longest time that one read
// took, and who answered.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iostream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "client/client.h"

namespace atolldb::client {
namespace {

using std::chrono::steady_clock;

constexpr int kKeys = 64;

struct Told {
  std::mutex mutex;
  int64_t reads = 0, failed = 0, longest_us = 0;
  std::string last_error;
  std::map<std::string, int64_t> regions;

  nlohmann::ordered_json take() {
    const std::lock_guard lock(mutex);
    nlohmann::ordered_json out = {{"reads", std::exchange(reads, 0)},
                                  {"failed", std::exchange(failed, 0)},
                                  {"longest_ms", static_cast<double>(std::exchange(longest_us, 0)) / 1e3},
                                  {"last_error", std::exchange(last_error, {})},
                                  {"regions", std::exchange(regions, {})}};
    return out;
  }
};

void read(Client& client, const topology::Topology& topology, Told& told, const std::atomic<bool>& end) {
  for (int i = 0; !end; ++i) {
    const auto start = steady_clock::now();
    const auto reply = client.get("key:" + std::to_string(i % kKeys));
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - start);
    const std::lock_guard lock(told.mutex);
    ++told.reads;
    told.longest_us = std::max<int64_t>(told.longest_us, took.count());
    if (reply.done())
      ++told.regions[topology.region(topology.find(reply.node)->region).name];
    else
      ++told.failed, told.last_error = reply.message;
  }
}

int run(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: library_reader TOPOLOGY REGION\n";
    return 2;
  }
  const auto topology = topology::load(argv[1]);
  ensure(topology.has_value(), "the test's topology can be read");
  const auto client = Client::open(*topology, {.region = argv[2], .any_region = true});
  ensure(client.has_value(), "the test's region exists");
  Told told;
  std::atomic<bool> end{false};
  std::thread reader([&] { read(**client, *topology, told, end); });
  for (std::string line; std::getline(std::cin, line);) std::cout << told.take().dump() << std::endl;
  end = true;
  reader.join();
  return 0;
}

}  // namespace
}  // namespace atolldb::client

int main(int argc, char** argv) { return atolldb::client::run(argc, argv); }
