#pragma once
// The text of /metrics, in Prometheus' format 0.0.4. Metric names are an interface (docs/http.md).

#include <cstdint>
#include <string>

#include "crdt/base/bytes.h"
#include "region/http/meter.h"

namespace atolldb::http {

struct DoorFigures {
  uint64_t connections = 0;        // now
  uint64_t connections_total = 0;  // since start; 0 where the door cannot tell
  uint64_t refused_total = 0;      // connections, and requests that did not reach the node: over a limit
};

// What is not in the node's status.
struct Figures {
  Counts counts;
  std::array<DoorFigures, kDoors> doors;
  uint64_t resident_bytes = 0;
  double cpu_seconds = 0;
  double uptime_seconds = 0;
};

// `status`: what the node answers to Op::status.
std::string metrics_text(const Figures& figures, BytesView status);

}  // namespace atolldb::http
