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

Error error_at(std::string_view file, toml::source_position at, std::string_view found,
               std::string_view expected) {
  // A table that no header opens (the document itself, a dotted key) has no place of its own: the file's
  // start.
  const uint32_t line = std::max<uint32_t>(at.line, 1), column = std::max<uint32_t>(at.column, 1);
  return {Errc::invalid, std::string(file) + ":" + std::to_string(line) + ":" + std::to_string(column) +
                             ": found " + std::string(found) + ", expected " + std::string(expected)};
}

std::string describe(const toml::node& node) {
  if (const auto* text = node.as_string()) return quoted(text->get());
  if (const auto* integer = node.as_integer()) return std::to_string(integer->get());
  if (const auto* boolean = node.as_boolean()) return boolean->get() ? "true" : "false";
  if (node.is_floating_point()) return "a floating-point number";
  if (node.is_array_of_tables()) return "an array of tables";
  if (node.is_array()) return "an array";
  if (node.is_table()) return "a table";
  return "a date or time";
}

void Section::fail(toml::source_position at, std::string_view found, std::string_view expected) const {
  throw Invalid{error_at(file_, at, found, expected)};
}

void Section::fail_value(std::string_view key, std::string_view expected) const {
  const toml::node* node = find(key);
  ensure(node != nullptr, "only a value that is there is refused");
  fail(node->source().begin, std::string(key) + " = " + describe(*node) + " in " + title_, expected);
}

void Section::fail_missing(std::string_view key, std::string_view expected) const {
  fail(at(), "no " + std::string(key) + " in " + title_,
       "the key " + std::string(key) + " with " + std::string(expected));
}

toml::source_position Section::at(std::string_view key) const {
  const toml::node* node = find(key);
  return node == nullptr ? at() : node->source().begin;
}

void Section::allow(std::initializer_list<std::string_view> keys) const {
  const toml::key* first = nullptr;
  for (auto&& [key, value] : table_) {
    if (std::ranges::find(keys, key.str()) != keys.end()) continue;
    const auto place = [](const toml::key& k) {
      return std::pair(k.source().begin.line, k.source().begin.column);
    };
    if (first == nullptr || place(key) < place(*first)) first = &key;
  }
  if (first == nullptr) return;
  std::string expected = listed(keys);
  if (const auto meant = nearest(first->str(), std::span(keys.begin(), keys.size())))
    expected += "; did you mean \"" + std::string(*meant) + "\"?";
  fail(first->source().begin, "unknown key " + quoted(first->str()) + " in " + title_, expected);
}

std::optional<std::string> Section::text(std::string_view key, std::string_view expected) const {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (!node->is_string()) fail_value(key, expected);
  return node->as_string()->get();
}

std::optional<uint64_t> Section::number(std::string_view key, Range range) const {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (!node->is_integer()) fail_value(key, number_between(range));
  const int64_t value = node->as_integer()->get();
  if (value < range.min || value > range.max) fail_value(key, number_between(range));
  return static_cast<uint64_t>(value);
}

std::optional<bool> Section::flag(std::string_view key) const {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (!node->is_boolean()) fail_value(key, "true or false");
  return node->as_boolean()->get();
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
  const toml::node* node = find(key);
  if (node == nullptr) return {};
  const std::string header = "[[" + std::string(key) + "]]";
  const auto* array = node->as_array();
  if (array == nullptr || !array->is_homogeneous(toml::node_type::table))
    fail(node->source().begin, std::string(key) + " as " + describe(*node),
         "one " + header + " section for each");
  std::vector<Section> sections;
  for (const toml::node& element : *array) sections.emplace_back(file_, *element.as_table(), header);
  return sections;
}

std::optional<Section> Section::table(std::string_view key, std::string_view expected) const {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (!node->is_table()) fail_value(key, expected);
  return Section(file_, *node->as_table(), std::string(key));
}

}  // namespace atolldb::topology
