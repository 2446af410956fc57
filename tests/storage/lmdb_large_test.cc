// Checkpoints that are larger than what LMDB keeps in memory: a set that gets a quarter of a million members
// with one command is one batch. Half a gigabyte, and so not among the fast tests.

#include <catch2/catch.hpp>

#include "storage/lmdb_table.h"
#include "tests/storage/store_harness.h"

using namespace atolldb;
using namespace atolldb::storage;
using namespace atolldb::storage::testing;

TEST_CASE("lmdb table: one write changes more pages than a transaction holds, all of it is there",
          "[storage][.large]") {
  constexpr uint64_t kPages = 150'000, kRowsAtOnce = 30'000;
  const TemporaryDirectory dir;
  const auto table = LmdbTable::open(dir.path(), {});
  REQUIRE(table);
  const auto write = [&](const MemtablePair& changes) {
    std::optional<Error> error;
    const Table::Written written = (*table)->write(changes, {1}, error);
    if (error) FAIL_CHECK(error->message);
    return written == Table::Written::done;
  };
  const Bytes half_a_page(1900, 'v');
  for (uint64_t row = 0; row < 2 * kPages; row += kRowsAtOnce) {
    MemtablePair rows;
    for (uint64_t i = row; i < row + kRowsAtOnce; ++i) rows.rows.change(number_key(i), Bytes(half_a_page));
    REQUIRE(write(rows));
  }
  MemtablePair changes;
  for (uint64_t page = 0; page < kPages; ++page)
    changes.rows.change(number_key(2 * page), page % 4 == 0 ? std::nullopt : std::optional<Bytes>("new"));
  REQUIRE(write(changes));
  Bytes value;
  uint64_t wrong = 0;
  for (uint64_t row = 0; row < 2 * kPages; ++row) {
    const Found found = (*table)->get(Table::Part::rows, number_key(row), value);
    const bool erased = row % 8 == 0, changed = row % 2 == 0;
    if (found != (erased ? Found::no : Found::yes)) ++wrong;
    if (!erased && value != (changed ? "new" : half_a_page)) ++wrong;
  }
  CHECK(wrong == 0);
}
