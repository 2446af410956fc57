#pragma once
// What coordinators of one partition in two regions say to each other (docs/formats/peer.md). Types begin at
// 32: a frame carries these beside the messages of region/core, which hands them over unread. Views borrow
// from the frame.

#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "crdt/base/result.h"
#include "crdt/dot_set.h"
#include "crdt/hlc.h"

namespace atolldb::wan {

// Persistent on the wire: numbers are never reused.
enum class MessageType : uint8_t {
  open = 32,
  batch = 33,
  ack = 34,
  marker = 35,
  exchange = 36,
  ask_marker = 37,
  session_marker = 38
};

struct Open {  // what do you have of my region's? Answered by an Ack.
  PartitionId partition{};
};
struct Batch {
  PartitionId partition{};
  std::vector<BytesView> deltas;  // settled in the sender's region; an actor's in counter order
};
struct Ack {
  PartitionId partition{};
  NodeNumber coordinator{};  // of the acknowledging region: whom to send to
  crdt::DotSet settled;      // of the actors of the receiver's region: logged by W replicas over there
  bool again = false;        // something was dropped that may enter now: send the rest again
};
struct Marker {  // all that entered the sender's partition up to this stamp is in this clock
  PartitionId partition{};
  crdt::Hlc stamp;
  crdt::DotSet clock;
};
struct Exchange {  // what you lack has left my region's outbox: pull the partition from me
  PartitionId partition{};
};

struct AskMarker {  // a session waits here for all of your region up to this stamp
  PartitionId partition{};
  crdt::Hlc stamp;
};
struct SessionMarker {  // all that entered the sender's partition up to this stamp, whoever issued it, or
                        // will ever enter with such a stamp, is in this clock
  PartitionId partition{};
  crdt::Hlc stamp;
  crdt::DotSet clock;
};

void encode(const Open& message, Bytes& out);
void encode(const Batch& message, Bytes& out);
void encode(const Ack& message, Bytes& out);
void encode(const Marker& message, Bytes& out);
void encode(const Exchange& message, Bytes& out);
void encode(const AskMarker& message, Bytes& out);
void encode(const SessionMarker& message, Bytes& out);

class MessageHandler {
 public:
  virtual ~MessageHandler() = default;
  virtual void on(const Open&) = 0;
  virtual void on(const Batch&) = 0;
  virtual void on(const Ack&) = 0;
  virtual void on(const Marker&) = 0;
  virtual void on(const Exchange&) = 0;
  virtual void on(const AskMarker&) = 0;
  virtual void on(const SessionMarker&) = 0;
};

// One message. Types that this version does not know are passed over. Errc::corrupt.
Status dispatch(BytesView message, MessageHandler& handler);

}  // namespace atolldb::wan
