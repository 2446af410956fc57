// The codec that client and node share: what one side writes, the other reads, and nothing else is taken.

#include "region/core/request_codec.h"

#include <catch2/catch.hpp>

#include "crdt/base/prng.h"
#include "crdt/wire.h"

namespace atolldb::region {

bool operator==(const Request& a, const Request& b) {
  return a.correlation == b.correlation && a.op == b.op && a.key == b.key && a.value == b.value &&
         a.args == b.args && a.amount == b.amount && a.id == b.id && a.attempt == b.attempt && a.r == b.r &&
         a.w == b.w && a.local == b.local && a.forwarded == b.forwarded && a.deadline_ms == b.deadline_ms &&
         a.condition == b.condition && a.want_old == b.want_old && a.session == b.session &&
         a.on_behind == b.on_behind && a.token == b.token && a.seen == b.seen;
}
bool operator==(const Response& a, const Response& b) {
  return a.correlation == b.correlation && a.outcome == b.outcome && a.code == b.code &&
         a.message == b.message && a.found == b.found && a.stale == b.stale && a.value == b.value &&
         a.values == b.values && a.number == b.number && a.hidden == b.hidden && a.epoch == b.epoch &&
         a.stamp_ms == b.stamp_ms && a.coordinator == b.coordinator && a.node == b.node && a.seen == b.seen &&
         a.token == b.token && a.behind == b.behind;
}

namespace {

Bytes random_bytes(Prng& dice, size_t size_max) {
  Bytes out(dice.below(size_max + 1), '\0');
  for (char& c : out) c = static_cast<char>(dice.next());
  return out;
}

std::vector<Bytes> random_items(Prng& dice) {
  std::vector<Bytes> out;
  for (uint64_t n = dice.below(4); n > 0; --n) out.push_back(random_bytes(dice, 40));
  return out;
}

// Numbers of every width, and often the default.
uint64_t random_number(Prng& dice) { return dice.chance(1, 3) ? 0 : dice.next() >> dice.below(64); }

Epoch random_epoch(Prng& dice) {
  return {random_number(dice), NodeNumber{static_cast<uint16_t>(random_number(dice))},
          static_cast<uint32_t>(random_number(dice))};
}

Request random_request(Prng& dice) {
  static constexpr Op kOps[] = {Op::ping, Op::get, Op::set, Op::add, Op::sadd, Op::scan, Op::heal};
  Request r;
  r.correlation = random_number(dice);
  r.op = kOps[dice.below(std::size(kOps))];
  r.key = random_bytes(dice, 500);
  r.value = random_bytes(dice, 2) + random_bytes(dice, dice.chance(1, 10) ? 70'000 : 300);
  r.args = random_items(dice);
  r.amount = static_cast<int64_t>(random_number(dice)) * (dice.chance(1, 2) ? 1 : -1);
  if (dice.chance(1, 2))
    r.id = RequestId{RegionId{static_cast<uint16_t>(dice.below(4))}, random_epoch(dice), random_number(dice),
                     dice.next()};
  r.attempt = dice.chance(1, 2) ? 1 : static_cast<uint32_t>(dice.next());
  r.r = static_cast<uint8_t>(random_number(dice));
  r.w = static_cast<uint8_t>(random_number(dice));
  r.local = dice.chance(1, 2);
  r.forwarded = dice.chance(1, 2);
  r.deadline_ms = dice.chance(1, 2) ? kDeadlineDefaultMs : static_cast<uint32_t>(random_number(dice));
  r.condition = static_cast<Condition>(dice.below(3));
  r.want_old = dice.chance(1, 2);
  r.session = dice.chance(1, 2);
  r.on_behind = static_cast<OnBehind>(dice.below(3));
  if (dice.chance(1, 2)) r.token = random_bytes(dice, 100);
  for (uint64_t n = dice.below(4); n > 0; --n)
    join(r.seen, {RegionId{static_cast<uint16_t>(random_number(dice))}, random_number(dice)});
  return r;
}

Response random_response(Prng& dice) {
  Response r;
  r.correlation = random_number(dice);
  r.outcome = static_cast<Outcome>(dice.below(3));
  r.code = static_cast<Errc>(1 + dice.below(14));
  r.message = dice.chance(1, 2) ? "" : "no coordinator for partition 7: 2 of 3 replicas do not answer";
  r.found = dice.chance(1, 2);
  r.stale = dice.chance(1, 2);
  r.value = random_bytes(dice, 300);
  r.values = random_items(dice);
  r.number = static_cast<int64_t>(random_number(dice)) * (dice.chance(1, 2) ? 1 : -1);
  r.hidden = static_cast<uint32_t>(random_number(dice));
  r.epoch = random_epoch(dice);
  r.stamp_ms = random_number(dice);
  r.coordinator = NodeNumber{static_cast<uint16_t>(random_number(dice))};
  r.node = NodeNumber{static_cast<uint16_t>(random_number(dice))};
  r.seen = random_number(dice);
  r.token = random_bytes(dice, 40);
  if (dice.chance(1, 2))
    r.behind = Behind{RegionId{static_cast<uint16_t>(random_number(dice))}, random_number(dice)};
  return r;
}

Bytes hex(std::string_view digits) {
  Bytes out;
  for (size_t i = 0; i + 1 < digits.size(); i += 2)
    out.push_back(static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16)));
  return out;
}

Bytes frame_of(size_t elements, uint64_t version, uint64_t kind) {
  Bytes out;
  crdt::Writer writer(out);
  writer.array(elements);
  writer.uint(version);
  writer.uint(kind);
  return out;
}

template <typename T>
Error error_of(const Result<T>& result) {
  return result ? Error{Errc{}, "it was taken"} : result.error();
}

}  // namespace

