#include "region/core/outgoing.h"

#include "crdt/base/canary.h"
#include "region/core/request_codec.h"

namespace atolldb::region {

FrameWriter& Outgoing::frame_for(NodeNumber to) {
  auto& frames = frames_[to];
  if (frames.empty() || frames.back().size() >= kPeerFrameTargetBytes) frames.emplace_back();
  return frames.back();
}

void Outgoing::ack_when(storage::LogPosition after, NodeNumber to, PartitionId partition, const Epoch& epoch,
                        crdt::DotSet&& dots, crdt::DotSet&& judged) {
  if (canary(Canary::acknowledge_before_sync)) after = {};
  acks_.push_back({after, to, partition, epoch, std::move(dots), std::move(judged)});
}

void Outgoing::open_gates(storage::LogPosition durable) {
  std::map<std::pair<NodeNumber, PartitionId>, Ack> ripe;
  while (!acks_.empty() && acks_.front().after <= durable) {
    PendingAck& pending = acks_.front();
    Ack& ack = ripe[{pending.to, pending.partition}];
    if (ack.epoch != pending.epoch) ack = {pending.partition, pending.epoch, {}, {}};
    if (!pending.judged.empty()) ack.judged.join(pending.judged);
    if (ack.dots.empty())
      ack.dots = std::move(pending.dots);
    else
      ack.dots.join(pending.dots);
    acks_.pop_front();
  }
  while (!gates_.empty() && gates_.front().after <= durable) {
    Gate gate = std::move(gates_.front());
    gates_.pop_front();
    if (gate.action)
      gate.action();
    else
      send_encoded(gate.to, gate.message);
  }
  for (const auto& [where, ack] : ripe) send(where.first, ack);
}

void Outgoing::reply(const ReplyTo& to, Response&& response) {
  response.correlation = to.correlation;
  if (to.unsure && response.outcome == Outcome::rejected) response.outcome = Outcome::unknown;
  if (to.token == 0) {
    replies_.push_back({to.client, std::move(response)});
    return;
  }
  if (to.in_order && is_sent_back(response)) refused_forwards_.note(to);
  const Response* const one[] = {&response};
  const Bytes bytes = encode_responses(one);
  send(to.via, ForwardReply{to.token, bytes});
}

void Outgoing::take_frames(const FrameHeader& header, std::vector<std::pair<NodeNumber, Bytes>>& out) {
  for (auto& [to, frames] : frames_)
    for (FrameWriter& frame : frames) out.emplace_back(to, frame.take(header));
  frames_.clear();
}

}  // namespace atolldb::region
