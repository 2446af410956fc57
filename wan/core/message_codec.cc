#include "crdt/fields.h"
#include "wan/core/message.h"

namespace atolldb::wan {

using crdt::encode_typed;

template <typename Io>
void fields(Io& io, Open& m) {
  io(m.partition);
}
template <typename Io>
void fields(Io& io, Batch& m) {
  io(m.partition, m.deltas);
}
template <typename Io>
void fields(Io& io, Ack& m) {
  io(m.partition, m.coordinator, m.settled);
  io.behind(m.again, m.again);
}
template <typename Io>
void fields(Io& io, Marker& m) {
  io(m.partition, m.stamp, m.clock);
}
template <typename Io>
void fields(Io& io, Exchange& m) {
  io(m.partition);
}
template <typename Io>
void fields(Io& io, AskMarker& m) {
  io(m.partition, m.stamp);
}
template <typename Io>
void fields(Io& io, SessionMarker& m) {
  io(m.partition, m.stamp, m.clock);
}

namespace {
constexpr uint8_t type(MessageType t) { return static_cast<uint8_t>(t); }

template <typename Message>
Status deliver(crdt::Reader& reader, size_t elements, MessageHandler& handler) {
  Message message;
  if (!crdt::decode_typed(reader, elements, message)) return reader.error("message of another region");
  handler.on(message);
  return ok();
}
}  // namespace

void encode(const Open& m, Bytes& out) { encode_typed(type(MessageType::open), m, out); }
void encode(const Batch& m, Bytes& out) { encode_typed(type(MessageType::batch), m, out); }
void encode(const Ack& m, Bytes& out) { encode_typed(type(MessageType::ack), m, out); }
void encode(const Marker& m, Bytes& out) { encode_typed(type(MessageType::marker), m, out); }
void encode(const Exchange& m, Bytes& out) { encode_typed(type(MessageType::exchange), m, out); }
void encode(const AskMarker& m, Bytes& out) { encode_typed(type(MessageType::ask_marker), m, out); }
void encode(const SessionMarker& m, Bytes& out) { encode_typed(type(MessageType::session_marker), m, out); }

Status dispatch(BytesView message, MessageHandler& handler) {
  crdt::Reader reader(message);
  const size_t elements = reader.array();
  const uint64_t number = reader.uint(255);
  if (!reader.ok()) return reader.error("message of another region");
  switch (static_cast<MessageType>(number)) {
    case MessageType::open:
      return deliver<Open>(reader, elements, handler);
    case MessageType::batch:
      return deliver<Batch>(reader, elements, handler);
    case MessageType::ack:
      return deliver<Ack>(reader, elements, handler);
    case MessageType::marker:
      return deliver<Marker>(reader, elements, handler);
    case MessageType::exchange:
      return deliver<Exchange>(reader, elements, handler);
    case MessageType::ask_marker:
      return deliver<AskMarker>(reader, elements, handler);
    case MessageType::session_marker:
      return deliver<SessionMarker>(reader, elements, handler);
  }
  return ok();
}

}  // namespace atolldb::wan
