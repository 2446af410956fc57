#include "region/node/engine.h"

#include <algorithm>

#include "crdt/row_key.h"
#include "region/node/report.h"
#include "region/node/wan_port.h"

namespace atolldb::node {

namespace {
constexpr size_t kScanKeys = 1000;
}

class Engine::Impl {
 public:
  Impl(const EngineConfig& config, const topology::Topology& topology, storage::Store& store, EventLog& log)
      : node(
            topology, config.self, config.seed, store, log,
            [this](NodeNumber from, BytesView message) { on_wan(from, message); }, config.clears),
        port(node),
        streams(port) {}

  void on_wan(NodeNumber from, BytesView message) {
    auto handled = streams.handle_message(node.state().now, from, message);
    if (!handled)
      node.state().note(LogLevel::warn,
                        "a message of another region is broken peer=" + node.state().name_of(from) +
                            " why=\"" + handled.error().message + "\"");
  }

  // What the region has for its streams to others. False: nothing.
  bool tell_streams() {
    region::NodeState& state = node.state();
    if (!state.settled_news.empty())
      streams.handle_settled(state.now, std::exchange(state.settled_news, {}));
    else if (!state.marked_news.empty())
      streams.handle_marked(state.now, std::exchange(state.marked_news, {}));
    else if (!state.session_news.empty())
      streams.handle_answered(state.now, std::exchange(state.session_news, {}));
    else if (!state.wanted_markers.empty())
      streams.handle_wanted(state.now, std::exchange(state.wanted_markers, {}));
    else
      return false;
    return true;
  }

  // What one node answers by itself. False: a keyed request, for the partition's coordinator.
  bool answer(const region::Request& request, region::Response& response) {
    switch (request.op) {
      case region::Op::ping:
        break;
      case region::Op::status:
        response.value = status_json(node, streams, cut);
        break;
      case region::Op::digest:
        response.value = digest_json(node);
        break;
      case region::Op::inspect:
        response.value = inspect_json(node, request.key);
        refuse_if_damaged(response);
        break;
      case region::Op::scan:
        scan(request, response);
        refuse_if_damaged(response);
        break;
      case region::Op::cut:
        set_cut(request, true, response);
        break;
      case region::Op::heal:
        set_cut(request, false, response);
        break;
      default:
        return false;
    }
    response.node = node.state().self;
    return true;
  }

  // What was met of a damaged row is not to be told, and neither is what lies beside it.
  void refuse_if_damaged(region::Response& response) {
    if (node.state().damaged.empty()) return;
    response = {};
    response.outcome = region::Outcome::rejected;
    response.code = Errc::unavailable;
    response.message = region::kBeingRepaired;
  }

  // Keys that show a value here, in row order, from the cursor (a row key) on.
  void scan(const region::Request& request, region::Response& response) {
    Bytes from = request.args.empty() ? Bytes() : request.args[0];
    for (auto& [id, partition] : node.partitions()) {
      const Bytes end = crdt::partition_end(id);
      if (!from.empty() && !end.empty() && from >= end) continue;
      from = std::max(from, crdt::partition_begin(id));
      while (response.values.size() < kScanKeys) {
        std::optional<Bytes> key;
        Bytes behind;
        node.state().rows.walk(from, end, [&](BytesView row_key, BytesView) {
          if (const auto parts = crdt::parse_row_key(row_key)) {
            key = Bytes(parts->key);
            behind = crdt::key_end(parts->prefix);
          }
          return false;
        });
        if (!key) break;
        const auto shown = partition->data.read(*key);
        if (!shown || shown->type != crdt::Type::none) response.values.push_back(std::move(*key));
        from = std::move(behind);
      }
      if (response.values.size() >= kScanKeys) {
        response.value = from;
        return;
      }
      from = end;
    }
  }

  void set_cut(const region::Request& request, bool cut_now, region::Response& response) {
    std::vector<RegionId> named;
    for (const Bytes& name : request.args) {
      const topology::Region* region = node.state().topology.find_region(name);
      if (region == nullptr || region->id == node.state().region) {
        response.outcome = region::Outcome::rejected;
        response.code = Errc::invalid;
        response.message = region == nullptr ? "there is no region '" + name + "' in the topology"
                                             : "this node is in region '" + name + "' itself";
        return;
      }
      named.push_back(region->id);
    }
    if (named.empty())
      for (const topology::Region& region : node.state().topology.regions)
        if (region.id != node.state().region) named.push_back(region.id);
    for (const RegionId region : named) {
      std::erase(cut, region);
      if (cut_now) cut.push_back(region);
    }
    node.state().note(LogLevel::info, std::string(cut_now ? "links cut" : "links healed") +
                                          " regions=" + std::to_string(named.size()));
  }

  region::Node node;
  WanPort port;
  wan::Streams streams;
  std::vector<RegionId> cut;
};

Engine::Engine(const EngineConfig& config, const topology::Topology& topology, storage::Store& store,
               EventLog& log)
    : impl_(std::make_unique<Impl>(config, topology, store, log)) {}
Engine::~Engine() = default;

Status Engine::start(Now now) { return impl_->node.recover(now); }

void Engine::handle_peer_frame(Now now, NodeNumber from, BytesView frame) {
  impl_->node.handle_frame(now, from, frame);
}
void Engine::handle_link(Now now, NodeNumber peer, bool up) { impl_->node.handle_link(now, peer, up); }
void Engine::handle_storage(Now now) { impl_->node.handle_storage(now); }
void Engine::begin_drain(Now now) { impl_->node.begin_drain(now); }
bool Engine::drained() const { return impl_->node.drained(); }
const std::vector<RegionId>& Engine::cut_regions() const { return impl_->cut; }

void Engine::handle_request(Now now, const ClientId& client, region::Request&& request) {
  impl_->node.set_now(now);
  region::ReplyTo to;
  to.client = client.route;
  to.correlation = request.correlation;
  region::Response response;
  if (impl_->answer(request, response)) return impl_->node.state().out.reply(to, std::move(response));
  impl_->node.handle_request(now, to, std::move(request));
}

void Engine::handle_tick(Now now) {
  impl_->node.handle_tick(now);
  impl_->streams.handle_tick(now);
}

Output Engine::take_output() {
  region::NodeState& state = impl_->node.state();
  while (impl_->tell_streams()) continue;
  Output out;
  std::vector<std::pair<NodeNumber, Bytes>> frames;
  impl_->node.take_frames(frames);
  out.frames.reserve(frames.size());
  for (auto& [to, bytes] : frames) out.frames.push_back({to, std::move(bytes)});
  out.replies.reserve(state.out.replies().size());
  for (auto& reply : state.out.replies())
    out.replies.push_back({{std::move(reply.client)}, std::move(reply.response)});
  state.out.replies().clear();
  out.next_deadline = std::min(impl_->node.next_deadline(), impl_->streams.next_deadline());
  out.fatal = state.fatal;
  return out;
}

}  // namespace atolldb::node
