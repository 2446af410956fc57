#pragma once
// The envelope of every frame between nodes (docs/formats/transport.md): version, kind, then the body, which
// belongs to the cores. One frame is one ZeroMQ message of one part.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "crdt/base/bytes.h"

namespace atolldb::wan {

inline constexpr uint8_t kFrameVersion = 1;
inline constexpr size_t kFrameHeadBytes = 2;

// Persistent: numbers are never reused or renumbered.
enum class FrameKind : uint8_t { node = 1 };  // the body is what one engine says to another

struct FrameHead {
  uint8_t version = kFrameVersion;
  uint8_t kind = static_cast<uint8_t>(FrameKind::node);
  friend bool operator==(const FrameHead&, const FrameHead&) = default;
};

// Nothing: too short to have a head.
inline std::optional<FrameHead> read_head(BytesView message) {
  if (message.size() < kFrameHeadBytes) return std::nullopt;
  return FrameHead{static_cast<uint8_t>(message[0]), static_cast<uint8_t>(message[1])};
}

}  // namespace atolldb::wan
