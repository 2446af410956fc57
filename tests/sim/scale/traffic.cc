#include "tests/sim/scale/traffic.h"

#include "crdt/wire.h"
#include "region/core/message.h"
#include "wan/core/message.h"

namespace atolldb::sim {

namespace {
Cause cause_of_region(region::MessageType type) {
  using Type = region::MessageType;
  switch (type) {
    case Type::append:
    case Type::ack:
    case Type::send_again:
      return Cause::replicate;
    case Type::fenced:
    case Type::prepare:
    case Type::promise:
    case Type::late:
    case Type::handover:
      return Cause::takeover;
    case Type::confirm:
    case Type::stands:
      return Cause::read;
    case Type::progress:
    case Type::progress_lost:
      return Cause::progress;
    case Type::raise:
    case Type::raised:
      return Cause::marker;
    case Type::hello:
    case Type::position:
      return Cause::join;
    case Type::need_exchange:
    case Type::pull:
    case Type::chunk:
    case Type::pull_gone:
      return Cause::exchange;
    case Type::forward:
    case Type::forward_reply:
      return Cause::forward;
    case Type::relay:
      return Cause::relay;
    default:
      return Cause::other;
  }
}

Cause cause_of(uint64_t type) {
  if (type < region::kWanTypesFrom) return cause_of_region(static_cast<region::MessageType>(type));
  switch (static_cast<wan::MessageType>(type)) {
    case wan::MessageType::open:
      return Cause::open;
    case wan::MessageType::batch:
      return Cause::batch;
    case wan::MessageType::ack:
      return Cause::acknowledge;
    case wan::MessageType::marker:
    case wan::MessageType::ask_marker:
    case wan::MessageType::session_marker:
      return Cause::marker;
    case wan::MessageType::exchange:
      return Cause::exchange;
  }
  return Cause::other;
}

bool brings_data(uint64_t type) {
  return type == static_cast<uint64_t>(region::MessageType::append) ||
         type == static_cast<uint64_t>(region::MessageType::late) ||
         type == static_cast<uint64_t>(region::MessageType::chunk) ||
         type == static_cast<uint64_t>(wan::MessageType::batch);
}
}  // namespace

std::string_view name_of(Cause cause) {
  static constexpr std::string_view kNames[] = {
      "heartbeats", "hello", "takeover", "append and ack", "progress", "confirmations", "forwarding",
      "open",       "batch", "ack",      "marker",         "relay",    "exchange",      "other"};
  static_assert(std::size(kNames) == kCauses);
  return kNames[static_cast<size_t>(cause)];
}

Tally Traffic::messages() const {
  Tally out;
  for (size_t i = 1; i < kCauses; ++i) out = out + of[i];
  return out;
}

Traffic operator-(const Traffic& a, const Traffic& b) {
  Traffic out;
  for (size_t i = 0; i < kCauses; ++i) out.of[i] = a.of[i] - b.of[i];
  out.frames = a.frames - b.frames;
  out.headers = a.headers - b.headers;
  return out;
}

void TrafficCounter::add(Instant now, BytesView frame) {
  crdt::Reader reader(frame);
  reader.uint();  // the protocol's version
  reader.skip();  // the header
  const size_t header = reader.offset();
  traffic_.frames = traffic_.frames + Tally{1, frame.size()};
  traffic_.headers = traffic_.headers + Tally{1, header};
  if (reader.at_end()) {
    Tally& beats = traffic_.of[static_cast<size_t>(Cause::beat)];
    beats = beats + Tally{1, header};
  }
  while (reader.ok() && !reader.at_end()) {
    const BytesView bytes = reader.value();
    crdt::Reader message(bytes);
    message.array();
    const uint64_t type = message.uint();
    Tally& tally = traffic_.of[static_cast<size_t>(cause_of(type))];
    tally = tally + Tally{1, bytes.size()};
    last_message_ = now;
    if (brings_data(type)) last_data_ = now;
  }
}

}  // namespace atolldb::sim
