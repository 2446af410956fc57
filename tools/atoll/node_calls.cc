#include "tools/atoll/node_calls.h"

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include "client/client.h"

namespace atolldb::tools {
namespace {

// What the callbacks fill in; shared with them, since some may come while the client is being closed.
struct Gathered {
  std::mutex mutex;
  std::condition_variable all_in;
  size_t missing = 0;
  std::vector<NodeAnswer> answers;
};

void gather(Gathered& gathered, size_t place, region::Response&& response) {
  const std::lock_guard hold(gathered.mutex);
  // Node 0 is nobody: the client itself says that it reached no one.
  if (raw(response.node) != 0) gathered.answers[place].response = std::move(response);
  if (--gathered.missing == 0) gathered.all_in.notify_one();
}

NodeState state_of(const NodeAnswer& answer) {
  NodeState state;
  if (!answer.response) {
    state.detail = "no answer";
    return state;
  }
  state.answers = true;
  if (answer.response->outcome != region::Outcome::done) {
    state.detail = answer.response->message;
    return state;
  }
  const auto status = nlohmann::json::parse(answer.response->value, nullptr, false);
  if (!status.is_object() || !status.contains("ready") || !status["ready"].is_boolean()) {
    state.detail = "its status is not what this atoll understands; are both of one build?";
    return state;
  }
  state.ready = status["ready"].get<bool>();
  const auto standing = status.value("standing", nlohmann::json());
  if (!state.ready)
    state.detail = standing == "vote" ? "partitions that it holds have no coordinator now"
                                      : "its standing is " + standing.dump();
  return state;
}

}  // namespace

std::vector<NodeAnswer> ask_nodes(const topology::Topology& topology, const std::vector<NodeNumber>& nodes,
                                  const region::Request& request, Duration limit) {
  const auto gathered = std::make_shared<Gathered>();
  gathered->missing = nodes.size();
  for (const NodeNumber node : nodes) gathered->answers.push_back({node, std::nullopt});
  if (nodes.empty()) return {};

  client::Options options;
  options.region = topology.region(topology.find(nodes.front())->region).name;
  options.wait_for_nodes = false;
  options.attempt_timeout_ms = static_cast<uint32_t>(limit.as_millis());
  const auto client = client::Client::open(topology, options);
  if (!client) return gathered->answers;
  for (size_t place = 0; place < nodes.size(); ++place) {
    region::Request copy = request;
    copy.deadline_ms = static_cast<uint32_t>(limit.as_millis());
    const auto answered = [gathered, place](region::Response&& response) {
      gather(*gathered, place, std::move(response));
    };
    client::Target target;
    target.node = nodes[place];
    if (!(*client)->send(std::move(copy), target, answered)) gather(*gathered, place, {});
  }
  std::unique_lock hold(gathered->mutex);
  gathered->all_in.wait(hold, [&] { return gathered->missing == 0; });
  return std::move(gathered->answers);
}

std::vector<NodeState> ask_states(const topology::Topology& topology, const std::vector<NodeNumber>& nodes,
                                  Duration limit) {
  region::Request request;
  request.op = region::Op::status;
  std::vector<NodeState> states;
  for (const NodeAnswer& answer : ask_nodes(topology, nodes, request, limit))
    states.push_back(state_of(answer));
  return states;
}

}  // namespace atolldb::tools
