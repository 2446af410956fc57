// The codec of the client protocol, version 1. The layout and the meaning of every bit stand in
// docs/formats/client.md.
//
// A message is an array whose first element is a bitmap of the fields that follow: a field with its default
// value is left out, a flag is its bit alone. That is smaller than a map and needs no branch on keys.

#include "region/core/request_codec.h"

#include "crdt/base/ensure.h"
#include "crdt/wire.h"

namespace atolldb::region {
namespace {

using crdt::Reader;
using crdt::Writer;

constexpr uint64_t kKindRequest = 1;
constexpr uint64_t kKindResponse = 2;
constexpr size_t kFrameHeaderBytesMax = 16;
constexpr size_t kMessageFixedBytesMax = 200;  // every number of a message at its widest
constexpr size_t kBinHeaderBytesMax = 5;

// The bits in the order of their fields. Persistent; those that most messages have come first, so that the
// bitmap is one byte.
enum RequestBit : uint32_t {
  kKey = 1u << 0,
  kValue = 1u << 1,
  kId = 1u << 2,
  kAmount = 1u << 3,
  kArgs = 1u << 4,
  kDeadline = 1u << 5,
  kAttempt = 1u << 6,
  kLocal = 1u << 7,
  kR = 1u << 8,
  kW = 1u << 9,
  kForwarded = 1u << 10,
  kCondition = 1u << 11,
  kWantOld = 1u << 12,
  kSession = 1u << 13,
  kOnBehind = 1u << 14,
  kToken = 1u << 15,
  kSeen = 1u << 16,
  kRequestBits = (1u << 17) - 1,
};

enum ResponseBit : uint32_t {
  kFound = 1u << 0,
  kAnswer = 1u << 1,
  kEpoch = 1u << 2,
  kStamp = 1u << 3,
  kCoordinator = 1u << 4,
  kNode = 1u << 5,
  kNumber = 1u << 6,
  kOutcome = 1u << 7,
  kStale = 1u << 8,
  kItems = 1u << 9,
  kHidden = 1u << 10,
  kCode = 1u << 11,
  kMessage = 1u << 12,
  kSeenStamp = 1u << 13,
  kNewToken = 1u << 14,
  kBehind = 1u << 15,
  kResponseBits = (1u << 16) - 1,
};
constexpr uint32_t kResponseFlags = kFound | kStale;
constexpr uint32_t kRequestFlags = kLocal | kForwarded | kWantOld | kSession;

constexpr uint32_t when(bool condition, uint32_t bit) { return condition ? bit : 0; }
constexpr size_t fields_of(uint32_t bits, uint32_t flags) {
  return static_cast<size_t>(__builtin_popcount(bits & ~flags));
}

void put_epoch(Writer& out, const Epoch& epoch) {
  out.array(3);
  out.uint(epoch.number);
  out.uint(raw(epoch.node));
  out.uint(epoch.start);
}

Epoch take_epoch(Reader& in) {
  Epoch epoch;
  in.array_of(3);
  epoch.number = in.uint();
  epoch.node = NodeNumber{static_cast<uint16_t>(in.uint(UINT16_MAX))};
  epoch.start = static_cast<uint32_t>(in.uint(UINT32_MAX));
  return epoch;
}

void put_id(Writer& out, const RequestId& id) {
  out.array(4);
  out.uint(raw(id.region));
  put_epoch(out, id.epoch);
  out.uint(id.made_ms);
  out.uint(id.nonce);
}

RequestId take_id(Reader& in) {
  RequestId id;
  in.array_of(4);
  id.region = RegionId{static_cast<uint16_t>(in.uint(UINT16_MAX))};
  id.epoch = take_epoch(in);
  id.made_ms = in.uint();
  id.nonce = in.uint();
  return id;
}

void put_seen(Writer& out, const Seen& seen) {
  out.array(2 * seen.size());
  for (const SeenIn& one : seen) {
    out.uint(raw(one.region));
    out.uint(one.stamp);
  }
}

Seen take_seen(Reader& in) {
  const size_t count = in.array();
  if (in.ok() && (count == 0 || count % 2 != 0 || count > 2 * kSeenRegionsMax))
    in.fail("regions and stamps that are no pairs, or none, or too many");
  Seen out;
  for (size_t i = 0; i < count && in.ok(); i += 2) {
    SeenIn one;
    one.region = RegionId{static_cast<uint16_t>(in.uint(UINT16_MAX))};
    one.stamp = in.uint();
    if (in.ok() && (one.stamp == 0 || (!out.empty() && one.region <= out.back().region)))
      in.fail("regions that do not ascend, or one without a stamp");
    out.push_back(one);
  }
  return out;
}

void put_items(Writer& out, const std::vector<Bytes>& items) {
  out.array(items.size());
  for (const Bytes& item : items) out.bin(item);
}

// One decoding of a frame: the reader and what the frame may still hold.
struct FrameReader {
  explicit FrameReader(BytesView frame) : in(frame) {}

