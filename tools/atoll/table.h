#pragma once
// A table for people: a header line, columns as wide as their widest cell, two spaces between them.

#include <ostream>
#include <string>
#include <vector>

namespace atolldb::tools {

class Table {
 public:
  enum class Align : unsigned char { left, right };
  struct Column {
    std::string name;
    Align align = Align::left;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // Cells that are missing at the end stay empty; control characters are shown as '?'.
  void add(std::vector<std::string> cells);
  void print(std::ostream& out) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// "512 B", "1.5 MiB".
std::string human_bytes(double bytes);

}  // namespace atolldb::tools
