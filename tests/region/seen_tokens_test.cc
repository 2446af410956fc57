#include "region/core/seen_tokens.h"

#include <catch2/catch.hpp>

using atolldb::region::SeenTokens;

TEST_CASE("SeenTokens: a forward that comes twice, is taken once", "[region]") {
  SeenTokens seen;
  CHECK(seen.take(7, 100));
  CHECK(seen.take(7, 99));
  CHECK_FALSE(seen.take(7, 100));
  CHECK_FALSE(seen.take(7, 99));
}

TEST_CASE("SeenTokens: a process and the clone of its disk, each has tokens of its own", "[region]") {
  SeenTokens seen;
  CHECK(seen.take(7, 100));
  CHECK(seen.take(9, 100));
  CHECK(seen.take(7, 101));  // the one that was there before goes on
  CHECK_FALSE(seen.take(7, 100));
  CHECK_FALSE(seen.take(9, 100));
}

TEST_CASE("SeenTokens: a late forward of a process that many have followed, is refused", "[region]") {
  SeenTokens seen;
  CHECK(seen.take(7, 100));
  for (uint32_t process = 10; process < 10 + SeenTokens::kProcesses; ++process) CHECK(seen.take(process, 1));
  CHECK_FALSE(seen.take(7, 101));
}

TEST_CASE("SeenTokens: more than are kept, the oldest count as taken", "[region]") {
  SeenTokens seen;
  for (uint64_t token = 1; token <= SeenTokens::kKept + 2; ++token) CHECK(seen.take(7, 2 * token));
  CHECK_FALSE(seen.take(7, 2));
  CHECK_FALSE(seen.take(7, 3));
}