  // A field that is present has another value than its default; anything else has two encodings.
  template <typename T>
  T present(T value, const T& otherwise) {
    if (in.ok() && value == otherwise) in.fail("a field that should have been left out");
    return value;
  }
  Bytes bytes() { return present(Bytes(in.bin()), Bytes()); }
  uint64_t number(uint64_t max, uint64_t otherwise) { return present(in.uint(max), otherwise); }
  std::vector<Bytes> items() {
    const size_t count = in.array();
    if (in.ok() && count == 0) in.fail("an empty list that should have been left out");
    if (count > items_left) too_many_items = true;
    if (!in.ok() || too_many_items) return {};
    items_left -= count;
    std::vector<Bytes> out;
    out.reserve(count);
    for (size_t i = 0; i < count && in.ok(); ++i) out.emplace_back(in.bin());
    return out;
  }
  // The bitmap of a message, and the number of its elements checked against it.
  uint32_t bitmap(uint32_t known, uint32_t flags, size_t always) {
    const size_t count = in.array();
    const auto bits = static_cast<uint32_t>(in.uint(UINT32_MAX));
    if (!in.ok()) return 0;
    if ((bits & ~known) != 0) in.fail("a field that this version does not know");
    if (count != always + 1 + fields_of(bits, flags)) in.fail("a message whose length belies its bitmap");
    return in.ok() ? bits : 0;
  }
  bool good() const { return in.ok() && !too_many_items; }

