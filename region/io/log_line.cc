#include "region/io/log_line.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace atolldb::region {
namespace {

bool is_key(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  return !text.empty() && std::all_of(text.begin(), text.end(), letter);
}

// The quoted value at the front of `rest`, which is shortened by it.
std::string take_quoted(std::string_view& rest) {
  std::string value;
  size_t at = 1;
  for (; at < rest.size() && rest[at] != '"'; ++at) {
    if (rest[at] == '\\' && at + 1 < rest.size())
      value += rest[++at] == 'n' ? '\n' : rest[at];
    else
      value += rest[at];
  }
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return value;
}

// The next field at the front of `rest`, which is shortened by it. False: there is none.
bool take_field(std::string_view& rest, std::pair<std::string, std::string>& field) {
  const size_t equals = rest.find('=');
  if (equals == std::string_view::npos || !is_key(rest.substr(0, equals))) return false;
  field.first = rest.substr(0, equals);
  rest.remove_prefix(equals + 1);
  if (rest.starts_with('"')) {
    field.second = take_quoted(rest);
  } else {
    field.second = rest.substr(0, rest.find(' '));
    rest.remove_prefix(field.second.size());
  }
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  return true;
}

}  // namespace

std::string log_field(std::string_view key, std::string_view value) {
  std::string text = " " + std::string(key) + "=";
  if (!value.empty() && value.find_first_of(" \"\\\n=") == std::string_view::npos)
    return text + std::string(value);
  text += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') text += '\\';
    if (c == '\n')
      text += "\\n";
    else
      text += c;
  }
  return text + '"';
}

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
