#pragma once
// Reads one table of a topology file with errors that name the place. Private to parse.cc.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crdt/base/result.h"
#include "topology/document.h"

namespace atolldb::topology {

// Thrown and caught inside parse(): the first thing wrong ends the reading.
struct Invalid {
  Error error;
};

struct Range {
  int64_t min = 0;
  int64_t max = INT64_MAX;
};

class Section {
 public:
  // `title` is what a person calls the table: `[cluster]`, `[[region]] "eu"`. All three must outlive the
  // section.
  Section(std::string_view file, const Value& table, std::string title)
      : file_(file), table_(table), title_(std::move(title)) {}

  // Refuses every key but these; to be called before anything is read.
  void allow(std::initializer_list<std::string_view> keys) const;
  void rename(std::string title) { title_ = std::move(title); }

  bool has(std::string_view key) const { return find(key) != nullptr; }
  const Value* find(std::string_view key) const;
  // Where the key's value stands, or the table if there is none.
  Place at(std::string_view key) const;
  Place at() const { return table_.place; }
  const std::string& title() const { return title_; }

  // A value of the wrong type or out of range is refused. `expected` says what a person should write.
  std::optional<std::string> text(std::string_view key, std::string_view expected) const;
  std::optional<uint64_t> number(std::string_view key, Range range) const;
  std::optional<bool> flag(std::string_view key) const;
  std::string required_text(std::string_view key, std::string_view expected) const;
  uint64_t required_number(std::string_view key, Range range) const;
  // Array-of-tables key: every element, or none when the key is absent.
  std::vector<Section> tables(std::string_view key) const;
  std::optional<Section> table(std::string_view key, std::string_view expected) const;

  [[noreturn]] void fail(Place at, std::string_view found, std::string_view expected) const;
  // Refuses the value of `key`: "found key = value, expected ...".
  [[noreturn]] void fail_value(std::string_view key, std::string_view expected) const;
  [[noreturn]] void fail_missing(std::string_view key, std::string_view expected) const;

 private:
  std::string_view file_;
  const Value& table_;
  std::string title_;
};

// A value as it would stand in the file, shortened: `"abc"`, `17`, `a table`.
std::string describe(const Value& value);

}  // namespace atolldb::topology
