#pragma once
// The form of a log line: a fixed phrase, then key=value fields. Values with blanks or quotes stand in double
// quotes, with
// \" and \\ and \n inside.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace atolldb::region {

// " key=value" for the end of a line, quoted where it needs to be.
std::string log_field(std::string_view key, std::string_view value);

struct LogLine {
  std::string phrase;
  std::vector<std::pair<std::string, std::string>> fields;  // in order; quotes removed
};

// Never fails: what has no field form belongs to the phrase.
LogLine parse_log_line(std::string_view line);

// `text` as a JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

}  // namespace atolldb::region
