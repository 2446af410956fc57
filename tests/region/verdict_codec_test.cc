// Bytes of verdicts: fields behind those of before, that nothing but conditional writes has.

#include <catch2/catch.hpp>

#include "region/core/message.h"
#include "region/core/record.h"

using namespace atolldb;
using namespace atolldb::region;

namespace {

std::string hex(BytesView bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out.push_back(kDigits[static_cast<uint8_t>(c) >> 4]);
    out.push_back(kDigits[static_cast<uint8_t>(c) & 15]);
  }
  return out;
}

const Epoch kEpoch{5, NodeNumber{2}, 7}, kLater{6, NodeNumber{1}, 3};
const Dot kDot{{NodeNumber{2}, 7, 9}, 4};

DeltaRecord plain() { return {PartitionId{3}, kEpoch, {1000}, "id", "delta"}; }
DeltaRecord conditional(Verdict verdict, const Epoch& judged) {
  DeltaRecord record = plain();
  record.verdict = verdict;
  record.judged = judged;
  return record;
}

struct Taken : MessageHandler {
  void on(const Append& m) override { append = m; }
  void on(const Ack& m) override { ack = m; }
  void on(const Promise& m) override { promise = m; }
  Append append;
  Ack ack;
  Promise promise;
};

template <typename Message>
Bytes bytes_of(const Message& message) {
  Bytes out;
  encode(message, out);
  return out;
}

}  // namespace

TEST_CASE("log records: without a verdict, the bytes of before", "[region][golden]") {
  CHECK(hex(to_bytes(plain())) == "96020393050207cd03e8c4026964c40564656c7461");
  CHECK(hex(to_bytes(conditional(Verdict::absent, kEpoch))) ==
        "98020393050207cd03e8c4026964c40564656c74610193050207");
  CHECK(hex(to_bytes(conditional(Verdict::superseded, kLater))) ==
        "98020393050207cd03e8c4026964c40564656c74610493060103");
  CHECK(hex(to_bytes(VerdictRecord{PartitionId{3}, kDot})) == "930e03929302070904");
}

TEST_CASE("log records: with a verdict or without, read back", "[region]") {
  for (const DeltaRecord& written :
       {plain(), conditional(Verdict::unchanged, kLater), conditional(Verdict::superseded, kFinal)}) {
    Bytes bytes = to_bytes(written);
    for (const bool newer : {false, true}) {
      if (newer) {  // a field more than this version knows
        bytes[0] = static_cast<char>(bytes[0] + 1);
        bytes.push_back('\x2a');
        if (written.verdict == Verdict::none) continue;
      }
      const auto decoded = decode_record(bytes);
      REQUIRE(decoded);
      const auto& record = std::get<DeltaRecord>(*decoded);
      CHECK(record.verdict == written.verdict);
      CHECK(record.judged == written.judged);
      CHECK(record.epoch == written.epoch);
      CHECK(record.delta == written.delta);
    }
  }
  const Bytes settled = to_bytes(VerdictRecord{PartitionId{3}, kDot});
  CHECK(std::get<VerdictRecord>(*decode_record(settled)).dot == kDot);
}

TEST_CASE("messages: entries, acknowledgements and promises without verdicts, the bytes of before",
          "[region][golden]") {
  CHECK(hex(bytes_of(Append{PartitionId{3}, kEpoch, {{{1000}, "id", "delta"}}})) ==
        "940103930502079193cd03e8c4026964c40564656c7461");
  CHECK(hex(bytes_of(Append{PartitionId{3},
                            kLater,
                            {{{1000}, "id", "delta", kEpoch, Verdict::none, {}},
                             {{1001}, {}, "delta", kEpoch, Verdict::present, kLater}}})) ==
        "940103930601039294cd03e8c4026964c40564656c74619305020796cd03e9c400c40564656c7461930502070293060103");
  CHECK(hex(bytes_of(Ack{PartitionId{3}, kEpoch, {}, {}})) == "9402039305020790");
  Promise promise{PartitionId{3}, kEpoch, {}, {}, {1000}, 0, false, {}, {}};
  CHECK(hex(bytes_of(promise)) == "980503930502079090cd03e800c2");
  promise.entered = kEpoch;
  promise.pending = {{kDot, kLater}};
  CHECK(hex(bytes_of(promise)) == "9a0503930502079090cd03e800c293050207919292930207090493060103");
}

TEST_CASE("messages: entries, acknowledgements and promises with verdicts, read back", "[region]") {
  Taken taken;
  Append append{PartitionId{3},
                kLater,
                {{{1000}, "id", "delta"},
                 {{1000}, "id", "delta", kEpoch, Verdict::none, {}},
                 {{1001}, {}, "delta", kEpoch, Verdict::superseded, kFinal}}};
  REQUIRE(dispatch(bytes_of(append), taken));
  REQUIRE(taken.append.entries.size() == 3);
  CHECK(taken.append.entries[0].epoch.number == 0);
  CHECK(taken.append.entries[1].epoch == kEpoch);
  CHECK_FALSE(taken.append.entries[1].pending());
  CHECK(taken.append.entries[2].verdict == Verdict::superseded);
  CHECK(taken.append.entries[2].judged == kFinal);
  Ack ack{PartitionId{3}, kEpoch, {}, {}};
  ack.judged.insert(kDot);
  REQUIRE(dispatch(bytes_of(ack), taken));
  CHECK(taken.ack.judged == ack.judged);
  Promise promise{PartitionId{3}, kEpoch, {}, {}, {1000}, 0, false, kEpoch, {{kDot, kLater}}};
  REQUIRE(dispatch(bytes_of(promise), taken));
  CHECK(taken.promise.entered == kEpoch);
  CHECK(taken.promise.pending == promise.pending);
}
