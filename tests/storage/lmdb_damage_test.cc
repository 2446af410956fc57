// Bits that flip in LMDB's file: each of them has to be noticed or do no harm, wherever it lies. LMDB itself
// verifies nothing.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>

#include "crdt/base/prng.h"
#include "storage/lmdb_table.h"
#include "storage/merged_walk.h"
#include "tests/storage/store_harness.h"

namespace atolldb::storage::testing {
namespace {

using Rows = std::map<Bytes, Bytes>;

// Keys as the data types make them: partition, hash, length, name, tag, id.
Bytes row_key(Prng& prng, int i) {
  Bytes key(10, '\0');
  key[1] = static_cast<char>(i % 4);
  for (int b = 2; b < 10; ++b) key[b] = static_cast<char>(prng.below(256));
  const Bytes name = "name:" + std::to_string(i);
  key.push_back('\0');
  key.push_back(static_cast<char>(name.size()));
  return key + name + Bytes(17, '\2');
}

Rows make_rows() {
  Prng prng(1);
  Rows rows;
  for (int i = 0; i < 300; ++i)
    rows[row_key(prng, i)] =
        Bytes(i % 30 == 0 ? 5'000 : 20 + prng.below(200), static_cast<char>('a' + i % 26));
  return rows;
}

void write_table(const std::string& directory, const Rows& rows) {
  auto table = LmdbTable::open(directory, {});
  REQUIRE(table);
  for (int part = 0; part < 3; ++part) {  // several checkpoints: a tree whose pages were copied and split
    MemtablePair changes;
    int i = 0;
    for (const auto& [key, value] : rows)
      if (i++ % 3 == part) changes.rows.change(key, value);
    std::optional<Error> error;
    REQUIRE((*table)->write(changes, {static_cast<uint64_t>(part + 1)}, error) == Table::Written::done);
  }
}

enum Verdict : int { harmless, noticed, refused, wrong_value, hidden_from_get, hidden_from_walk, kVerdicts };

// Every row is read by its key, and all of them in one walk.
Verdict judge(const std::string& directory, const Rows& rows) {
  auto table = LmdbTable::open(directory, {});
  if (!table) return refused;
  bool damage = false;
  for (const auto& [key, expected] : rows) {
    Bytes value;
    const Found found = (*table)->get(Table::Part::rows, key, value);
    if (found == Found::no) return hidden_from_get;
    if (found == Found::yes && value != expected) return wrong_value;
    damage |= found == Found::damaged;
  }
  Rows walked;
  const auto cursor = (*table)->cursor(Table::Part::rows);
  const bool intact = merged_walk({}, nullptr, *cursor, Bytes(1, '\0'), Bytes(1, '\xff'),
                                  [&](BytesView key, BytesView value) {
                                    walked[Bytes(key)] = Bytes(value);
                                    return true;
                                  });
  for (const auto& [key, value] : walked)
    if (!rows.contains(key) || rows.at(key) != value) return wrong_value;
  if (intact && walked.size() != rows.size()) return hidden_from_walk;
  return damage || !intact ? noticed : harmless;
}

// In a process of its own: LMDB ends it where it meets what makes no sense to it.
int judge_apart(const std::string& directory, const Rows& rows) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (const int number : {SIGSEGV, SIGABRT, SIGBUS}) ::signal(number, SIG_DFL);
    if (std::freopen("/dev/null", "w", stderr) == nullptr) ::_exit(kVerdicts);
    ::_exit(judge(directory, rows));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : refused;
}

TEST_CASE("LMDB: a bit flips anywhere, no row is hidden and nothing wrong is read", "[crash]") {
  TemporaryDirectory whole, damaged;
  const Rows rows = make_rows();
  write_table(whole.path(), rows);
  const Bytes bytes = read_whole(whole.path() + "/data.mdb");
  constexpr size_t kMetaPages = 2 * 4096;  // LMDB takes the older one of two where one makes no sense
  Prng prng(7);
  int verdicts[kVerdicts + 1] = {};
  for (int i = 0; i < 3000; ++i) {
    const size_t at = kMetaPages + prng.below(bytes.size() - kMetaPages);
    const auto bit = static_cast<unsigned>(prng.below(8));
    Bytes flipped = bytes;
    flipped[at] = static_cast<char>(static_cast<unsigned char>(flipped[at]) ^ (1u << bit));
    write_whole(damaged.path() + "/data.mdb", flipped);
    std::filesystem::remove(damaged.path() + "/lock.mdb");
    const int verdict = judge_apart(damaged.path(), rows);
    INFO("page " << at / 4096 << ", offset " << at % 4096 << ", bit " << bit);
    CHECK((verdict == harmless || verdict == noticed || verdict == refused));
    ++verdicts[verdict];
  }
  CHECK(verdicts[noticed] > 500);
}

TEST_CASE("LMDB: a key is out of order, the table says that nothing can be called absent", "[storage]") {
  TemporaryDirectory directory;
  const Rows rows = make_rows();
  write_table(directory.path(), rows);
  const Bytes key = std::next(rows.begin(), 100)->first;
  Bytes bytes = read_whole(directory.path() + "/data.mdb");
  for (size_t at = bytes.find(key); at != Bytes::npos; at = bytes.find(key, at)) bytes[at] ^= 1;
  write_whole(directory.path() + "/data.mdb", bytes);
  auto table = LmdbTable::open(directory.path(), {});
  REQUIRE(table);
  CHECK_FALSE((*table)->failed());
  Bytes value;
  CHECK((*table)->get(Table::Part::rows, key, value) == Found::damaged);
  REQUIRE((*table)->failed());
  CHECK((*table)->failed()->message.find("the order of the rows") == 0);
}

TEST_CASE("LMDB: what is not there, is absent at either end and between any two rows", "[storage]") {
  TemporaryDirectory directory;
  const Rows rows = make_rows();
  {
    auto empty = LmdbTable::open(directory.path(), {});
    REQUIRE(empty);
    Bytes value;
    CHECK((*empty)->get(Table::Part::rows, "anything", value) == Found::no);
  }
  write_table(directory.path(), rows);
  auto table = LmdbTable::open(directory.path(), {});
  REQUIRE(table);
  for (const auto& [key, value] : rows) {
    Bytes got;
    CHECK((*table)->get(Table::Part::rows, key + "x", got) == Found::no);
    CHECK((*table)->get(Table::Part::rows, key.substr(0, key.size() - 1), got) == Found::no);
    CHECK((*table)->get(Table::Part::rows, key, got) == Found::yes);
    CHECK(got == value);
  }
  CHECK_FALSE((*table)->failed());
}

}  // namespace
}  // namespace atolldb::storage::testing
