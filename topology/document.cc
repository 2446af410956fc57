#include "topology/document.h"

#include <toml++/toml.h>

#include <algorithm>
#include <tuple>

namespace atolldb::topology {
namespace {

// A table that no header opens (the document itself, a dotted key) has no place of its own: the file's start.
Place place_of(const toml::source_region& source) {
  return {std::max<uint32_t>(source.begin.line, 1), std::max<uint32_t>(source.begin.column, 1)};
}

Value value_of(const toml::node& node);

void read_table(const toml::table& table, Value& value) {
  value.kind = Value::Kind::table;
  for (auto&& [key, child] : table)
    value.entries.push_back({std::string(key.str()), place_of(key.source()), value_of(child)});
  // toml++ keeps keys sorted by name; errors come in the file's order.
  std::ranges::stable_sort(
      value.entries, {}, [](const Entry& entry) { return std::tuple(entry.place.line, entry.place.column); });
}

Value value_of(const toml::node& node) {
  Value value;
  value.place = place_of(node.source());
  if (const auto* text = node.as_string()) {
    value.kind = Value::Kind::text;
    value.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    value.kind = Value::Kind::integer;
    value.integer = integer->get();
  } else if (const auto* boolean = node.as_boolean()) {
    value.kind = Value::Kind::boolean;
    value.boolean = boolean->get();
  } else if (const auto* array = node.as_array()) {
    value.kind = Value::Kind::array;
    for (const toml::node& item : *array) value.items.push_back(value_of(item));
  } else if (const auto* table = node.as_table()) {
    read_table(*table, value);
  } else {
    value.text = node.is_floating_point() ? "a floating-point number" : "a date or time";
  }
  return value;
}

// toml++ says "Error while parsing X: expected Y, saw Z" for some of what is no TOML; anything else is
// quoted.
Error syntax_error(std::string_view file, const toml::parse_error& error) {
  constexpr std::string_view kExpected = "expected ", kSaw = ", saw ";
  const std::string_view text = error.description();
  const size_t expected = text.find(kExpected), saw = text.find(kSaw);
  const Place place = place_of(error.source());
  if (expected == std::string_view::npos || saw == std::string_view::npos || saw < expected)
    return error_at(file, place, "text that is no TOML (" + std::string(text) + ")",
                    "TOML 1.0 (https://toml.io)");
  const size_t from = expected + kExpected.size();
  return error_at(file, place, text.substr(saw + kSaw.size()), text.substr(from, saw - from));
}

}  // namespace

Error error_at(std::string_view file, Place place, std::string_view found, std::string_view expected) {
  return {Errc::invalid, std::string(file) + ":" + std::to_string(place.line) + ":" +
                             std::to_string(place.column) + ": found " + std::string(found) + ", expected " +
                             std::string(expected)};
}

Result<Value> read_document(std::string_view toml, std::string_view file) {
  try {
    return value_of(toml::parse(toml));
  } catch (const toml::parse_error& error) {
    return syntax_error(file, error);
  }
}

}  // namespace atolldb::topology