TEST_CASE("request codec: random messages of every field, round trip", "[client]") {
  Prng dice(1);
  for (int round = 0; round < 400; ++round) {
    std::vector<Request> requests;
    std::vector<Response> responses;
    for (uint64_t n = dice.below(5); n > 0; --n) requests.push_back(random_request(dice));
    for (uint64_t n = dice.below(5); n > 0; --n) responses.push_back(random_response(dice));
    const auto back = decode_requests(encode_requests(requests));
    REQUIRE(back);
    REQUIRE(*back == requests);
    const auto answers = decode_responses(encode_responses(responses));
    REQUIRE(answers);
    REQUIRE(*answers == responses);
  }
}

TEST_CASE("request codec: what is encoded, never more than the announced bound", "[client]") {
  Prng dice(2);
  for (int round = 0; round < 400; ++round) {
    const Request request = random_request(dice);
    const Response response = random_response(dice);
    REQUIRE(encode_requests({request}).size() <= 16 + encoded_bytes_max(request));
    REQUIRE(encode_responses({response}).size() <= 16 + encoded_bytes_max(response));
  }
}

// The bytes of version 1 as docs/formats/client.md shows them. A change here is a new version.
TEST_CASE("request codec: golden bytes of version 1", "[client]") {
  Request get;
  get.correlation = 7;
  get.op = Op::get;
  get.key = "cart";
  CHECK(encode_requests({get}) == hex("9301019401070"
                                      "2c40463617274"));

  Request add;
  add.correlation = 300;
  add.op = Op::add;
  add.key = "n";
  add.amount = -2;
  add.id = RequestId{RegionId{1}, Epoch{5, NodeNumber{2}, 9}, 1000, 77};
  add.attempt = 2;
  CHECK(encode_requests({add}) == hex("930101974dcd012c05c4016e9401930502"
                                      "09cd03e84dfe02"));

  Response found;
  found.correlation = 7;
  found.found = true;
  found.value = "3";
  found.epoch = Epoch{5, NodeNumber{2}, 9};
  found.coordinator = NodeNumber{2};
  found.node = NodeNumber{3};
  CHECK(encode_responses({found}) == hex("9301029637"
                                         "07c4013393050209"
                                         "0203"));

  Response rejected;
  rejected.correlation = 8;
  rejected.outcome = Outcome::rejected;
  rejected.code = Errc::busy;
  rejected.message = "x";
  CHECK(encode_responses({rejected}) == hex("93010295cd188008010aa178"));
}

