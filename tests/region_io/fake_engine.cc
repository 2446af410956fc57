// An engine for tests of the shell around it: same class, nothing of a protocol. Linked in place of the real
// one.
//   ping              is answered at once
//   get               is answered by the next storage event or tick, 50 ms later
//   set KEY VALUE     frame VALUE to the node whose number stands in KEY; what peers send is kept
//   inspect           gives what peers sent, "number:frame" each, and what links did, "number up" or "number
//   down" cut               cuts the second region; heal heals it del               is never answered and
//   keeps drained() false status            gives up: fatal

#include <map>
#include <utility>

#include "region/node/engine.h"

namespace atolldb::node {

class Engine::Impl {
 public:
  std::vector<RegionId> cut;
  Output output;
  std::map<Instant, std::vector<ClientReply>> later;
  std::string heard;
  bool stuck = false, draining = false;

  void answer(const ClientId& client, const region::Request& request, Bytes value = {}) {
    output.replies.push_back(reply(client, request, std::move(value)));
  }
  static ClientReply reply(const ClientId& client, const region::Request& request, Bytes value) {
    region::Response response;
    response.correlation = request.correlation;
    response.value = std::move(value);
    return {client, std::move(response)};
  }
};

Engine::Engine(const EngineConfig&, const topology::Topology&, storage::Store&, EventLog&)
    : impl_(std::make_unique<Impl>()) {}
Engine::~Engine() = default;

Status Engine::start(Now) { return ok(); }

void Engine::handle_peer_frame(Now, NodeNumber from, BytesView frame) {
  impl_->heard += std::to_string(raw(from)) + ":" + Bytes(frame) + "\n";
}

void Engine::handle_link(Now, NodeNumber peer, bool up) {
  impl_->heard += std::to_string(raw(peer)) + (up ? " up\n" : " down\n");
}

void Engine::handle_request(Now now, const ClientId& client, region::Request&& request) {
  using region::Op;
  switch (request.op) {
    case Op::get:
      impl_->later[now.monotonic + Duration::millis(50)].push_back(Impl::reply(client, request, "later"));
      return;
    case Op::set:
      impl_->output.frames.push_back(
          {NodeNumber{static_cast<uint16_t>(std::stoi(request.key))}, request.value});
      return impl_->answer(client, request);
    case Op::inspect:
      return impl_->answer(client, request, impl_->heard);
    case Op::cut:
      impl_->cut = {RegionId{1}};
      return impl_->answer(client, request);
    case Op::heal:
      impl_->cut.clear();
      return impl_->answer(client, request);
    case Op::del:
      impl_->stuck = true;
      return;
    case Op::status:
      impl_->output.fatal = "told to give up";
      return;
    default:
      return impl_->answer(client, request, impl_->draining ? "draining" : "");
  }
}

void Engine::handle_storage(Now) {}

void Engine::handle_tick(Now now) {
  while (!impl_->later.empty() && impl_->later.begin()->first <= now.monotonic) {
    for (auto& reply : impl_->later.begin()->second) impl_->output.replies.push_back(std::move(reply));
    impl_->later.erase(impl_->later.begin());
  }
}

void Engine::begin_drain(Now) { impl_->draining = true; }
bool Engine::drained() const { return impl_->draining && impl_->later.empty() && !impl_->stuck; }

Output Engine::take_output() {
  Output output = std::exchange(impl_->output, {});
  if (!impl_->later.empty()) output.next_deadline = impl_->later.begin()->first;
  return output;
}

const std::vector<RegionId>& Engine::cut_regions() const { return impl_->cut; }

}  // namespace atolldb::node
