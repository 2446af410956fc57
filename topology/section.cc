#include "topology/section.h"

#include <algorithm>

#include "topology/names.h"

namespace atolldb::topology {
namespace {

constexpr size_t kShownBytesMax = 48;

std::string quoted(std::string_view text) {
  // Cut between characters, never inside one: UTF-8 continuation bytes are 10xxxxxx.
  size_t shown = std::min(text.size(), kShownBytesMax);
  while (shown < text.size() && shown > 0 && (text[shown] & 0xc0) == 0x80) --shown;
  std::string out = "\"";
  for (const char c : text.substr(0, shown)) {
    const bool printable = static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\' && c != 0x7f;
    out += printable ? c : '?';
  }
  return out + (text.size() > shown ? "...\"" : "\"");
}

std::string listed(std::initializer_list<std::string_view> keys) {
  std::string out;
  size_t left = keys.size();
  for (const std::string_view key : keys) {
    out += key;
    --left;
    if (left > 0) out += left == 1 ? " or " : ", ";
  }
  return out;
}

std::string number_between(Range range) {
  if (range.max == INT64_MAX) return "an integer of at least " + std::to_string(range.min);
  return "an integer from " + std::to_string(range.min) + " to " + std::to_string(range.max);
}

}  // namespace

std::string describe(const Value& value) {
  switch (value.kind) {
    case Value::Kind::text:
      return quoted(value.text);
    case Value::Kind::integer:
      return std::to_string(value.integer);
    case Value::Kind::boolean:
      return value.boolean ? "true" : "false";
    case Value::Kind::array:
      return "an array";
    case Value::Kind::table:
      return "a table";
    case Value::Kind::other:
      break;
  }
  return value.text;
}

const Value* Section::find(std::string_view key) const {
  const auto it = std::ranges::find(table_.entries, key, &Entry::key);
  return it == table_.entries.end() ? nullptr : &it->value;
}

void Section::fail(Place at, std::string_view found, std::string_view expected) const {
  throw Invalid{error_at(file_, at, found, expected)};
}

void Section::fail_value(std::string_view key, std::string_view expected) const {
  const Value* node = find(key);
  ensure(node != nullptr, "only a value that is there is refused");
  fail(node->place, std::string(key) + " = " + describe(*node) + " in " + title_, expected);
}

void Section::fail_missing(std::string_view key, std::string_view expected) const {
  fail(at(), "no " + std::string(key) + " in " + title_,
       "the key " + std::string(key) + " with " + std::string(expected));
}

Place Section::at(std::string_view key) const {
  const Value* node = find(key);
  return node == nullptr ? at() : node->place;
}

void Section::allow(std::initializer_list<std::string_view> keys) const {
  for (const Entry& entry : table_.entries) {
    if (std::ranges::find(keys, entry.key) != keys.end()) continue;
    std::string expected = listed(keys);
    if (const auto meant = nearest(entry.key, std::span(keys.begin(), keys.size())))
      expected += "; did you mean \"" + std::string(*meant) + "\"?";
    fail(entry.place, "unknown key " + quoted(entry.key) + " in " + title_, expected);
  }
}

std::optional<std::string> Section::text(std::string_view key, std::string_view expected) const {
  const Value* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (node->kind != Value::Kind::text) fail_value(key, expected);
  return node->text;
}

std::optional<uint64_t> Section::number(std::string_view key, Range range) const {
  const Value* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (node->kind != Value::Kind::integer) fail_value(key, number_between(range));
  const int64_t value = node->integer;
  if (value < range.min || value > range.max) fail_value(key, number_between(range));
  return static_cast<uint64_t>(value);
}

std::optional<bool> Section::flag(std::string_view key) const {
  const Value* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (node->kind != Value::Kind::boolean) fail_value(key, "true or false");
  return node->boolean;
}

std::string Section::required_text(std::string_view key, std::string_view expected) const {
  auto value = text(key, expected);
  if (!value) fail_missing(key, expected);
  return *std::move(value);
}

uint64_t Section::required_number(std::string_view key, Range range) const {
  const auto value = number(key, range);
  if (!value) fail_missing(key, number_between(range));
  return *value;
}

std::vector<Section> Section::tables(std::string_view key) const {
  const Value* node = find(key);
  if (node == nullptr) return {};
  const std::string header = "[[" + std::string(key) + "]]";
  const bool all_tables =
      node->kind == Value::Kind::array &&
      std::ranges::all_of(node->items, [](const Value& item) { return item.kind == Value::Kind::table; });
  if (!all_tables)
    fail(node->place, std::string(key) + " as " + describe(*node), "one " + header + " section for each");
  std::vector<Section> sections;
  for (const Value& item : node->items) sections.emplace_back(file_, item, header);
  return sections;
}

std::optional<Section> Section::table(std::string_view key, std::string_view expected) const {
  const Value* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (node->kind != Value::Kind::table) fail_value(key, expected);
  return Section(file_, *node, std::string(key));
}

}  // namespace atolldb::topology
