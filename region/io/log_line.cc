#include "region/io/log_line.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace atolldb::region {
namespace {

bool is_key(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  return !text.empty() && std::all_of(text.begin(), text.end(), letter);
}

// The next field at the front of `rest`, which is shortened by it. False: there is none.
bool take_field(std::string_view& rest, std::pair<std::string, std::string>& field) {
  const size_t equals = rest.find('=');
  if (equals == std::string_view::npos || !is_key(rest.substr(0, equals))) return false;
  std::string_view value = rest.substr(equals + 1);
  const bool quoted = value.starts_with('"');
  const size_t end = quoted ? value.find('"', 1) : value.find(' ');
  field.first = rest.substr(0, equals);
  field.second =
      quoted ? value.substr(1, end == std::string_view::npos ? end : end - 1) : value.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : value.substr(end + 1);
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  return true;
}

}  // namespace

LogLine parse_log_line(std::string_view line) {
  LogLine parsed;
  std::pair<std::string, std::string> field;
  while (!line.empty()) {
    if (take_field(line, field)) {
      parsed.fields.push_back(std::move(field));
      continue;
    }
    const size_t end = std::min(line.find(' '), line.size());
    if (!parsed.phrase.empty()) parsed.phrase += ' ';
    parsed.phrase += line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return parsed;
}

std::string json_string(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace atolldb::region
