#include "region/resp/parser.h"

#include <algorithm>
#include <charconv>

namespace atolldb::resp {
namespace {

constexpr size_t kWordsReserved = 16;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Empty; a large command's memory does not stay with its connection.
template <typename Items>
void clear(Items& items) {
  constexpr size_t kBytesKept = 4096;
  items.clear();
  if (items.capacity() * sizeof(typename Items::value_type) > kBytesKept) Items().swap(items);
}

char unescaped(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// One word of a line, from `at` on, appended to `out`. False: its quotes do not end, or do not end it.
bool take_word(BytesView line, size_t& at, Bytes& out) {
  char quote = 0;
  while (at < line.size()) {
    const char c = line[at];
    if (quote == 0) {
      if (is_space(c)) return true;
      ++at;
      if (c == '"' || c == '\'')
        quote = c;
      else
        out.push_back(c);
      continue;
    }
    ++at;
    if (c == quote) return at == line.size() || is_space(line[at]);
    if (c != '\\' || at == line.size()) {
      out.push_back(c);
      continue;
    }
    if (quote == '\'') {  // only the quote itself is escaped in here
      if (line[at] == '\'')
        out.push_back(line[at++]);
      else
        out.push_back('\\');
      continue;
    }
    if (line[at] == 'x' && at + 2 < line.size() && hex_digit(line[at + 1]) >= 0 &&
        hex_digit(line[at + 2]) >= 0) {
      out.push_back(static_cast<char>(hex_digit(line[at + 1]) * 16 + hex_digit(line[at + 2])));
      at += 3;
      continue;
    }
    out.push_back(unescaped(line[at++]));
  }
  return quote == 0;
}

}  // namespace

void CommandParser::next() {
  at_ = searched_ = wanted_ = 0;
  array_ = false;
  left_ = 0;
  bulk_ = -1;
  clear(spans_);
  clear(words_);
  clear(line_);
}

Parsed CommandParser::fail(std::string why) {
  error_ = "Protocol error: " + std::move(why);
  return Parsed::error;
}

Parsed CommandParser::parse(BytesView bytes) {
  if (!array_ && at_ == 0) {
    if (bytes.empty()) return Parsed::incomplete;
    if (bytes.front() != '*') return parse_line(bytes);
  }
  return parse_array(bytes);
}

Parsed CommandParser::take_number(BytesView bytes, const char* what, int64_t& number) {
  const size_t from = std::max(at_, searched_);
  const size_t end = bytes.find('\r', from);
  if (end == BytesView::npos || end + 1 >= bytes.size()) {
    searched_ = end == BytesView::npos ? bytes.size() : end;
    wanted_ = std::max(wanted_, bytes.size() + 1);
    if (bytes.size() - at_ > limits_.line_bytes_max) return fail(std::string("too big ") + what + " string");
    return Parsed::incomplete;
  }
  const char* first = bytes.data() + at_ + 1;
  const char* last = bytes.data() + end;
  const auto [stopped, error] = std::from_chars(first, last, number);
  const bool zeros = last - first > 1 && (*first == '0' || (*first == '-' && first[1] == '0'));
  if (error != std::errc() || stopped != last || first == last || zeros || bytes[end + 1] != '\n')
    number = INT64_MIN;
  at_ = end + 2;
  return Parsed::command;
}

Parsed CommandParser::parse_array(BytesView bytes) {
  if (!array_) {
    int64_t count = 0;
    if (const Parsed parsed = take_number(bytes, "mbulk count", count); parsed != Parsed::command)
      return parsed;
    if (count == INT64_MIN || count > static_cast<int64_t>(limits_.words_max))
      return fail("invalid multibulk length");
    array_ = true;
    left_ = std::max<int64_t>(count, 0);
    spans_.reserve(std::min<size_t>(static_cast<size_t>(left_), kWordsReserved));
  }
  while (left_ > 0) {
    if (bulk_ < 0) {
      if (at_ >= bytes.size()) {
        wanted_ = std::max(wanted_, at_ + 1);
        return Parsed::incomplete;
      }
      if (bytes[at_] != '$') return fail(std::string("expected '$', got '") + bytes[at_] + "'");
      int64_t size = 0;
      if (const Parsed parsed = take_number(bytes, "bulk count", size); parsed != Parsed::command)
        return parsed;
      if (size < 0 || size > static_cast<int64_t>(limits_.bulk_bytes_max)) return fail("invalid bulk length");
      bulk_ = size;
      if (at_ + static_cast<size_t>(size) > limits_.command_bytes_max)
        return fail("too big a command, at most " + std::to_string(limits_.command_bytes_max) +
                    " bytes are taken");
    }
    const size_t end = at_ + static_cast<size_t>(bulk_) + 2;
    if (bytes.size() < end) {
      wanted_ = end;
      return Parsed::incomplete;
    }
    if (bytes[end - 2] != '\r' || bytes[end - 1] != '\n') return fail("invalid bulk length");
    spans_.push_back({static_cast<uint32_t>(at_), static_cast<uint32_t>(bulk_)});
    at_ = end;
    bulk_ = -1;
    --left_;
  }
  words_.reserve(spans_.size());
  for (const Span& span : spans_) words_.push_back(bytes.substr(span.at, span.size));
  return Parsed::command;
}

Parsed CommandParser::parse_line(BytesView bytes) {
  const size_t end = bytes.find('\n', searched_);
  if (end == BytesView::npos) {
    searched_ = bytes.size();
    wanted_ = bytes.size() + 1;
    if (bytes.size() > limits_.line_bytes_max) return fail("too big inline request");
    return Parsed::incomplete;
  }
  if (end > limits_.line_bytes_max) return fail("too big inline request");
  BytesView line = bytes.substr(0, end);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (!split_words(line)) return fail("unbalanced quotes in request");
  at_ = end + 1;
  return Parsed::command;
}

bool CommandParser::split_words(BytesView line) {
  std::vector<Span> words;
  size_t at = 0;
  while (true) {
    while (at < line.size() && is_space(line[at])) ++at;
    if (at == line.size()) break;
    const size_t begin = line_.size();
    if (!take_word(line, at, line_)) return false;
    words.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(line_.size() - begin)});
  }
  for (const Span& span : words) words_.push_back(BytesView(line_).substr(span.at, span.size));
  return true;
}

}  // namespace atolldb::resp
