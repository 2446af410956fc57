// The memtable against a plain map that does the same.

#include "storage/memtable.h"

#include <catch2/catch.hpp>
#include <map>

#include "crdt/base/prng.h"
#include "tests/storage/store_harness.h"

using namespace atolldb;
using namespace atolldb::storage;
using namespace atolldb::storage::testing;

namespace {

using Model = std::map<Bytes, std::optional<Bytes>>;

void check_same(const Memtable& table, const Model& model) {
  auto expected = model.begin();
  for (const Memtable::Entry entry : table) {
    REQUIRE(expected != model.end());
    const bool same = entry.key == expected->first && entry.erased == !expected->second &&
                      (entry.erased || entry.value == *expected->second);
    if (!same) FAIL("entries differ");
    ++expected;
  }
  CHECK(expected == model.end());
  CHECK(table.size() == model.size() + table.ranges().size());
}

// Keys of all lengths, that continue each other, with zeros at their ends.
Bytes random_key(Prng& prng) {
  Bytes key(1 + prng.below(12), '\0');
  for (char& c : key) c = static_cast<char>(prng.chance(1, 3) ? 0 : 'a' + prng.below(2));
  return key;
}

Bytes random_value(Prng& prng) {
  const size_t size = prng.chance(1, 20) ? 4000 + prng.below(200) : prng.below(100);
  return Bytes(size, static_cast<char>(prng.next()));
}

TEST_CASE("memtable: random changes, reads as a map does", "[storage]") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Prng prng(seed);
    Memtable table;
    Model model;
    for (int i = 0; i < 3000; ++i) {
      const Bytes key = random_key(prng);
      std::optional<Bytes> value;
      if (!prng.chance(1, 4)) value = random_value(prng);
      model[key] = value;
      table.change(key, std::move(value));
      const Bytes probe = random_key(prng);
      const auto at = table.lower_bound(probe);
      const auto expected = model.lower_bound(probe);
      REQUIRE((at == table.end()) == (expected == model.end()));
      if (expected != model.end()) REQUIRE(at.key() == expected->first);
      const auto found = table.find(probe);
      REQUIRE(found.has_value() == model.contains(probe));
    }
    check_same(table, model);
  }
}

TEST_CASE("memtable: keys in order, against it and from both ends, in few chunks", "[storage]") {
  const int direction = GENERATE(0, 1, 2);
  Memtable table;
  Model model;
  constexpr uint64_t kKeys = 10'000;
  for (uint64_t i = 0; i < kKeys; ++i) {
    const uint64_t n = direction == 0 ? i : direction == 1 ? kKeys - i : i % 2 == 0 ? i : 2 * kKeys - i;
    model[number_key(n)] = Bytes(1, 'v');
    table.change(number_key(n), Bytes(1, 'v'));
  }
  check_same(table, model);
  // An item takes 32 bytes and its slot 16, half of them empty at worst.
  CHECK(table.bytes() < kKeys * (32 + 2 * 17) + 10'000);
}

TEST_CASE("memtable: erased ranges among changes, hide and are hidden", "[storage]") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Prng prng(seed);
    Memtable table;
    Model model;
    std::map<uint64_t, bool> hidden;  // keys below which nothing shows
    for (int i = 0; i < 2000; ++i) {
      const uint64_t n = prng.below(200);
      if (prng.chance(1, 20)) {
        const uint64_t to = n + prng.below(30);
        table.erase_range(number_key(n), number_key(to));
        for (uint64_t k = n; k < to; ++k) {
          hidden[k] = true;
          model.erase(number_key(k));
        }
      } else {
        model[number_key(n)] = random_value(prng);
        table.change(number_key(n), Bytes(*model[number_key(n)]));
      }
      const uint64_t probe = prng.below(240);
      const auto found = table.find(number_key(probe));
      const auto expected = model.find(number_key(probe));
      if (expected != model.end()) {
        REQUIRE(found);
        REQUIRE(found->value == *expected->second);
      } else {
        REQUIRE(found.has_value() == hidden[probe]);
        if (found) REQUIRE(found->erased);
      }
    }
    check_same(table, model);
  }
}

TEST_CASE("memtable: values that grow and shrink under one key, take a bounded part of it", "[storage]") {
  Memtable table;
  for (int round = 0; round < 3; ++round)
    for (size_t size = 0; size < 10'000; ++size) table.change("hot", Bytes(size, 'v'));
  CHECK(table.find("hot")->value.size() == 9999);
  CHECK(table.bytes() < 40'000);
  const size_t full = table.bytes();
  table.change("hot", Bytes(5, 's'));
  CHECK(table.bytes() < full - 9000);
  CHECK(table.find("hot")->value == "sssss");
  for (int i = 0; i < 10'000; ++i)
    table.change("hot", i % 2 == 0 ? std::nullopt : std::optional(Bytes(8, 'x')));
  CHECK(table.bytes() < full);
  Memtable moved = std::move(table);
  CHECK(moved.find("hot")->value == Bytes(8, 'x'));
}

}  // namespace
