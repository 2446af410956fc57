#include "crdt/fields.h"
#include "region/core/message.h"

namespace atolldb::region {

using crdt::decode_typed;
using crdt::encode_typed;

template <typename Io>
void fields(Io& io, FrameHeader& h) {
  io(h.start, h.random, h.vote, h.joining, h.leaving, h.full, h.wall_ms, h.cluster, h.synced.value, h.forgot);
}
template <typename Io>
void fields(Io& io, Append& m) {
  io(m.partition, m.epoch, m.entries);
}
template <typename Io>
void fields(Io& io, Ack& m) {
  io(m.partition, m.epoch, m.dots);
  io.behind(!m.judged.empty(), m.judged);
}
template <typename Io>
void fields(Io& io, Fenced& m) {
  io(m.partition, m.promised);
}
template <typename Io>
void fields(Io& io, Prepare& m) {
  io(m.partition, m.epoch, m.clock);
}
template <typename Io>
void fields(Io& io, Promise& m) {
  io(m.partition, m.epoch, m.clock, m.settled, m.stamp, m.lost_epoch, m.needs_exchange);
  io.behind(m.entered.number != 0 || !m.pending.empty(), m.entered);
  io.behind(!m.pending.empty(), m.pending);
}
template <typename Io>
void fields(Io& io, Late& m) {
  io(m.partition, m.entries);
}
template <typename Io>
void fields(Io& io, Confirm& m) {
  io(m.round, m.epochs);
}
template <typename Io>
void fields(Io& io, Stands& m) {
  io(m.round, m.epochs);
}
template <typename Io>
void fields(Io& io, Progress& m) {
  io(m.partition, m.epoch, m.settled, m.confirmed, m.whole, m.number);
  io.behind(!m.covered.empty(), m.covered);
}
template <typename Io>
void fields(Io& io, Hello& m) {
  io(m.start, m.random, m.disk_start, m.disk_position.value);
}
template <typename Io>
void fields(Io& io, Position& m) {
  io(m.start, m.random, m.known_start, m.known_position.value, m.highest_start, m.running);
}
template <typename Io>
void fields(Io& io, NeedExchange& m) {
  io(m.partition, m.epoch);
}
template <typename Io>
void fields(Io& io, SendAgain& m) {
  io(m.partition, m.epoch);
}
template <typename Io>
void fields(Io& io, ProgressLost& m) {
  io(m.partition, m.epoch);
}
template <typename Io>
void fields(Io& io, Pull& m) {
  io(m.partition, m.id, m.scan, m.lost_start, m.cursor);
}
template <typename Io>
void fields(Io& io, Chunk& m) {
  io(m.partition, m.id, m.scan, m.clock, m.cursor, m.units, m.next, m.last, m.vote, m.promised, m.settled,
     m.lost_epoch, m.ids_forgotten_ms, m.request_ids, m.entries);
  io.behind(m.entered.number != 0 || m.stamp != crdt::Hlc{}, m.entered);
  io.behind(m.stamp != crdt::Hlc{}, m.stamp);
}
template <typename Io>
void fields(Io& io, PullGone& m) {
  io(m.partition, m.id);
}
template <typename Io>
void fields(Io& io, Forward& m) {
  io(m.token, m.request);
  io.behind(m.refused != 0, m.refused);
}
template <typename Io>
void fields(Io& io, ForwardReply& m) {
  io(m.token, m.response);
}
template <typename Io>
void fields(Io& io, Refuse& m) {
  io(m.start, m.random);
}
template <typename Io>
void fields(Io& io, Relay& m) {
  io(m.partition, m.origin, m.message);
}

template <typename Io>
void fields(Io& io, Handover& m) {
  io(m.partition, m.epoch);
}
template <typename Io>
void fields(Io& io, Raise& m) {
  io(m.partition, m.epoch, m.stamp);
}
template <typename Io>
void fields(Io& io, Raised& m) {
  io(m.partition, m.epoch, m.stamp);
}

namespace {
constexpr uint8_t type(MessageType t) { return static_cast<uint8_t>(t); }

template <typename Message>
bool deliver(crdt::Reader& reader, size_t elements, MessageHandler& handler) {
  Message message;
  if (!decode_typed(reader, elements, message)) return false;
  handler.on(message);
  return true;
}

// At first it said the start alone.
bool deliver_refuse(crdt::Reader& reader, size_t elements, MessageHandler& handler) {
  if (elements != 2) return deliver<Refuse>(reader, elements, handler);
  Refuse first;
  first.start = static_cast<uint32_t>(reader.uint(UINT32_MAX));
  if (!reader.ok()) return false;
  handler.on(first);
  return true;
}

// False: broken.
bool dispatch_one(crdt::Reader& reader, BytesView whole, MessageHandler& handler) {
  const size_t elements = reader.array();
  const uint64_t number = reader.uint(255);
  if (!reader.ok() || elements == 0) return false;
  if (number >= kWanTypesFrom) {
    const char* begin = whole.data();
    for (size_t i = 1; i < elements && reader.ok(); ++i) reader.skip();
    if (!reader.ok()) return false;
    handler.on_wan(BytesView(begin, whole.size() - reader.rest().size()));
    return true;
  }
  switch (static_cast<MessageType>(number)) {
    case MessageType::append:
      return deliver<Append>(reader, elements, handler);
    case MessageType::ack:
      return deliver<Ack>(reader, elements, handler);
    case MessageType::fenced:
      return deliver<Fenced>(reader, elements, handler);
    case MessageType::prepare:
      return deliver<Prepare>(reader, elements, handler);
    case MessageType::promise:
      return deliver<Promise>(reader, elements, handler);
    case MessageType::late:
      return deliver<Late>(reader, elements, handler);
    case MessageType::confirm:
      return deliver<Confirm>(reader, elements, handler);
    case MessageType::stands:
      return deliver<Stands>(reader, elements, handler);
    case MessageType::progress:
      return deliver<Progress>(reader, elements, handler);
    case MessageType::hello:
      return deliver<Hello>(reader, elements, handler);
    case MessageType::position:
      return deliver<Position>(reader, elements, handler);
    case MessageType::need_exchange:
      return deliver<NeedExchange>(reader, elements, handler);
    case MessageType::pull:
      return deliver<Pull>(reader, elements, handler);
    case MessageType::chunk:
      return deliver<Chunk>(reader, elements, handler);
    case MessageType::pull_gone:
      return deliver<PullGone>(reader, elements, handler);
    case MessageType::forward:
      return deliver<Forward>(reader, elements, handler);
    case MessageType::forward_reply:
      return deliver<ForwardReply>(reader, elements, handler);
    case MessageType::refuse:
      return deliver_refuse(reader, elements, handler);
    case MessageType::relay:
      return deliver<Relay>(reader, elements, handler);
    case MessageType::handover:
      return deliver<Handover>(reader, elements, handler);
    case MessageType::send_again:
      return deliver<SendAgain>(reader, elements, handler);
    case MessageType::progress_lost:
      return deliver<ProgressLost>(reader, elements, handler);
    case MessageType::raise:
      return deliver<Raise>(reader, elements, handler);
    case MessageType::raised:
      return deliver<Raised>(reader, elements, handler);
  }
  for (size_t i = 1; i < elements && reader.ok(); ++i) reader.skip();  // a newer version's
  return reader.ok();
}
}  // namespace

void encode(const Append& m, Bytes& out) { encode_typed(type(MessageType::append), m, out); }
void encode(const Ack& m, Bytes& out) { encode_typed(type(MessageType::ack), m, out); }
void encode(const Fenced& m, Bytes& out) { encode_typed(type(MessageType::fenced), m, out); }
void encode(const Prepare& m, Bytes& out) { encode_typed(type(MessageType::prepare), m, out); }
void encode(const Promise& m, Bytes& out) { encode_typed(type(MessageType::promise), m, out); }
void encode(const Late& m, Bytes& out) { encode_typed(type(MessageType::late), m, out); }
void encode(const Confirm& m, Bytes& out) { encode_typed(type(MessageType::confirm), m, out); }
void encode(const Stands& m, Bytes& out) { encode_typed(type(MessageType::stands), m, out); }
void encode(const Progress& m, Bytes& out) { encode_typed(type(MessageType::progress), m, out); }
void encode(const Hello& m, Bytes& out) { encode_typed(type(MessageType::hello), m, out); }
void encode(const Position& m, Bytes& out) { encode_typed(type(MessageType::position), m, out); }
void encode(const NeedExchange& m, Bytes& out) { encode_typed(type(MessageType::need_exchange), m, out); }
void encode(const Pull& m, Bytes& out) { encode_typed(type(MessageType::pull), m, out); }
void encode(const Chunk& m, Bytes& out) { encode_typed(type(MessageType::chunk), m, out); }
void encode(const PullGone& m, Bytes& out) { encode_typed(type(MessageType::pull_gone), m, out); }
void encode(const Forward& m, Bytes& out) { encode_typed(type(MessageType::forward), m, out); }
void encode(const ForwardReply& m, Bytes& out) { encode_typed(type(MessageType::forward_reply), m, out); }
void encode(const Refuse& m, Bytes& out) { encode_typed(type(MessageType::refuse), m, out); }
void encode(const Relay& m, Bytes& out) { encode_typed(type(MessageType::relay), m, out); }
void encode(const Handover& m, Bytes& out) { encode_typed(type(MessageType::handover), m, out); }
void encode(const SendAgain& m, Bytes& out) { encode_typed(type(MessageType::send_again), m, out); }
void encode(const ProgressLost& m, Bytes& out) { encode_typed(type(MessageType::progress_lost), m, out); }
void encode(const Raise& m, Bytes& out) { encode_typed(type(MessageType::raise), m, out); }
void encode(const Raised& m, Bytes& out) { encode_typed(type(MessageType::raised), m, out); }

Bytes FrameWriter::take(const FrameHeader& header) {
  Bytes frame;
  frame.reserve(body_.size() + 64);
  crdt::Writer(frame).uint(kPeerProtocolVersion);
  encode_typed(0, header, frame);
  frame.append(body_);
  body_.clear();
  return frame;
}

Result<FrameHeader> decode_header(BytesView& frame) {
  crdt::Reader reader(frame);
  const uint64_t version = reader.uint();
  if (!reader.ok()) return {Errc::corrupt, "a peer's frame does not begin with a protocol version"};
  if (version != kPeerProtocolVersion)
    return {Errc::version, "a peer speaks protocol version " + std::to_string(version) +
                               ", this node speaks " + std::to_string(kPeerProtocolVersion)};
  FrameHeader header;
  const size_t elements = reader.array();
  if (reader.uint(0) != 0 || !reader.ok() || !decode_typed(reader, elements, header))
    return reader.error("frame header");
  frame = reader.rest();
  return header;
}

Status dispatch(BytesView messages, MessageHandler& handler) {
  crdt::Reader reader(messages);
  while (reader.ok() && !reader.at_end())
    if (!dispatch_one(reader, reader.rest(), handler)) return reader.error("message of a peer");
  return ok();
}

}  // namespace atolldb::region
