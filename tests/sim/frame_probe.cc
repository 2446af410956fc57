#include "tests/sim/frame_probe.h"

#include "crdt/wire.h"
#include "region/core/message.h"
#include "wan/core/message.h"

namespace atolldb::sim {

void probe_frame(BytesView frame, Probes& probes) {
  crdt::Reader reader(frame);
  reader.uint();  // the protocol's version
  reader.skip();  // the header
  while (reader.ok() && !reader.at_end()) {
    crdt::Reader message(reader.value());
    message.array();
    const uint64_t type = message.uint();
    const auto is = [type](auto wanted) { return type == static_cast<uint64_t>(wanted); };
    if (is(region::MessageType::fenced)) probes.hit(Probe::epoch_refused);
    if (is(region::MessageType::handover)) probes.hit(Probe::handover);
    if (is(region::MessageType::need_exchange) || is(wan::MessageType::exchange))
      probes.hit(Probe::outbox_cut);
    if (is(region::MessageType::relay)) probes.hit(Probe::relayed);
  }
}

}  // namespace atolldb::sim