  Reader in;
  size_t items_left = kClientFrameItemsMax;
  bool too_many_items = false;
};

void put_request(Writer& out, const Request& request) {
  const uint32_t bits =
      when(!request.key.empty(), kKey) | when(!request.value.empty(), kValue) |
      when(request.id.has_value(), kId) | when(request.amount != 0, kAmount) |
      when(!request.args.empty(), kArgs) | when(request.deadline_ms != kDeadlineDefaultMs, kDeadline) |
      when(request.attempt != 1, kAttempt) | when(request.local, kLocal) | when(request.r != 0, kR) |
      when(request.w != 0, kW) | when(request.forwarded, kForwarded) |
      when(request.condition != Condition::none, kCondition) | when(request.want_old, kWantOld) |
      when(request.session, kSession) | when(request.on_behind != OnBehind::wait, kOnBehind) |
      when(!request.token.empty(), kToken) | when(!request.seen.empty(), kSeen);
  out.array(3 + fields_of(bits, kRequestFlags));
  out.uint(bits);
  out.uint(request.correlation);
  out.uint(static_cast<uint8_t>(request.op));
  if (bits & kKey) out.bin(request.key);
  if (bits & kValue) out.bin(request.value);
  if (bits & kId) put_id(out, *request.id);
  if (bits & kAmount) out.integer(request.amount);
  if (bits & kArgs) put_items(out, request.args);
  if (bits & kDeadline) out.uint(request.deadline_ms);
  if (bits & kAttempt) out.uint(request.attempt);
  if (bits & kR) out.uint(request.r);
  if (bits & kW) out.uint(request.w);
  if (bits & kCondition) out.uint(static_cast<uint8_t>(request.condition));
  if (bits & kOnBehind) out.uint(static_cast<uint8_t>(request.on_behind));
  if (bits & kToken) out.bin(request.token);
  if (bits & kSeen) put_seen(out, request.seen);
}

Request take_request(FrameReader& frame) {
  Request request;
  Reader& in = frame.in;
  const uint32_t bits = frame.bitmap(kRequestBits, kRequestFlags, 2);
  request.correlation = in.uint();
  const uint64_t op = in.uint();
  request.op = static_cast<Op>(op > UINT8_MAX ? 0 : op);  // 0 is never assigned
  if (bits & kKey) request.key = frame.bytes();
  if (bits & kValue) request.value = frame.bytes();
  if (bits & kId) request.id = take_id(in);
  if (bits & kAmount) request.amount = frame.present(in.integer(), int64_t{0});
  if (bits & kArgs) request.args = frame.items();
  if (bits & kDeadline)
    request.deadline_ms = static_cast<uint32_t>(frame.number(UINT32_MAX, kDeadlineDefaultMs));
  if (bits & kAttempt) request.attempt = static_cast<uint32_t>(frame.number(UINT32_MAX, 1));
  request.local = (bits & kLocal) != 0;
  if (bits & kR) request.r = static_cast<uint8_t>(frame.number(UINT8_MAX, 0));
  if (bits & kW) request.w = static_cast<uint8_t>(frame.number(UINT8_MAX, 0));
  request.forwarded = (bits & kForwarded) != 0;
  if (bits & kCondition)
    request.condition = static_cast<Condition>(frame.number(static_cast<uint64_t>(Condition::present), 0));
  request.want_old = (bits & kWantOld) != 0;
  request.session = (bits & kSession) != 0;
  if (bits & kOnBehind)
    request.on_behind = static_cast<OnBehind>(frame.number(static_cast<uint64_t>(OnBehind::refuse), 0));
  if (bits & kToken) request.token = frame.bytes();
  if (bits & kSeen) request.seen = take_seen(in);
  return request;
}

void put_response(Writer& out, const Response& response) {
  const uint32_t bits = when(response.found, kFound) | when(!response.value.empty(), kAnswer) |
                        when(response.epoch != Epoch{}, kEpoch) | when(response.stamp_ms != 0, kStamp) |
                        when(response.coordinator != NodeNumber{}, kCoordinator) |
                        when(response.node != NodeNumber{}, kNode) | when(response.number != 0, kNumber) |
                        when(response.outcome != Outcome::done, kOutcome) | when(response.stale, kStale) |
                        when(!response.values.empty(), kItems) | when(response.hidden != 0, kHidden) |
                        when(response.code != Errc::invalid, kCode) |
                        when(!response.message.empty(), kMessage) | when(response.seen != 0, kSeenStamp) |
                        when(!response.token.empty(), kNewToken) | when(response.behind.has_value(), kBehind);
  out.array(2 + fields_of(bits, kResponseFlags));
  out.uint(bits);
  out.uint(response.correlation);
  if (bits & kAnswer) out.bin(response.value);
  if (bits & kEpoch) put_epoch(out, response.epoch);
  if (bits & kStamp) out.uint(response.stamp_ms);
  if (bits & kCoordinator) out.uint(raw(response.coordinator));
  if (bits & kNode) out.uint(raw(response.node));
  if (bits & kNumber) out.integer(response.number);
  if (bits & kOutcome) out.uint(static_cast<uint8_t>(response.outcome));
  if (bits & kItems) put_items(out, response.values);
  if (bits & kHidden) out.uint(response.hidden);
  if (bits & kCode) out.uint(static_cast<uint8_t>(response.code));
  if (bits & kMessage) out.str(response.message);
  if (bits & kSeenStamp) out.uint(response.seen);
  if (bits & kNewToken) out.bin(response.token);
  if (bits & kBehind) {
    out.array(2);
    out.uint(raw(response.behind->region));
    out.uint(response.behind->ms);
  }
}

Response take_response(FrameReader& frame) {
  Response response;
  Reader& in = frame.in;
  const uint32_t bits = frame.bitmap(kResponseBits, kResponseFlags, 1);
  response.correlation = in.uint();
  response.found = (bits & kFound) != 0;
  if (bits & kAnswer) response.value = frame.bytes();
  if (bits & kEpoch) response.epoch = frame.present(take_epoch(in), Epoch{});
  if (bits & kStamp) response.stamp_ms = frame.number(UINT64_MAX, 0);
  if (bits & kCoordinator)
    response.coordinator = NodeNumber{static_cast<uint16_t>(frame.number(UINT16_MAX, 0))};
  if (bits & kNode) response.node = NodeNumber{static_cast<uint16_t>(frame.number(UINT16_MAX, 0))};
  if (bits & kNumber) response.number = frame.present(in.integer(), int64_t{0});
  if (bits & kOutcome)
    response.outcome = static_cast<Outcome>(frame.number(static_cast<uint64_t>(Outcome::unknown), 0));
  response.stale = (bits & kStale) != 0;
  if (bits & kItems) response.values = frame.items();
  if (bits & kHidden) response.hidden = static_cast<uint32_t>(frame.number(UINT32_MAX, 0));
  if (bits & kCode)
    response.code = static_cast<Errc>(frame.number(UINT8_MAX, static_cast<uint64_t>(Errc::invalid)));
  if (bits & kMessage) response.message = frame.present(std::string(in.str()), std::string());
  if (bits & kSeenStamp) response.seen = frame.number(UINT64_MAX, 0);
  if (bits & kNewToken) response.token = frame.bytes();
  if (bits & kBehind) {
    in.array_of(2);
    response.behind.emplace();
    response.behind->region = RegionId{static_cast<uint16_t>(in.uint(UINT16_MAX))};
    response.behind->ms = in.uint();
  }
  return response;
}

void put_header(Writer& out, uint64_t kind, size_t messages) {
  ensure(messages <= kClientFrameMessagesMax, "a client frame holds more messages than its limit");
  out.array(2 + messages);
  out.uint(kClientProtocolVersion);
  out.uint(kind);
}

const char* kind_name(uint64_t kind) { return kind == kKindRequest ? "requests" : "responses"; }

// Past version and kind; returns the number of messages that follow.
Result<size_t> take_header(FrameReader& frame, BytesView bytes, uint64_t kind) {
  if (bytes.size() > kClientFrameBytesMax)
    return {Errc::too_large, "client frame: " + std::to_string(bytes.size()) + " bytes, the limit is " +
                                 std::to_string(kClientFrameBytesMax)};
  const size_t elements = frame.in.array();
  const uint64_t version = frame.in.uint();
  if (!frame.in.ok()) return frame.in.error("client frame");
  if (version != kClientProtocolVersion)
    return {Errc::version, "client frame: it is of protocol version " + std::to_string(version) +
                               ", this side speaks version " + std::to_string(kClientProtocolVersion)};
  const uint64_t found = frame.in.uint();
  if (elements < 2) frame.in.fail("an array too short for version and kind");
  if (!frame.in.ok()) return frame.in.error("client frame");
  if (found != kind)
    return {Errc::corrupt, "client frame: found kind " + std::to_string(found) + ", expected " +
                               std::to_string(kind) + " (" + kind_name(kind) + ")"};
  const size_t messages = elements - 2;
  if (messages > kClientFrameMessagesMax)
    return {Errc::too_large, "client frame: " + std::to_string(messages) + " messages, the limit is " +
                                 std::to_string(kClientFrameMessagesMax)};
  return messages;
}

template <typename Message, typename Take>
Result<std::vector<Message>> decode(BytesView bytes, uint64_t kind, Take take) {
  FrameReader frame(bytes);
  const Result<size_t> count = take_header(frame, bytes, kind);
  if (!count) return count.error();
  std::vector<Message> messages;
  messages.reserve(*count);
  for (size_t i = 0; i < *count && frame.good(); ++i) messages.push_back(take(frame));
  if (frame.too_many_items)
    return {Errc::too_large,
            "client frame: more than " + std::to_string(kClientFrameItemsMax) + " list items in one frame"};
  if (!frame.in.done()) return frame.in.error("client frame");
  return messages;
}

size_t items_bytes_max(const std::vector<Bytes>& items) {
  size_t bytes = 0;
  for (const Bytes& item : items) bytes += kBinHeaderBytesMax + item.size();
  return bytes;
}

template <typename Message, typename Put>
Bytes encode(uint64_t kind, size_t count, const Message& message_at, Put put) {
  size_t bytes = kFrameHeaderBytesMax;
  for (size_t i = 0; i < count; ++i) bytes += encoded_bytes_max(message_at(i));
  Bytes frame;
  frame.reserve(bytes);
  Writer out(frame);
  put_header(out, kind, count);
  for (size_t i = 0; i < count; ++i) put(out, message_at(i));
  return frame;
}

}  // namespace

bool is_known(Op op) {
  switch (op) {
    case Op::ping:
    case Op::get:
    case Op::set:
    case Op::del:
    case Op::add:
    case Op::sadd:
    case Op::srem:
    case Op::smembers:
    case Op::sismember:
    case Op::scard:
    case Op::route:
    case Op::hset:
    case Op::hget:
    case Op::hdel:
    case Op::hgetall:
    case Op::hadd:
    case Op::hlen:
    case Op::siblings:
    case Op::set_context:
    case Op::type:
    case Op::smismember:
    case Op::hmget:
    case Op::sample:
    case Op::append:
    case Op::setrange:
    case Op::getdel:
    case Op::spop:
    case Op::sreplace:
    case Op::keys:
    case Op::inspect:
    case Op::status:
    case Op::digest:
    case Op::scan:
    case Op::cut:
    case Op::heal:
      return true;
  }
  return false;
}

size_t encoded_bytes_max(const Request& request) {
  constexpr size_t kSeenBytesMax = 3 + 9;
  return kMessageFixedBytesMax + request.key.size() + request.value.size() + request.token.size() +
         kSeenBytesMax * request.seen.size() + items_bytes_max(request.args);
}

size_t encoded_bytes_max(const Response& response) {
  return kMessageFixedBytesMax + response.value.size() + response.message.size() + response.token.size() +
         items_bytes_max(response.values);
}

Bytes encode_requests(const std::vector<Request>& requests) {
  return encode(
      kKindRequest, requests.size(), [&](size_t i) -> const Request& { return requests[i]; }, put_request);
}

Bytes encode_requests(std::span<const Request* const> requests) {
  return encode(
      kKindRequest, requests.size(), [&](size_t i) -> const Request& { return *requests[i]; }, put_request);
}

Bytes encode_responses(const std::vector<Response>& responses) {
  return encode(
      kKindResponse, responses.size(), [&](size_t i) -> const Response& { return responses[i]; },
      put_response);
}

Bytes encode_responses(std::span<const Response* const> responses) {
  return encode(
      kKindResponse, responses.size(), [&](size_t i) -> const Response& { return *responses[i]; },
      put_response);
}

Result<std::vector<Request>> decode_requests(BytesView frame) {
  return decode<Request>(frame, kKindRequest, take_request);
}

Result<std::vector<Response>> decode_responses(BytesView frame) {
  return decode<Response>(frame, kKindResponse, take_response);
}

}  // namespace atolldb::region
