// An outbox of many entries, most of them packed, against a plain list of all that it holds; and the packed
// form by itself.

#include "storage/outbox.h"

#include <catch2/catch.hpp>
#include <vector>

#include "crdt/base/prng.h"

using namespace atolldb;
using namespace atolldb::storage;

namespace {

// What Outbox says it is, and nothing more.
struct Naive {
  uint64_t first = 1, total = 0;
  std::vector<OutboxEntry> entries;
  void add(OutboxEntry entry) {
    entry.before = total;
    total += entry.bytes;
    entries.push_back(entry);
  }
  void pop() {
    entries.erase(entries.begin());
    ++first;
  }
};

bool equal(const OutboxEntry& a, const OutboxEntry& b) {
  return a.dot == b.dot && a.at == b.at && a.bytes == b.bytes && a.conditional == b.conditional &&
         a.before == b.before;
}

// Neighbours as a node has them, and now and then anything.
class Entries {
 public:
  explicit Entries(Prng& dice) : dice_(dice) {
    for (uint16_t i = 0; i < 20; ++i)
      actors_.push_back({{NodeNumber{static_cast<uint16_t>(dice.below(65'536))},
                          static_cast<uint32_t>(dice.next()), static_cast<uint32_t>(dice.next())},
                         0});
  }
  OutboxEntry next() {
    Dot& last = actors_[dice_.chance(9, 10) ? dice_.below(3) : dice_.below(actors_.size())];
    last.counter += dice_.chance(9, 10) ? 1 : 1 + dice_.below(uint64_t{1} << dice_.below(30));
    at_ += dice_.chance(9, 10) ? 8 * dice_.below(10'000) : dice_.below(uint64_t{1} << dice_.below(44));
    const auto bytes = static_cast<uint32_t>(dice_.chance(9, 10) ? 250 + dice_.below(10) : dice_.next());
    return {last, {at_}, bytes, dice_.chance(1, 20), 0};
  }

 private:
  Prng& dice_;
  std::vector<Dot> actors_;
  uint64_t at_ = 0;
};

void check_equal(const Outbox& outbox, const Naive& naive, Prng& dice) {
  REQUIRE(outbox.begin() == naive.first);
  REQUIRE(outbox.end() == naive.first + naive.entries.size());
  REQUIRE(outbox.empty() == naive.entries.empty());
  if (naive.entries.empty()) {
    REQUIRE(outbox.bytes() == 0);
    return;
  }
  REQUIRE(outbox.bytes() == naive.total - naive.entries.front().before);
  for (int i = 0; i < 20; ++i) {
    const size_t a = dice.below(naive.entries.size()), b = a + dice.below(naive.entries.size() - a);
    REQUIRE(equal(outbox.at(naive.first + a), naive.entries[a]));
    REQUIRE(outbox.bytes_between(naive.first + a, naive.first + b) ==
            naive.entries[b].before - naive.entries[a].before);
    const LogPosition from{naive.entries[b].at.value + dice.below(2)};
    size_t first = 0;
    while (first < naive.entries.size() && naive.entries[first].at < from) ++first;
    REQUIRE(outbox.first_from(from) == naive.first + first);
  }
}

}  // namespace

TEST_CASE("outbox: entries added, confirmed and cut in any order, as a plain list has them",
          "[storage][outbox]") {
  const uint64_t seed = GENERATE(range(1u, 13u));
  CAPTURE(seed);
  Prng dice(seed);
  Entries entries(dice);
  Outbox outbox;
  Naive naive;
  crdt::DotSet confirmed;
  for (int step = 0; step < 60; ++step) {
    for (uint64_t n = dice.below(dice.chance(1, 4) ? 700 : 40); n > 0; --n) {
      const OutboxEntry entry = entries.next();
      outbox.add(entry);
      naive.add(entry);
    }
    check_equal(outbox, naive, dice);
    if (naive.entries.empty()) continue;
    const size_t some = dice.below(std::min<size_t>(naive.entries.size(), dice.chance(1, 3) ? 2000 : 100));
    if (dice.chance(1, 3)) {
      const LogPosition begin = naive.entries[some].at;
      outbox.cut(begin);
      while (!naive.entries.empty() && naive.entries.front().at < begin) naive.pop();
    } else {
      for (size_t i = 0; i < some; ++i) confirmed.insert(naive.entries[i].dot);
      outbox.confirm(confirmed);
      while (!naive.entries.empty() && confirmed.contains(naive.entries.front().dot)) naive.pop();
    }
    check_equal(outbox, naive, dice);
  }
  crdt::DotSet dots;
  for (const auto& entry : naive.entries) dots.insert(entry.dot);
  CHECK(outbox.dots() == dots);
  for (size_t i = 0; i < naive.entries.size(); ++i)
    REQUIRE(equal(outbox.at(naive.first + i), naive.entries[i]));
  outbox.clear();
  CHECK(outbox.empty());
  CHECK(outbox.dots().empty());
}

TEST_CASE("outbox: a conditional write that is added again, its newest record also where it is packed",
          "[storage][outbox]") {
  Outbox outbox;
  const Actor actor{NodeNumber{1}, 1, 1};
  outbox.add({{actor, 1}, {0}, 100, true, 0});
  for (uint64_t n = 2; n <= 1000; ++n) outbox.add({{actor, n}, {8 * n}, 100, false, 0});
  outbox.add({{actor, 1}, {9000}, 100, true, 0});
  CHECK(outbox.newest({actor, 1}, outbox.at(1).at) == LogPosition{9000});
  outbox.cut({8 * 1000});
  CHECK(outbox.dots().contains({actor, 1}));
  CHECK(outbox.end() - outbox.begin() == 2);
}

TEST_CASE("packed entries: what was packed, comes back", "[storage][outbox]") {
  Prng dice(GENERATE(range(1u, 9u)));
  Entries entries(dice);
  std::vector<OutboxEntry> in, out;
  Bytes packed;
  EntryPacker packer(packed);
  for (int i = 0; i < 500; ++i) {
    in.push_back(entries.next());
    packer.add(in.back());
  }
  REQUIRE(unpack_entries(packed, [&](const OutboxEntry& entry) { out.push_back(entry); }));
  REQUIRE(out.size() == in.size());
  for (size_t i = 0; i < in.size(); ++i) REQUIRE(equal(out[i], in[i]));
}

TEST_CASE("packed entries: like those of a busy node, take six bytes or less", "[storage][outbox]") {
  Bytes packed;
  EntryPacker packer(packed);
  Prng dice(1);
  uint64_t at = 1'000'000'000, counter[3] = {7, 8, 9};
  for (int i = 0; i < 3'000; ++i) {
    const auto actor = static_cast<uint16_t>(dice.below(3));
    at += 8 * dice.below(16'000);
    packer.add({{{NodeNumber{actor}, 77, 1u << 31}, ++counter[actor]}, {at}, 250, false, 0});
  }
  CHECK(packed.size() <= size_t{6} * 3'000);
}

TEST_CASE("packed entries: bytes cut short or changed, refused or other entries and never more",
          "[storage][outbox]") {
  Prng dice(3);
  Entries entries(dice);
  Bytes packed;
  EntryPacker packer(packed);
  for (int i = 0; i < 40; ++i) packer.add(entries.next());
  const auto count = [](BytesView bytes) {
    size_t n = 0;
    unpack_entries(bytes, [&](const OutboxEntry& entry) {
      REQUIRE(entry.dot.counter <= kDotCounterMax);
      ++n;
    });
    return n;
  };
  for (size_t size = 0; size < packed.size(); ++size) CHECK(count(BytesView(packed).substr(0, size)) < 40);
  CHECK_FALSE(unpack_entries(BytesView(packed).substr(0, packed.size() - 1), [](const auto&) {}));
  for (int i = 0; i < 20'000; ++i) {
    Bytes changed = packed;
    changed[dice.below(changed.size())] = static_cast<char>(dice.next());
    CHECK(count(changed) <= changed.size());
  }
  CHECK_FALSE(unpack_entries("\xff", [](const auto&) {}));
  CHECK_FALSE(unpack_entries(Bytes(12, '\xff'), [](const auto&) {}));
  CHECK_FALSE(unpack_entries("\x09", [](const auto&) {}));  // the second actor without a first
}
