#pragma once
// What the nodes of a cluster say to each other. A frame is a header and any number of messages; the header
// speaks for all of them: whose process this is, how far its log is synced, whether it has a vote. Votes are
// Promise, Ack, Stands and Raised: a frame holds them only once what they say is synced. Rules are numbered
// as in docs/coordinator.md; bytes in docs/formats/peer.md.
//
// Views inside a decoded message borrow from the frame.

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "crdt/base/result.h"
#include "crdt/dot_set.h"
#include "crdt/hlc.h"
#include "crdt/wire.h"
#include "region/core/entry.h"
#include "storage/store.h"

namespace atolldb::region {

inline constexpr uint8_t kPeerProtocolVersion = 1;
inline constexpr size_t kPeerFrameTargetBytes =
    1u << 20;  // a full frame goes out; the next message starts a new one

// Persistent on the wire: numbers are never reused.
enum class MessageType : uint8_t {
  append = 1,
  ack = 2,
  fenced = 3,
  prepare = 4,
  promise = 5,
  late = 6,
  confirm = 7,
  stands = 8,
  progress = 9,
  hello = 10,
  position = 11,
  need_exchange = 12,
  pull = 13,
  chunk = 14,
  forward = 15,
  forward_reply = 16,
  refuse = 17,
  pull_gone = 18,
  relay = 19,
  handover = 20,
  send_again = 21,
  progress_lost = 22,
  raise = 23,
  raised = 24,
};

struct FrameHeader {
  uint32_t start = 0;
  uint32_t random = 0;
  bool vote = false;     // counts in R, W and epochs
  bool joining = false;  // has not settled on its start yet (rule 15)
  bool leaving = false;  // is draining: others take over
  bool full = false;     // has had no room for writes for a while: others take over
  uint64_t wall_ms = 0;
  uint64_t cluster = 0;  // hash of what must be equal on all nodes
  storage::LogPosition synced;
  std::vector<std::pair<NodeNumber, uint32_t>>
      forgot;  // starts known to have lost what came before them (rule 16)
};

struct Append {  // rule 6
  PartitionId partition{};
  Epoch epoch;
  std::vector<Entry> entries;
};
struct Ack {  // the clock's entries of the actors that an append touched; cumulative
  PartitionId partition{};
  Epoch epoch;
  crdt::DotSet dots;
  crdt::DotSet judged;  // conditional writes of the append that wait, with a verdict of this epoch (rule 12)
};
struct Fenced {  // a hint to one who works under an epoch that has passed; proves nothing
  PartitionId partition{};
  Epoch promised;
};
struct Prepare {  // rule 3
  PartitionId partition{};
  Epoch epoch;
  crdt::DotSet clock;  // of the candidate: what it lacks is sent along
};
struct Promise {  // rule 4
  PartitionId partition{};
  Epoch epoch;
  crdt::DotSet clock, settled;
  crdt::Hlc stamp;  // the highest with which anything entered the partition
  uint64_t lost_epoch =
      0;  // number of the epoch under which this replica last regained its memory; 0: never lost it
  bool needs_exchange = false;  // the clock holds what the outbox no longer has
  Epoch entered = {};           // the highest under which anything entered the partition
  std::vector<std::pair<Dot, Epoch>>
      pending;  // conditional writes that wait, and are not in the clock: who gave their verdicts
};
struct Late {  // rule 11: what a promise brings, and repairs
  PartitionId partition{};
  std::vector<Entry> entries;
};
struct Confirm {  // rule 9
  uint64_t round = 0;
  std::vector<std::pair<PartitionId, Epoch>> epochs;
};
struct Stands {
  uint64_t round = 0;
  std::vector<std::pair<PartitionId, Epoch>> epochs;
};
struct Progress {  // the coordinator tells replicas what is settled, and what nobody needs any more
  PartitionId partition{};
  Epoch epoch;
  crdt::DotSet settled, confirmed;
  bool whole = true;    // false: only actors of which something changed since the last one
  uint64_t number = 0;  // of this coordinator to this replica: one that is missing is noticed
  // What is settled here of other regions' (rule 18), where that has changed: a next coordinator knows it.
  std::vector<std::pair<RegionId, crdt::Hlc>> covered;
};
struct ProgressLost {  // a Progress under this epoch is missing here: say everything
  PartitionId partition{};
  Epoch epoch;
};
struct Hello {  // rule 15: is this disk my latest?
  uint32_t start = 0, random = 0;
  uint32_t disk_start = 0;             // the last start that the disk knows
  storage::LogPosition disk_position;  // and how far its log went
};
struct Position {
  uint32_t start = 0, random = 0;  // of the hello that is answered
  uint32_t known_start = 0;
  storage::LogPosition known_position;
  uint32_t highest_start = 0;
  bool running = false;  // another process of this node was heard of just now
};
struct NeedExchange {
  PartitionId partition{};
  Epoch epoch;
};
struct SendAgain {  // what was sent under this epoch was dropped for lack of room, and there is room again
  PartitionId partition{};
  Epoch epoch;
};
struct Pull {
  PartitionId partition{};
  uint64_t id = 0;          // chosen by the receiver
  uint64_t scan = 0;        // 0: begin one
  uint32_t lost_start = 0;  // not 0: the puller's start, which has lost its memory (rule 16)
  BytesView cursor;
};
struct Chunk {
  PartitionId partition{};
  uint64_t id = 0, scan = 0;
  crdt::DotSet clock;  // of the sender, before the scan
  BytesView cursor, units, next;
  bool last = false;
  bool vote = false;  // the sender had one when the scan began
  Epoch promised;     // on the last chunk
  crdt::DotSet settled;
  uint64_t lost_epoch = 0;
  uint64_t ids_forgotten_ms = 0;  // ids made up to here may be missing in the list
  std::vector<std::pair<BytesView, BytesView>> request_ids;
  std::vector<Entry> entries;  // deltas that entered at the sender while it scanned
  Epoch entered = {};          // as in Promise; on the last chunk
  crdt::Hlc stamp;  // on the last chunk, inside a region: the highest with which anything had entered
};
struct PullGone {  // the scan is not known (any more): begin again
  PartitionId partition{};
  uint64_t id = 0;
};
struct Forward {
  uint64_t token = 0;
  BytesView request;     // one frame of request_codec.h with one request
  uint64_t refused = 0;  // the highest token of which the sender has heard that it was sent back
};
struct ForwardReply {
  uint64_t token = 0;
  BytesView response;
};
struct Raise {  // what enters this partition from now on has a stamp above this one (rule 18)
  PartitionId partition{};
  Epoch epoch;
  crdt::Hlc stamp;
};
struct Raised {  // that is in this replica's log
  PartitionId partition{};
  Epoch epoch;
  crdt::Hlc stamp;
};
struct Handover {  // nobody serves under this epoch or has anything in work: take the partition over
  PartitionId partition{};
  Epoch epoch;
};
struct Refuse {  // this node number belongs to the process with this start and this random part now
  uint32_t start = 0;
  uint32_t random = 0;  // 0: not said
};

// Messages of these types belong to wan/core; region/core hands them over unread.
inline constexpr uint8_t kWanTypesFrom = 32;

// A message for the partition's coordinator that another region's node sent to the wrong node of this region.
struct Relay {
  PartitionId partition{};
  NodeNumber origin{};
  BytesView message;
};

class FrameWriter {
 public:
  bool empty() const { return body_.empty(); }
  size_t size() const { return body_.size(); }
  void add(BytesView encoded_message) { body_.append(encoded_message); }
  Bytes& body() { return body_; }
  // The frame, with the header in front; the writer is empty again.
  Bytes take(const FrameHeader& header);

