// What storage/store.h promises, checked against every store.

#include <catch2/catch.hpp>
#include <map>

#include "crdt/base/prng.h"
#include "tests/storage/store_harness.h"

using namespace atolldb;
using namespace atolldb::storage;
using namespace atolldb::storage::testing;

namespace {

#define EACH_STORE GENERATE(std::string("virtual"), std::string("disk"))

std::string str(const Bytes& b) { return b; }

TEST_CASE("store: committed rows, read back before and after a checkpoint", "[storage][contract]") {
  auto harness = make_harness(EACH_STORE);
  harness->recover();
  Store& store = harness->store();
  REQUIRE(store.commit({{"r1"}, {put("a", "1"), put("b", "2")}, {put("m", "meta")}}));
  for (int round = 0; round < 2; ++round) {
    Bytes value = "untouched";
    CHECK(store.get("a", value) == Found::yes);
    CHECK(str(value) == "1");
    CHECK(store.get("c", value) == Found::no);
    CHECK(str(value) == "1");
    CHECK(store.get_meta("m", value) == Found::yes);
    CHECK(str(value) == "meta");
    CHECK(store.get_meta("a", value) == Found::no);
    harness->checkpoint();
  }
}

TEST_CASE("store: an erased row, gone above and below a checkpoint", "[storage][contract]") {
  auto harness = make_harness(EACH_STORE);
  harness->recover();
  Store& store = harness->store();
  REQUIRE(store.commit({{}, {put("a", "1"), put("b", "2"), erase("a")}, {}}));
  Bytes value;
  CHECK(store.get("a", value) == Found::no);
  harness->checkpoint();
  REQUIRE(store.commit({{}, {erase("b")}, {}}));
  CHECK(store.get("b", value) == Found::no);
  CHECK(all_rows(store).empty());
  harness->checkpoint();
  CHECK(store.get("b", value) == Found::no);
  CHECK(all_rows(store).empty());
}

TEST_CASE("store: a record, durable when poll says so and there after a restart", "[storage][contract]") {
  auto harness = make_harness(EACH_STORE);
  harness->recover();
  const auto positions = harness->store().commit({{"one", "two", ""}, {}, {}});
  REQUIRE(positions);
  REQUIRE(positions->size() == 3);
  CHECK((*positions)[0] < (*positions)[1]);
  harness->sync();
  CHECK(harness->store().poll().durable > (*positions)[2]);
  for (size_t i = 0; i < 3; ++i) {
    const auto record = harness->store().read_log((*positions)[i]);
    REQUIRE(record);
    CHECK(*record == std::vector<Bytes>{"one", "two", ""}[i]);
  }
  const LogPosition end = harness->store().log_end();
  harness->reopen();
  const auto recovered = harness->recover();
  CHECK(recovered.old.empty());
  REQUIRE(recovered.applied.size() == 3);
  CHECK(recovered.applied[1].second == "two");
  CHECK(recovered.applied[1].first == (*positions)[1]);
  CHECK(harness->store().log_end() == end);
  CHECK(harness->store().poll().durable == end);
  CHECK_FALSE(harness->store().log_damaged());
}

// The wake-up of a batch that brings no records was once taken for the one that the next record needed.
TEST_CASE("store: batches without records before one with, it becomes durable all the same",
          "[storage][contract]") {
  auto harness = make_harness(EACH_STORE);
  harness->recover();
  for (int round = 0; round < 20; ++round) {
    REQUIRE(harness->store().commit({{}, {put("row", std::to_string(round))}, {}}));
    const auto positions = harness->store().commit({{"record"}, {}, {}});
    REQUIRE(positions);
    harness->sync();
    CHECK(harness->store().poll().durable > positions->front());
  }
}

TEST_CASE("store: rows behind the last checkpoint, rebuilt by the caller from records",
          "[storage][contract]") {
  auto harness = make_harness(EACH_STORE);
  harness->recover();
  REQUIRE(harness->store().commit({{"a=1"}, {put("a", "1")}, {}}));
  harness->checkpoint({put("clock", "1")});
  REQUIRE(harness->store().commit({{"a=2"}, {put("a", "2")}, {put("clock", "2")}}));
  harness->sync();
  harness->reopen();
  Bytes value;
  std::vector<Bytes> applied;
  const Status status = harness->store().recover(nullptr, [&](LogPosition, BytesView record) {
    CHECK(harness->store().get("a", value) == Found::yes);
    CHECK(value == "1");
    CHECK(harness->store().get_meta("clock", value) == Found::yes);
    CHECK(value == "1");
    applied.emplace_back(record);
    CHECK(harness->store().commit({{}, {put("a", Bytes(record.substr(2)))}, {}}));
    return true;
  });
  REQUIRE(status);
  CHECK(applied == std::vector<Bytes>{"a=2"});
  CHECK(harness->store().get("a", value) == Found::yes);
  CHECK(value == "2");
}

TEST_CASE("store: an erased range, gone with its damaged rows and nothing beside it", "[storage][contract]") {
  auto harness = make_harness(EACH_STORE);
  harness->recover();
  const Bytes damaged = "b-the-key-to-damage", also_damaged = "b-the-other-key-to-damage";
  REQUIRE(harness->store().commit(
      {{},
       {put("a", "1"), put(damaged, Bytes(50, 'x')), put(also_damaged, Bytes(50, 'x')),
        put("bb", Bytes(200'000, 'y')), put("c", "3")},
       {}}));
  harness->checkpoint();
  harness->stop();
  REQUIRE(harness->damage_row(damaged));
  REQUIRE(harness->damage_row(also_damaged));
  harness->start();
  harness->recover();
  Store& store = harness->store();
  const auto intact = [&] { return store.walk("", "z", [](BytesView, BytesView) { return true; }); };
  REQUIRE_FALSE(intact());
  // What the batch itself puts into the range stays.
  REQUIRE(store.commit({{"r"}, {put("b2", "new")}, {}, {{"b", "c"}}}));
  using Rows = std::vector<std::pair<Bytes, Bytes>>;
  const Rows expected{{"a", "1"}, {"b2", "new"}, {"c", "3"}};
  for (int round = 0; round < 3; ++round) {
    INFO("round " << round);
    CHECK(intact());
    CHECK(all_rows(store) == expected);
    Bytes value;
    CHECK(store.get(damaged, value) == Found::no);
    CHECK(store.get("bb", value) == Found::no);
    CHECK(store.get("b2", value) == Found::yes);
    harness->checkpoint();
  }
  harness->reopen();
  harness->recover();
  CHECK(all_rows(harness->store()) == expected);
}

TEST_CASE("store: ranges erased and rows put in any order, every layer says the same",
          "[storage][contract]") {
  auto harness = make_harness(EACH_STORE);
  harness->recover();
  std::map<Bytes, Bytes> model;
  Prng prng(23);
  for (int round = 0; round < 150; ++round) {
    Batch batch;
    for (uint64_t ranges = prng.below(3); ranges > 0; --ranges) {
      const uint64_t from = prng.below(300), to = from + prng.below(60);
      batch.erased.push_back({number_key(from), number_key(to)});
      if (prng.chance(1, 10)) std::swap(batch.erased.back().from, batch.erased.back().to);
      const auto& [first, last] = batch.erased.back();
      if (first < last) model.erase(model.lower_bound(first), model.lower_bound(last));
    }
    for (int i = 0; i < 20; ++i) {
      const Bytes key = number_key(prng.below(300));
      if (prng.chance(1, 4)) {
        batch.rows.push_back(erase(key));
        model.erase(key);
      } else {
        model[key] = Bytes(prng.chance(1, 30) ? 150'000 : 10, static_cast<char>(round));
        batch.rows.push_back(put(key, model[key]));
      }
    }
    REQUIRE(harness->store().commit(std::move(batch)));
    if (prng.chance(1, 3)) harness->store().begin_checkpoint({});
    const bool same =
        all_rows(harness->store()) == std::vector<std::pair<Bytes, Bytes>>(model.begin(), model.end());
    REQUIRE(same);
    Bytes value;
    for (uint64_t n = 0; n < 300; ++n) {
      const Found expected = model.contains(number_key(n)) ? Found::yes : Found::no;
      if (harness->store().get(number_key(n), value) != expected) FAIL("row " << n << " in round " << round);
    }
    if (prng.chance(1, 2)) harness->store().poll();
  }
  REQUIRE(harness->store().commit({{"r"}, {}, {}, {{"", Bytes(9, '\xff')}}}));
  CHECK(all_rows(harness->store()).empty());
  while (!harness->store().begin_checkpoint({})) harness->store().poll();
  CHECK(all_rows(harness->store()).empty());
}

TEST_CASE("store: a walk while a checkpoint is frozen, merges three layers in order", "[storage][contract]") {
  auto harness = make_harness(EACH_STORE);
  harness->recover();
  Store& store = harness->store();
  std::map<Bytes, Bytes> model;
  Prng prng(7);
  for (int round = 0; round < 30; ++round) {
    Batch batch;
    for (int i = 0; i < 50; ++i) {
      const Bytes key = number_key(prng.below(200));
      if (prng.chance(1, 3)) {
        batch.rows.push_back(erase(key));
        model.erase(key);
      } else {
        const Bytes value = number_key(prng.next());
        batch.rows.push_back(put(key, value));
        model[key] = value;
      }
    }
    REQUIRE(store.commit(std::move(batch)));
    if (round % 3 == 0) store.begin_checkpoint({});
    CHECK(all_rows(store) == std::vector<std::pair<Bytes, Bytes>>(model.begin(), model.end()));
    if (round % 5 == 0) store.poll();
    const Bytes from = number_key(prng.below(200)), to = number_key(prng.below(200));
    std::vector<std::pair<Bytes, Bytes>> range;
    CHECK(store.walk(from, to, [&](BytesView key, BytesView value) {
      range.emplace_back(key, value);
      return true;
    }));
    const auto begin = model.lower_bound(from);
    const auto end = from < to ? model.lower_bound(to) : begin;
    CHECK(range == std::vector<std::pair<Bytes, Bytes>>(begin, end));
    Bytes value;
    for (uint64_t n = 0; n < 200; ++n) {
      const auto it = model.find(number_key(n));
      CHECK(store.get(number_key(n), value) == (it == model.end() ? Found::no : Found::yes));
      if (it != model.end()) CHECK(value == it->second);
    }
  }
}

TEST_CASE("store: values of many chunks, grow, shrink and go without leftovers", "[storage][contract]") {
  auto harness = make_harness(EACH_STORE, 64u << 20);
  harness->recover();
  Prng prng(11);
  const auto noise = [&](size_t size) {
    Bytes bytes(size, '\0');
    for (size_t i = 0; i < size; i += 97) bytes[i] = static_cast<char>(prng.next());
    return bytes;
  };
  // Keys that others continue, with zeros and ones: chunk numbers lie between them.
  const std::vector<Bytes> keys = {"k",
                                   Bytes("k\0", 2),
                                   Bytes("k\0\0", 3),
                                   Bytes("k\0\1", 3),
                                   Bytes("k\0\1\0", 4),
                                   Bytes("k\0\1\0\0", 5),
                                   Bytes("k\1", 2),
                                   "l"};
  const size_t edge = (64u << 10) - 128;
  const std::vector<size_t> sizes = {0,       1,        edge - 1, edge, edge + 1, 2 * edge, 2 * edge + 1,
                                     300'000, 1'000'000};
  std::map<Bytes, Bytes> model;
  for (int round = 0; round < 40; ++round) {
    Batch batch;
    for (int i = 0; i < 3; ++i) {
      const Bytes& key = keys[prng.below(keys.size())];
      if (prng.chance(1, 3)) {
        batch.rows.push_back(erase(key));
        model.erase(key);
      } else {
        model[key] = noise(sizes[prng.below(sizes.size())]);
        batch.rows.push_back(put(key, model[key]));
      }
    }
    REQUIRE(harness->store().commit(std::move(batch)));
    harness->checkpoint();
    if (round % 10 == 9) {
      harness->reopen();
      harness->recover();
    }
    const bool same =
        all_rows(harness->store()) == std::vector<std::pair<Bytes, Bytes>>(model.begin(), model.end());
    REQUIRE(same);
    for (const Bytes& key : keys) {
      Bytes value;
      const auto it = model.find(key);
      CHECK(harness->store().get(key, value) == (it == model.end() ? Found::no : Found::yes));
      if (it != model.end() && value != it->second) FAIL("another value came back");
      // A walk that begins behind `key` does not show it.
      std::vector<Bytes> behind;
      CHECK(harness->store().walk(key + '\0', "z", [&](BytesView row_key, BytesView) {
        behind.emplace_back(row_key);
        return true;
      }));
      CHECK(behind.size() == static_cast<size_t>(std::distance(model.lower_bound(key + '\0'), model.end())));
    }
  }
}

TEST_CASE("store: a visitor that says false, ends the walk", "[storage][contract]") {
  auto harness = make_harness(EACH_STORE);
  harness->recover();
  REQUIRE(harness->store().commit({{}, {put("a", "1"), put("b", "2"), put("c", "3")}, {}}));
  int seen = 0;
  CHECK(harness->store().walk("a", "z", [&](BytesView, BytesView) { return ++seen < 2; }));
  CHECK(seen == 2);
}

TEST_CASE("store: records too large or keys too long, refused and nothing changed", "[storage][contract]") {
  auto harness = make_harness(EACH_STORE);
  harness->recover();
  Store& store = harness->store();
  const LogPosition end = store.log_end();
  const auto refused = [&](Batch batch) {
    const auto result = store.commit(std::move(batch));
    REQUIRE_FALSE(result);
    CHECK(result.error().code == Errc::too_large);
    CHECK(store.log_end() == end);
    CHECK(all_rows(store).empty());
  };
  refused({{Bytes(kRecordBytesMax + 1, 'x')}, {put("a", "1")}, {}});
  refused({{"r"}, {put("a", "1"), put(Bytes(kRowKeyBytesMax + 1, 'k'), "1")}, {}});
  refused({{"r"}, {put("a", "1"), put("", "1")}, {}});
  refused({{"r"}, {put("a", "1"), put("b", Bytes(kRecordBytesMax + 1, 'x'))}, {}});
  refused({{"r"}, {put("a", "1")}, {}, {{"a", Bytes(kRowKeyBytesMax + 1, 'k')}}});
  CHECK(store.commit({{Bytes(kRecordBytesMax, 'x')}, {put(Bytes(kRowKeyBytesMax, 'k'), "1")}, {}}));
  harness->sync();
  harness->checkpoint();
  harness->reopen();
  CHECK(harness->recover().old.at(0).second == Bytes(kRecordBytesMax, 'x'));
  Bytes value;
  CHECK(harness->store().get(Bytes(kRowKeyBytesMax, 'k'), value) == Found::yes);
}

TEST_CASE("store: both memtables full, answers full and changes nothing until one is free",
          "[storage][contract]") {
  auto harness = make_harness(EACH_STORE, 64u << 10);
  harness->recover();
  Store& store = harness->store();
  uint64_t n = 0;
  const auto fill = [&] {
    while (store.has_room()) REQUIRE(store.commit({{"r"}, {put(number_key(n++), Bytes(1000, 'v'))}, {}}));
  };
  fill();
  CHECK(store.wants_checkpoint());
  REQUIRE(store.begin_checkpoint({}));
  CHECK_FALSE(store.wants_checkpoint());
  CHECK_FALSE(store.begin_checkpoint({}));
  fill();
  // What one event commits after the first is taken as well, up to twice the size.
  REQUIRE(store.commit({{"r"}, {put(number_key(n++), Bytes(1000, 'v'))}, {}}));
  while (store.commit({{"r"}, {put(number_key(n), Bytes(1000, 'v'))}, {}})) ++n;
  const LogPosition end = store.log_end();
  const auto result = store.commit({{"r"}, {put("z", "1")}, {}});
  REQUIRE_FALSE(result);
  CHECK(result.error().code == Errc::full);
  CHECK(store.log_end() == end);
  Bytes value;
  CHECK(store.get("z", value) == Found::no);
  CHECK(store.get(number_key(0), value) == Found::yes);
  CHECK(store.usage().memtable_bytes < (300u << 10));
  while (!store.poll().checkpoint_done) {
  }
  REQUIRE(store.wants_checkpoint());
  harness->checkpoint();
  CHECK(store.has_room());
  CHECK(store.commit({{"r"}, {put("z", "1")}, {}}));
  CHECK(all_rows(store).size() == n + 1);
}

TEST_CASE("store: log records, kept until released and checkpointed", "[storage][contract]") {
  auto harness = make_harness(EACH_STORE);
  harness->recover();
  Store& store = harness->store();
  std::vector<LogPosition> at;
  for (int i = 0; i < 2000; ++i) {
    auto positions = store.commit({{Bytes(1000, 'r')}, {}, {}});
    REQUIRE(positions);
    at.push_back(positions->at(0));
  }
  harness->sync();
  store.release_log(at[1500]);
  CHECK(store.log_begin() == at[0]);
  CHECK(store.read_log(at[0]));
  harness->checkpoint();
  CHECK(store.log_begin() > at[0]);
  CHECK(store.log_begin() <= at[1500]);
  const auto gone = store.read_log(at[0]);
  REQUIRE_FALSE(gone);
  CHECK(gone.error().code == Errc::not_found);
  CHECK(store.read_log(at[1500]));
  const LogPosition begin = store.log_begin();
  harness->reopen();
  const auto recovered = harness->recover();
  REQUIRE_FALSE(recovered.old.empty());
  CHECK(recovered.old.front().first <= begin);
  CHECK(recovered.old.back().first == at.back());
  CHECK(recovered.applied.empty());
}

TEST_CASE("store: log over its bound, drops its oldest checkpointed records", "[storage][contract]") {
  auto harness = make_harness(EACH_STORE, 8u << 20, 1u << 20);
  harness->recover();
  Store& store = harness->store();
  const auto first = store.commit({{"first"}, {}, {}});
  REQUIRE(first);
  for (int i = 0; i < 3000; ++i) REQUIRE(store.commit({{Bytes(1000, 'r')}, {}, {}}));
  CHECK(store.read_log(first->at(0)));
  harness->checkpoint();
  CHECK(store.read_log(first->at(0)).error().code == Errc::not_found);
  CHECK(store.usage().log_bytes <= (2u << 20));
}

TEST_CASE("store: a damaged row, never handed out and the walk goes on", "[storage][contract]") {
  auto harness = make_harness(EACH_STORE);
  harness->recover();
  const Bytes value_b = "the value whose bytes will be flipped";
  const Bytes b = "b-the-key-to-damage";
  REQUIRE(harness->store().commit({{}, {put("a", "1"), put(b, value_b), put("c", "3")}, {}}));
  harness->checkpoint();
  harness->stop();
  REQUIRE(harness->damage_row(b));
  harness->start();
  harness->recover();
  Store& store = harness->store();
  Bytes value = "untouched";
  CHECK(store.get(b, value) == Found::damaged);
  CHECK(value == "untouched");
  CHECK(store.get("a", value) == Found::yes);
  std::vector<Bytes> keys;
  CHECK_FALSE(store.walk("a", "z", [&](BytesView key, BytesView) {
    keys.emplace_back(key);
    return true;
  }));
  CHECK(keys == std::vector<Bytes>{"a", "c"});
  REQUIRE(store.commit({{}, {put(b, "repaired")}, {}}));
  CHECK(store.get(b, value) == Found::yes);
  harness->checkpoint();
  CHECK(store.get(b, value) == Found::yes);
  CHECK(value == "repaired");
  CHECK(all_rows(store).size() == 3);
}

}  // namespace
