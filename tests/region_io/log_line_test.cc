// Log lines: what is written as fields comes back as fields, whatever the values hold.

#include "region/io/log_line.h"

#include <catch2/catch.hpp>

namespace atolldb::region {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

TEST_CASE("log line: phrase and fields, told apart", "[region]") {
  const LogLine line = parse_log_line("peer link up region=eu node=eu-1 peer=us-1");
  CHECK(line.phrase == "peer link up");
  CHECK(line.fields == Fields{{"region", "eu"}, {"node", "eu-1"}, {"peer", "us-1"}});
}

TEST_CASE("log line: values with blanks, quotes, backslashes, newlines or nothing, come back", "[region]") {
  for (const std::string value :
       {"", "plain", "two words", "say \"hi\"", "C:\\dir", "a\nb", "x=y", "\\", "\\\"", "\\n"}) {
    const std::string text = "event" + log_field("first", value) + log_field("second", "2");
    INFO(text);
    CHECK(text.find('\n') == std::string::npos);
    const LogLine line = parse_log_line(text);
    CHECK(line.phrase == "event");
    CHECK(line.fields == Fields{{"first", value}, {"second", "2"}});
  }
}

TEST_CASE("log line: no fields, ends in a quote, or empty, still a line", "[region]") {
  CHECK(parse_log_line("").phrase.empty());
  CHECK(parse_log_line("only words here").phrase == "only words here");
  CHECK(parse_log_line("event reason=\"cut off").fields == Fields{{"reason", "cut off"}});
  CHECK(parse_log_line("event a= b").fields == Fields{{"a", ""}});
  CHECK(parse_log_line("Not=a key").phrase == "Not=a key");
}

TEST_CASE("log line: text that is not UTF-8, JSON all the same", "[region]") {
  CHECK(json_string("a\"b") == "\"a\\\"b\"");
  CHECK(json_string("\xff") == "\"\xEF\xBF\xBD\"");
}

}  // namespace
}  // namespace atolldb::region
