#include "tools/atoll/table.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace atolldb::tools {
namespace {

// Characters, not bytes, of UTF-8 text.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(),
                                           [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

void print_line(std::ostream& out, const std::vector<std::string>& cells,
                const std::vector<Table::Column>& columns, const std::vector<size_t>& widths) {
  std::string line;
  for (size_t i = 0; i < columns.size(); ++i) {
    const std::string& cell = i < cells.size() ? cells[i] : std::string();
    const std::string padding(widths[i] - width_of(cell), ' ');
    if (i > 0) line += "  ";
    line += columns[i].align == Table::Align::right ? padding + cell : cell + padding;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  out << line << "\n";
}

}  // namespace

void Table::add(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  for (std::string& cell : cells)
    for (char& c : cell)
      if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f) c = '?';
  rows_.push_back(std::move(cells));
}

void Table::print(std::ostream& out) const {
  std::vector<std::string> names;
  std::vector<size_t> widths;
  for (const Column& column : columns_) {
    names.push_back(column.name);
    widths.push_back(width_of(column.name));
  }
  for (const auto& row : rows_)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  print_line(out, names, columns_, widths);
  for (const auto& row : rows_) print_line(out, row, columns_, widths);
}

std::string human_bytes(double bytes) {
  static constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  for (; bytes >= 1024 && unit + 1 < kUnits.size(); ++unit) bytes /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, kUnits[unit]);
  return text;
}

}  // namespace atolldb::tools