 private:
  Bytes body_;
};

class MessageHandler {
 public:
  virtual ~MessageHandler() = default;
  virtual void on(const Append&) {}
  virtual void on(const Ack&) {}
  virtual void on(const Fenced&) {}
  virtual void on(const Prepare&) {}
  virtual void on(const Promise&) {}
  virtual void on(const Late&) {}
  virtual void on(const Confirm&) {}
  virtual void on(const Stands&) {}
  virtual void on(const Progress&) {}
  virtual void on(const Hello&) {}
  virtual void on(const Position&) {}
  virtual void on(const NeedExchange&) {}
  virtual void on(const Pull&) {}
  virtual void on(const Chunk&) {}
  virtual void on(const PullGone&) {}
  virtual void on(const Forward&) {}
  virtual void on(const ForwardReply&) {}
  virtual void on(const Refuse&) {}
  virtual void on(const Relay&) {}
  virtual void on(const Handover&) {}
  virtual void on(const SendAgain&) {}
  virtual void on(const ProgressLost&) {}
  virtual void on(const Raise&) {}
  virtual void on(const Raised&) {}
  virtual void on_wan(BytesView /*encoded message*/) {}
};

// One message as bytes, appended to `out`.
void encode(const Append& message, Bytes& out);
void encode(const Ack& message, Bytes& out);
void encode(const Fenced& message, Bytes& out);
void encode(const Prepare& message, Bytes& out);
void encode(const Promise& message, Bytes& out);
void encode(const Late& message, Bytes& out);
void encode(const Confirm& message, Bytes& out);
void encode(const Stands& message, Bytes& out);
void encode(const Progress& message, Bytes& out);
void encode(const Hello& message, Bytes& out);
void encode(const Position& message, Bytes& out);
void encode(const NeedExchange& message, Bytes& out);
void encode(const Pull& message, Bytes& out);
void encode(const Chunk& message, Bytes& out);
void encode(const PullGone& message, Bytes& out);
void encode(const Forward& message, Bytes& out);
void encode(const ForwardReply& message, Bytes& out);
void encode(const Refuse& message, Bytes& out);
void encode(const Relay& message, Bytes& out);
void encode(const Handover& message, Bytes& out);
void encode(const SendAgain& message, Bytes& out);
void encode(const ProgressLost& message, Bytes& out);
void encode(const Raise& message, Bytes& out);
void encode(const Raised& message, Bytes& out);

// Errc::version: spoken by another version (the message names both). Errc::corrupt: not a frame.
Result<FrameHeader> decode_header(BytesView& frame);
// Hands over every message of what is left of a frame, in order; those before a broken one have been handled
// when Errc::corrupt comes back. Types that this version does not know are skipped.
Status dispatch(BytesView messages, MessageHandler& handler);

}  // namespace atolldb::region
