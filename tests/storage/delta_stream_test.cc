// The one delta path: an outbox, and what a stream through it does when acknowledgements come late, out of
// order or never.

#include "storage/delta_stream.h"

#include <catch2/catch.hpp>

using namespace atolldb;
using namespace atolldb::storage;

namespace {

const Actor kOurs{NodeNumber{1}, 1, 1};
const Actor kTheirs{NodeNumber{2}, 1, 1};

void add(Outbox& outbox, const Actor& actor, uint64_t counter, uint32_t bytes = 100) {
  outbox.add({{actor, counter}, {counter}, bytes, false, 0});
}

crdt::DotSet dots(const Actor& actor, uint64_t first, uint64_t last) {
  crdt::DotSet set;
  set.insert(actor, first, last);
  return set;
}

std::vector<uint64_t> take(DeltaStream& stream, Instant now, const Outbox& outbox) {
  std::vector<uint64_t> out;
  stream.take(
      now, outbox, 1u << 20, [](const auto&) { return true; }, out);
  return out;
}

constexpr Duration kPatience = Duration::seconds(2);

}  // namespace

TEST_CASE("outbox: confirmed entries, gone from the front only", "[storage][outbox]") {
  Outbox outbox;
  for (uint64_t c = 1; c <= 4; ++c) add(outbox, kOurs, c);
  outbox.confirm(dots(kOurs, 2, 3));
  CHECK(outbox.end() - outbox.begin() == 4);
  outbox.confirm(dots(kOurs, 1, 3));
  CHECK(outbox.end() - outbox.begin() == 1);
  CHECK(outbox.bytes() == 100);
  CHECK(outbox.dots() == dots(kOurs, 4, 4));
  outbox.cut({5});
  CHECK(outbox.empty());
  CHECK(outbox.bytes() == 0);
}

TEST_CASE("delta stream: everything acknowledged, nothing is sent again", "[storage][outbox]") {
  Outbox outbox;
  DeltaStream stream;
  for (uint64_t c = 1; c <= 3; ++c) add(outbox, kOurs, c);
  CHECK(take(stream, {0}, outbox).size() == 3);
  CHECK(take(stream, {0}, outbox).empty());
  stream.acknowledge({1}, outbox, dots(kOurs, 1, 3));
  CHECK_FALSE(stream.stalled(Instant{0} + kPatience * 10, outbox, kPatience));
  CHECK(stream.behind(outbox) == 0);
}

// A frame was lost, and acknowledgements of younger entries kept the stream from ever going back.
TEST_CASE("delta stream: a hole under a steady flow, noticed and sent again", "[storage][outbox]") {
  Outbox outbox;
  DeltaStream stream;
  add(outbox, kOurs, 1);
  CHECK(take(stream, {0}, outbox).size() == 1);  // lost
  Instant now{0};
  for (uint64_t c = 2; c <= 30; ++c) {
    now = now + Duration::millis(100);
    add(outbox, kOurs, c);
    take(stream, now, outbox);
    stream.acknowledge(now, outbox, dots(kOurs, 2, c));
  }
  REQUIRE(stream.stalled(now, outbox, kPatience));
  stream.rewind();
  CHECK(take(stream, now, outbox) == std::vector<uint64_t>{1});
  stream.acknowledge(now, outbox, dots(kOurs, 1, 30));
  CHECK_FALSE(stream.stalled(now + kPatience * 10, outbox, kPatience));
}

TEST_CASE("delta stream: after a rewind, starts slowly and widens with every answer", "[storage][outbox]") {
  Outbox outbox;
  DeltaStream stream;
  for (uint64_t c = 1; c <= 100; ++c) add(outbox, kOurs, c, 8u << 10);
  CHECK(take(stream, {0}, outbox).size() == 100);
  stream.rewind();
  const size_t first = take(stream, {0}, outbox).size();
  CHECK(first * (8u << 10) == DeltaStream::kWindowBytesLeast);
  stream.acknowledge({1}, outbox, dots(kOurs, 1, first));
  CHECK(take(stream, {1}, outbox).size() == 2 * first);
}

TEST_CASE("delta stream: a destination that begins anew, waited for no longer than at first",
          "[storage][outbox]") {
  Outbox outbox;
  DeltaStream stream;
  for (uint64_t c = 1; c <= 3; ++c) add(outbox, kOurs, c);
  for (int i = 0; i < 3; ++i) stream.rewind();
  CHECK(take(stream, {0}, outbox).size() == 3);
  CHECK_FALSE(stream.stalled(Instant{1} + kPatience, outbox, kPatience));
  stream.forget();
  CHECK(take(stream, {0}, outbox).size() == 3);
  CHECK(stream.stalled(Instant{1} + kPatience, outbox, kPatience));
}

TEST_CASE("delta stream: entries of others, passed over and not waited for", "[storage][outbox]") {
  Outbox outbox;
  DeltaStream stream([](const Dot& dot) { return dot.actor == kOurs; });
  for (uint64_t c = 1; c <= 5000; ++c) add(outbox, kTheirs, c);
  add(outbox, kOurs, 1);
  CHECK(take(stream, {0}, outbox) == std::vector<uint64_t>{5001});
  CHECK_FALSE(stream.caught_up(outbox) == false);
}

TEST_CASE("delta stream: one that may not leave yet, holds back what is behind it", "[storage][outbox]") {
  Outbox outbox;
  DeltaStream stream;
  for (uint64_t c = 1; c <= 3; ++c) add(outbox, kOurs, c);
  std::vector<uint64_t> out;
  stream.take(
      {0}, outbox, 1u << 20, [](const auto& entry) { return entry.dot.counter != 2; }, out);
  CHECK(out == std::vector<uint64_t>{1});
  CHECK(take(stream, {0}, outbox) == std::vector<uint64_t>{2, 3});
}
