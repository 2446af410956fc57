#pragma once
// What leaves the node: frames for peers and responses for clients, gathered while events are handled and
// taken at the end. What must not be said before it is durable is put behind a log position and joins when
// the log is synced up to there; the rule stands in this one place.

#include <deque>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "crdt/dot_set.h"
#include "region/core/message.h"
#include "region/core/refused_forwards.h"
#include "region/core/reply_to.h"
#include "region/core/request.h"
#include "storage/store.h"

namespace atolldb::region {

class Outgoing {
 public:
  // At once.
  template <typename Message>
  void send(NodeNumber to, const Message& message) {
    encode(message, frame_for(to).body());
  }
  // A sign of life: a frame goes out, if only its header.
  void beat(NodeNumber to) { frame_for(to); }
  void send_encoded(NodeNumber to, BytesView message) { frame_for(to).add(message); }

  // Once the log is synced up to `after`.
  template <typename Message>
  void send_when(storage::LogPosition after, NodeNumber to, const Message& message) {
    Bytes bytes;
    encode(message, bytes);
    gates_.push_back({after, to, std::move(bytes), {}});
  }
  // Acknowledgements for one coordinator that become durable together leave as one.
  void ack_when(storage::LogPosition after, NodeNumber to, PartitionId partition, const Epoch& epoch,
                crdt::DotSet&& dots, crdt::DotSet&& judged = {});
  void run_when(storage::LogPosition after, std::function<void()>&& action) {
    gates_.push_back({after, {}, {}, std::move(action)});
  }
  // The log is synced up to `durable`.
  void open_gates(storage::LogPosition durable);

  void reply(const ReplyTo& to, Response&& response);
  const RefusedForwards& refused_forwards() const { return refused_forwards_; }

  // This node's votes do not count any more: what was about to be said is not.
  void drop_votes() {
    acks_.clear();
    std::erase_if(gates_, [](const Gate& gate) { return !gate.action; });
  }

  bool gates_empty() const { return gates_.empty() && acks_.empty(); }

  struct Reply {
    Bytes client;
    Response response;
  };
  std::vector<Reply>& replies() { return replies_; }
  bool has_frames() const { return !frames_.empty(); }
  // Full and last frames, in order.
  void take_frames(const FrameHeader& header, std::vector<std::pair<NodeNumber, Bytes>>& out);
  bool has_frames_for(NodeNumber node) const { return frames_.contains(node); }

 private:
  struct Gate {
    storage::LogPosition after;
    NodeNumber to{};
    Bytes message;
    std::function<void()> action;
  };
  struct PendingAck {
    storage::LogPosition after;
    NodeNumber to{};
    PartitionId partition{};
    Epoch epoch;
    crdt::DotSet dots, judged;
  };
  FrameWriter& frame_for(NodeNumber to);

  std::map<NodeNumber, std::deque<FrameWriter>> frames_;
  std::deque<Gate> gates_;       // in order of position: every gate is put behind the log's end of its time
  std::deque<PendingAck> acks_;  // likewise
  std::vector<Reply> replies_;
  RefusedForwards refused_forwards_;
};

}  // namespace atolldb::region
