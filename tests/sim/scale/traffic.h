#pragma once
// What the nodes of a simulated cluster say to each other, counted by the kind of message. It sees every
// frame that a node sends, also one that is lost later.

#include <array>
#include <cstdint>
#include <string_view>

#include "crdt/base/bytes.h"
#include "crdt/base/time.h"

namespace atolldb::sim {

// Why a message is sent; docs/scale.md has a row for each.
enum class Cause : uint8_t {
  beat,         // frames without a message: heartbeats
  join,         // Hello, Position: is this disk my latest?
  takeover,     // Prepare, Promise, Late, Fenced, Handover
  replicate,    // Append and Ack inside a region
  progress,     // Progress inside a region
  read,         // Confirm, Stands
  forward,      // Forward, ForwardReply
  open,         // Open: a stream between two regions begins
  batch,        // Batch: deltas between regions
  acknowledge,  // Ack between regions
  marker,       // Marker between regions
  relay,        // Relay: another region's message went through the wrong node
  exchange,     // Pull, Chunk, PullGone, NeedExchange, Exchange
  other,
  count_
};
inline constexpr size_t kCauses = static_cast<size_t>(Cause::count_);
std::string_view name_of(Cause cause);

struct Tally {
  uint64_t messages = 0, bytes = 0;
  friend Tally operator-(Tally a, Tally b) { return {a.messages - b.messages, a.bytes - b.bytes}; }
  friend Tally operator+(Tally a, Tally b) { return {a.messages + b.messages, a.bytes + b.bytes}; }
};

// Bytes of a message without its frame's header; a beat is a header alone.
struct Traffic {
  std::array<Tally, kCauses> of{};
  Tally frames;  // with their headers
  Tally headers;

  const Tally& operator[](Cause cause) const { return of[static_cast<size_t>(cause)]; }
  // All but beats.
  Tally messages() const;
};
Traffic operator-(const Traffic& a, const Traffic& b);

class TrafficCounter {
 public:
  void add(Instant now, BytesView frame);
  const Traffic& traffic() const { return traffic_; }
  // When something other than a beat was last sent, and when something with deltas or rows.
  Instant last_message() const { return last_message_; }
  Instant last_data() const { return last_data_; }

 private:
  Traffic traffic_;
  Instant last_message_, last_data_;
};

}  // namespace atolldb::sim
