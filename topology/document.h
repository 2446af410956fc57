#pragma once
// A TOML document as plain values that know their place in the file. toml++ is seen in document.cc only.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "crdt/base/result.h"

namespace atolldb::topology {

// Line and column count from 1.
struct Place {
  uint32_t line = 1;
  uint32_t column = 1;
};

struct Entry;

struct Value {
  enum class Kind : uint8_t { text, integer, boolean, array, table, other };

  Kind kind = Kind::other;
  Place place;
  std::string text;  // of a text; of another kind what to call it: "a floating-point number"
  int64_t integer = 0;
  bool boolean = false;
  std::vector<Value> items;    // of an array
  std::vector<Entry> entries;  // of a table, in file order
};

struct Entry {
  std::string key;
  Place place;  // of the key
  Value value;
};

// Reads TOML 1.0. What is none gives Errc::invalid, "FILE:LINE:COLUMN: found ..., expected ...". The result
// is a table.
Result<Value> read_document(std::string_view toml, std::string_view file);

// "FILE:LINE:COLUMN: found ..., expected ...": the form of every error about a topology file.
Error error_at(std::string_view file, Place place, std::string_view found, std::string_view expected);

}  // namespace atolldb::topology
