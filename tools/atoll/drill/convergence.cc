#include "tools/atoll/drill/convergence.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "tools/atoll/clock.h"
#include "tools/atoll/node_calls.h"

namespace atolldb::tools {
namespace {

using nlohmann::json;

constexpr Duration kConvergenceLimit = Duration::seconds(10);
constexpr auto kConvergencePause = std::chrono::milliseconds(100);

Result<std::vector<Digests>> ask_digests(const topology::Topology& topology) {
  std::vector<NodeNumber> nodes;
  for (const topology::Node& node : topology.nodes) nodes.push_back(node.number);
  region::Request request;
  request.op = region::Op::digest;
  std::vector<Digests> all;
  for (const NodeAnswer& answer : ask_nodes(topology, nodes, request, kConvergenceLimit)) {
    const std::string& name = topology.find(answer.node)->name;
    if (!answer.response || answer.response->outcome != region::Outcome::done) {
      return {Errc::unavailable, name + " does not say its digests" +
                                     (answer.response ? ": " + answer.response->message : std::string())};
    }
    auto digests = parse_digests(answer.response->value);
    if (!digests) return {digests.error().code, name + ": " + digests.error().message};
    all.push_back(*std::move(digests));
  }
  return all;
}

}  // namespace

Result<Digests> parse_digests(std::string_view text) {
  try {
    const json said = json::parse(text);
    Digests digests;
    std::string held = "clocks of";
    for (const auto& [partition, digest] : said.at("partitions").items()) {
      digests[partition] = digest.get<std::string>();
      held += " " + partition;
    }
    digests[held] = said.at("clock").get<std::string>();
    return digests;
  } catch (const json::exception& problem) {
    return {Errc::corrupt, std::string("its digests are not as expected: ") + problem.what()};
  }
}

size_t count_unequal(const std::vector<Digests>& nodes) {
  std::map<std::string, std::set<std::string>> said;
  for (const Digests& digests : nodes) {
    for (const auto& [what, digest] : digests) said[what].insert(digest);
  }
  size_t unequal = 0;
  for (const auto& [what, digests] : said) unequal += digests.size() > 1;
  return unequal;
}

Status wait_until_equal(const topology::Topology& topology, Duration limit, Progress& progress,
                        DrillReport& report) {
  const Instant began = monotonic_now();
  const uint64_t partitions = topology.placement.partitions;
  for (;;) {
    const auto digests = ask_digests(topology);
    const Duration waited = monotonic_now() - began;
    report.converge_seconds = waited.as_seconds();
    if (digests) {
      const size_t unequal = count_unequal(*digests);
      const std::string differ =
          std::to_string(std::min<uint64_t>(unequal, partitions)) + " partitions differ";
      progress.update(partitions - std::min<uint64_t>(unequal, partitions), partitions,
                      "converging: " + differ);
      report.converged = unequal == 0;
      if (report.converged) return ok();
    }
    if (waited >= limit) return digests ? ok() : Status(digests.error());
    std::this_thread::sleep_for(kConvergencePause);  // between two questions; nobody announces convergence
  }
}

}  // namespace atolldb::tools