TEST_CASE("request codec: an unknown operation, only its own request is lost", "[client]") {
  Bytes frame = frame_of(4, 1, 1);
  crdt::Writer out(frame);
  out.array(3);
  out.uint(0), out.uint(1), out.uint(200);
  out.array(3);
  out.uint(0), out.uint(2), out.uint(70'000);
  const auto requests = decode_requests(frame);
  REQUIRE(requests);
  REQUIRE(requests->size() == 2);
  CHECK_FALSE(is_known((*requests)[0].op));
  CHECK_FALSE(is_known((*requests)[1].op));
  CHECK((*requests)[1].correlation == 2);
  CHECK(is_known(Op::heal));
  CHECK_FALSE(is_known(Op{0}));
}

TEST_CASE("request codec: another protocol version, both are named", "[client]") {
  const Error request = error_of(decode_requests(frame_of(3, 42, 1) + '\0'));
  CHECK(request.code == Errc::version);
  CHECK(request.message.find("42") != std::string::npos);
  CHECK(request.message.find("version 1") != std::string::npos);
  CHECK(error_of(decode_responses(frame_of(2, 0, 2))).code == Errc::version);
}

TEST_CASE("request codec: frames cut short at every byte, all refused", "[client]") {
  Prng dice(3);
  for (int round = 0; round < 20; ++round) {
    const Bytes requests = encode_requests({random_request(dice), random_request(dice)});
    const Bytes responses = encode_responses({random_response(dice), random_response(dice)});
    for (size_t size = 0; size < requests.size(); size += 1 + size / 64)
      REQUIRE(error_of(decode_requests(BytesView(requests).substr(0, size))).code == Errc::corrupt);
    for (size_t size = 0; size < responses.size(); ++size)
      REQUIRE(error_of(decode_responses(BytesView(responses).substr(0, size))).code == Errc::corrupt);
    REQUIRE(error_of(decode_requests(requests + '\0')).code == Errc::corrupt);
  }
}

TEST_CASE("request codec: flipped bytes, refused or a message that encodes to the same bytes", "[client]") {
  Prng dice(4);
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    Bytes frame = encode_requests({random_request(dice)});
    frame[dice.below(frame.size())] ^= static_cast<char>(1 + dice.below(255));
    const auto requests = decode_requests(frame);
    if (!requests) ++refused;
    // Canonical: what is taken has this one encoding. An operation over 255 reads as the unassigned 0.
    if (requests && (*requests)[0].op != Op{0}) REQUIRE(encode_requests(*requests) == frame);
  }
  CHECK(refused > 100);
}

TEST_CASE("request codec: hostile headers, refused within the memory of the frame", "[client]") {
  CHECK(error_of(decode_requests("")).code == Errc::corrupt);
  CHECK(error_of(decode_requests("GET / HTTP/1.1\r\n")).code == Errc::corrupt);
  CHECK(error_of(decode_requests(hex("ddffffffff0101"))).code == Errc::corrupt);  // an array of 2^32 - 1
  CHECK(error_of(decode_requests(hex("90"))).code == Errc::corrupt);
  CHECK(error_of(decode_requests(hex("9101"))).code == Errc::corrupt);
  CHECK(error_of(decode_requests(hex("900101"))).code == Errc::corrupt);
  CHECK(error_of(decode_requests(frame_of(2, 1, 2))).code == Errc::corrupt);  // responses, not requests
  CHECK(error_of(decode_requests(hex("930101"
                                     "9401"
                                     "0702"
                                     "c6ffffffff")))
            .code == Errc::corrupt);  // a bin of 4 GiB
  CHECK(error_of(decode_requests(hex("930101"
                                     "94"
                                     "10"
                                     "07"
                                     "06"
                                     "ddffffffff")))
            .code == Errc::corrupt);
  CHECK(error_of(decode_requests(hex("930101"
                                     "93"
                                     "ce00100000"
                                     "07"
                                     "01")))
            .code == Errc::corrupt);  // unknown field
  CHECK(error_of(decode_requests(hex("930101"
                                     "94"
                                     "01"
                                     "07"
                                     "02"
                                     "c400")))
            .code == Errc::corrupt);  // empty key sent
  CHECK(error_of(decode_requests(hex("930101"
                                     "95"
                                     "01"
                                     "07"
                                     "02"
                                     "c40161"
                                     "00")))
            .code == Errc::corrupt);

  Bytes deep = hex("930101");
  deep.append(100'000, '\x91');
  CHECK(error_of(decode_requests(deep)).code == Errc::corrupt);
}

TEST_CASE("request codec: over the limits of a frame, said so", "[client]") {
  Bytes many = frame_of(2 + kClientFrameMessagesMax + 1, 1, 1);
  for (size_t i = 0; i <= kClientFrameMessagesMax; ++i) many += hex("93000101");
  CHECK(error_of(decode_requests(many)).code == Errc::too_large);

  Bytes items = frame_of(3, 1, 1) + hex("94100706");
  crdt::Writer(items).array(kClientFrameItemsMax + 1);
  for (size_t i = 0; i <= kClientFrameItemsMax; ++i) items += hex("c400");
  CHECK(error_of(decode_requests(items)).code == Errc::too_large);

  CHECK(error_of(decode_requests(Bytes(kClientFrameBytesMax + 1, '\x91'))).code == Errc::too_large);
}

}  // namespace atolldb::region
