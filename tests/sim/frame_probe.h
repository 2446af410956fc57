#pragma once
// Looks into frames on the wire for messages that prove that a rare state was reached.

#include "crdt/base/bytes.h"
#include "tests/sim/probes.h"

namespace atolldb::sim {

void probe_frame(BytesView frame, Probes& probes);

}  // namespace atolldb::sim
