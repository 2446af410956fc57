#include "region/resp/scan.h"

#include <catch2/catch.hpp>

namespace atolldb::resp {
namespace {

TEST_CASE("RESP patterns: as Redis matches them", "[resp]") {
  CHECK(matches("*", ""));
  CHECK(matches("h?llo", "hello"));
  CHECK_FALSE(matches("h?llo", "hllo"));
  CHECK(matches("h*llo", "heeeello"));
  CHECK(matches("h[ae]llo", "hallo"));
  CHECK_FALSE(matches("h[^e]llo", "hello"));
  CHECK(matches("h[^e]llo", "hallo"));
  CHECK(matches("h[a-b]llo", "hbllo"));
  CHECK(matches("h[b-a]llo", "hbllo"));
  CHECK_FALSE(matches("h[a-b]llo", "hcllo"));
  CHECK(matches("\\*a", "*a"));
  CHECK_FALSE(matches("\\*a", "ba"));
  CHECK(matches("[\\]]", "]"));
  CHECK(matches("*a*b*c", "xxaxxbxxc"));
  CHECK_FALSE(matches("*a*b*c", "xxaxxcxxb"));
  CHECK_FALSE(matches("a", "ab"));
  CHECK_FALSE(matches("ab", "a"));
  CHECK_FALSE(matches("[", ""));
}

TEST_CASE("RESP patterns: many stars against a long text, no explosion", "[resp]") {
  Bytes pattern;
  for (int i = 0; i < 60; ++i) pattern += "*a";
  CHECK_FALSE(matches(pattern + "b", Bytes(20'000, 'a')));
}

TEST_CASE("RESP cursors: places and back, in order", "[resp]") {
  CHECK(key_cursor(key_place(77)) == 77);
  CHECK(key_cursor({}) == 0);
  CHECK(key_place(5) < key_place(6));
  CHECK(item_place(0).empty());
  CHECK(item_cursor({}) == 0);
  const Bytes id = Bytes("\x01\x02\x03\x04\x05\x06\x07\x08", 8) + Bytes(8, '\x09');
  CHECK(item_place(item_cursor(id)) > id);  // goes on behind it
}

}  // namespace
}  // namespace atolldb::resp
