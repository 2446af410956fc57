// Every MessagePack form that comes from a disk or a network: it is refused with an error, or what was
// understood says the same when it is encoded and read again.

#include "crdt/context_codec.h"
#include "crdt/delta.h"
#include "crdt/dot_set.h"
#include "crdt/row.h"
#include "crdt/units_codec.h"
#include "region/core/message.h"
#include "region/core/record.h"
#include "region/core/request_codec.h"
#include "tests/fuzz/input.h"
#include "wan/core/message.h"

using namespace atolldb;
using fuzz::check;

namespace {

// What decodes must be encoded the same for ever after the first time: encode(decode(x)) is a fixed point.
template <typename Decode, typename Encode>
void settles(BytesView bytes, Decode decode, Encode encode) {
  const auto first = decode(bytes);
  if (!first) {
    check(!first.error().message.empty(), "an error without a sentence");
    return;
  }
  const Bytes once = encode(*first);
  const auto second = decode(once);
  check(second.has_value(), "what was encoded cannot be read");
  check(encode(*second) == once, "what was read is encoded in another way");
}

class PeerEcho final : public region::MessageHandler {
 public:
  Bytes out;

  void on(const region::Append& m) override { add(m); }
  void on(const region::Ack& m) override { add(m); }
  void on(const region::Fenced& m) override { add(m); }
  void on(const region::Prepare& m) override { add(m); }
  void on(const region::Promise& m) override { add(m); }
  void on(const region::Late& m) override { add(m); }
  void on(const region::Confirm& m) override { add(m); }
  void on(const region::Stands& m) override { add(m); }
  void on(const region::Progress& m) override { add(m); }
  void on(const region::Hello& m) override { add(m); }
  void on(const region::Position& m) override { add(m); }
  void on(const region::NeedExchange& m) override { add(m); }
  void on(const region::Pull& m) override { add(m); }
  void on(const region::Chunk& m) override { add(m); }
  void on(const region::PullGone& m) override { add(m); }
  void on(const region::Forward& m) override { add(m); }
  void on(const region::ForwardReply& m) override { add(m); }
  void on(const region::Refuse& m) override { add(m); }
  void on(const region::Relay& m) override { add(m); }
  void on(const region::Handover& m) override { add(m); }
  void on(const region::SendAgain& m) override { add(m); }
  void on(const region::ProgressLost& m) override { add(m); }
  void on(const region::Raise& m) override { add(m); }
  void on(const region::Raised& m) override { add(m); }

 private:
  template <typename Message>
  void add(const Message& message) {
    encode(message, out);
  }
};

class WanEcho final : public wan::MessageHandler {
 public:
  Bytes out;

  void on(const wan::Open& m) override { encode(m, out); }
  void on(const wan::Batch& m) override { encode(m, out); }
  void on(const wan::Ack& m) override { encode(m, out); }
  void on(const wan::Marker& m) override { encode(m, out); }
  void on(const wan::Exchange& m) override { encode(m, out); }
  void on(const wan::AskMarker& m) override { encode(m, out); }
  void on(const wan::SessionMarker& m) override { encode(m, out); }
};

template <typename Echo>
void echo(BytesView bytes) {
  Echo first;
  const Status heard = dispatch(bytes, first);
  if (!heard) check(!heard.error().message.empty(), "an error without a sentence");
  if (first.out.empty()) return;
  Echo second;
  check(dispatch(first.out, second).has_value(), "what was encoded cannot be read");
  check(second.out == first.out, "what was read is encoded in another way");
}

void peer_frame(BytesView bytes) {
  BytesView messages = bytes;
  const auto header = region::decode_header(messages);
  if (header) echo<PeerEcho>(messages);
}

void any_record(BytesView bytes) {
  settles(
      bytes, [](BytesView b) { return region::decode_record(b); },
      [](const region::Record& record) {
        return std::visit([](const auto& one) { return region::to_bytes(one); }, record);
      });
}

void any_row(BytesView bytes) {
  fuzz::Input input(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  const size_t kind = input.below(4);
  const crdt::RowName name = kind == 0   ? crdt::header_row()
                             : kind == 1 ? crdt::string_row()
                             : kind == 2 ? crdt::element_row(input.text(16))
                                         : crdt::field_row(input.text(16));
  settles(
      input.rest(), [&](BytesView b) { return crdt::decode_row(name, b); },
      [&](const crdt::Row& row) { return crdt::encode(row, name); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const size_t form = input.below(10);
  const BytesView bytes = input.rest();
  switch (form) {
    case 0:
      peer_frame(bytes);
      break;
    case 1:
      echo<PeerEcho>(bytes);
      break;
    case 2:
      echo<WanEcho>(bytes);
      break;
    case 3:
      settles(
          bytes, [](BytesView b) { return region::decode_requests(b); },
          [](const std::vector<region::Request>& all) { return region::encode_requests(all); });
      break;
    case 4:
      settles(
          bytes, [](BytesView b) { return region::decode_responses(b); },
          [](const std::vector<region::Response>& all) { return region::encode_responses(all); });
      break;
    case 5:
      any_record(bytes);
      break;
    case 6:
      settles(
          bytes, [](BytesView b) { return crdt::decode_delta(b); },
          [](const crdt::Delta& delta) { return crdt::encode(delta); });
      break;
    case 7:
      any_row(bytes);
      break;
    case 8:
      settles(
          bytes, [](BytesView b) { return crdt::decode_context(b, "key"); },
          [](const crdt::NamedContext& context) { return crdt::encode_context(context, "key"); });
      break;
    default:
      (void)crdt::decode_units(bytes);
      break;
  }
  return 0;
}
