// A memtable takes as many rows as its checkpoint may dirty pages: many over a small table, few over a large
// one.

#include "storage/dirty_pages.h"

#include <catch2/catch.hpp>
#include <vector>

#include "crdt/base/prng.h"
#include "tests/storage/disk_fixture.h"

using namespace atolldb;
using namespace atolldb::storage;
using namespace atolldb::storage::testing;

namespace {
constexpr size_t kValueBytes = 100;

// Random ones of the first `of` rows, until the store wants a checkpoint. How many that were.
uint64_t change_until_wanted(Store& store, Prng& random, uint64_t of) {
  uint64_t changed = 0;
  for (; !store.wants_checkpoint() && changed < 100'000; ++changed)
    REQUIRE(store.commit({{}, {put(number_key(random.below(of)), Bytes(kValueBytes, 'w'))}, {}}));
  return changed;
}

uint64_t rows_that_dirty(uint64_t most, uint64_t tree_pages) {
  uint64_t rows = 0;
  while (rows < 100 * most && !dirties(static_cast<double>(most), static_cast<double>(rows), 0, tree_pages))
    ++rows;
  return rows;
}
}  // namespace

TEST_CASE("dirty pages: random rows on the pages of a tree, as many are hit as expected", "[storage]") {
  Prng random(1);
  for (const uint64_t tree : {500, 2'000, 20'000}) {
    for (const uint64_t rows : {100, 1'000, 5'000}) {
      std::vector<bool> hit(tree);
      for (uint64_t i = 0; i < rows; ++i) hit[random.below(tree)] = true;
      const auto pages = static_cast<double>(std::count(hit.begin(), hit.end(), true));
      CAPTURE(tree, rows, pages);
      CHECK(dirties(0.9 * pages, static_cast<double>(rows), 0, tree));
      CHECK_FALSE(dirties(1.1 * pages, static_cast<double>(rows), 0, tree));
    }
  }
}

TEST_CASE("dirty pages: a page for each row, no more of them than the bound says", "[storage]") {
  constexpr uint64_t kMost = 1'000;
  uint64_t worst = 0;
  for (uint64_t tree = kMost; tree < 4 * kMost; tree += 10)
    worst = std::max(worst, std::min(tree, rows_that_dirty(kMost, tree)));
  CHECK(static_cast<double>(worst) <= kDirtyAtMost * kMost + 1);
  CHECK(static_cast<double>(worst) > 0.98 * kDirtyAtMost * kMost);
}

TEST_CASE("disk store: the table grows, a memtable takes fewer rows before a checkpoint is wanted",
          "[storage][disk]") {
  constexpr uint64_t kFew = 2'000, kMany = 60'000;
  TemporaryDirectory dir;
  DiskStoreOptions options = small_options(dir.path());
  options.memtable_bytes = 8u << 20;
  options.log_bytes_max = 1u << 30;
  options.memtable_pages = 500;
  auto store = must_recover(options);
  Prng random(2);
  const auto fill = [&](uint64_t from, uint64_t to) {
    for (uint64_t n = from; n < to; ++n) {
      REQUIRE(store->commit({{}, {put(number_key(n), Bytes(kValueBytes, 'v'))}, {}}));
      if (!store->wants_checkpoint() && n + 1 < to) continue;
      REQUIRE(store->begin_checkpoint({}));
      wait_checkpoint(*store);
    }
  };
  fill(0, kFew);
  const uint64_t over_few = change_until_wanted(*store, random, kFew);
  REQUIRE(store->begin_checkpoint({}));
  wait_checkpoint(*store);
  fill(kFew, kMany);
  const uint64_t over_many = change_until_wanted(*store, random, kMany);
  CAPTURE(over_few, over_many);
  CHECK(over_few > 4 * over_many);
  CHECK(over_many > options.memtable_pages / 4);
  CHECK(over_many < options.memtable_pages);
  // A start knows it as well.
  store.reset();
  store = must_recover(options);
  CHECK(change_until_wanted(*store, random, kMany) < 2 * over_many);
}
