#pragma once
// The form of a log line: a fixed phrase, then key=value fields; values with blanks stand in double quotes.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace atolldb::region {

struct LogLine {
  std::string phrase;
  std::vector<std::pair<std::string, std::string>> fields;  // in order; quotes removed
};

// Never fails: what has no field form belongs to the phrase.
LogLine parse_log_line(std::string_view line);

// `text` as a JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

}  // namespace atolldb::region
