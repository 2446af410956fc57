#include "tools/atoll/words.h"

#include <charconv>

namespace atolldb::tools {
namespace {

class Splitter {
 public:
  explicit Splitter(std::string_view line) : line_(line) {}

  Result<std::vector<std::string>> split() {
    while (skip_blanks(), at_ < line_.size() && line_[at_] != '#') {
      words_.emplace_back();
      if (const auto taken = take_word(); !taken) return taken.error();
    }
    return std::move(words_);
  }

 private:
  bool is_blank() const { return line_[at_] == ' ' || line_[at_] == '\t'; }
  void skip_blanks() {
    while (at_ < line_.size() && is_blank()) ++at_;
  }

  Status take_word() {
    while (at_ < line_.size() && !is_blank()) {
      const char c = line_[at_++];
      Status taken = ok();
      if (c == '\'')
        taken = take_plain();
      else if (c == '"')
        taken = take_quoted();
      else if (c == '\\')
        taken = take_escape();
      else
        words_.back() += c;
      if (!taken) return taken;
    }
    return ok();
  }

  Status take_plain() {
    const size_t end = line_.find('\'', at_);
    if (end == std::string_view::npos) return {Errc::invalid, "found ' without its end, expected another '"};
    words_.back() += line_.substr(at_, end - at_);
    at_ = end + 1;
    return ok();
  }

  Status take_quoted() {
    while (at_ < line_.size()) {
      const char c = line_[at_++];
      if (c == '"') return ok();
      if (c != '\\') {
        words_.back() += c;
        continue;
      }
      if (const auto taken = take_escape(); !taken) return taken;
    }
    return {Errc::invalid, "found \" without its end, expected another \""};
  }

  Status take_escape() {
    if (at_ == line_.size()) return {Errc::invalid, "found \\ at the end, expected a character behind it"};
    const char c = line_[at_++];
    if (c == 'x') return take_hex();
    words_.back() += c == 'n' ? '\n' : c == 't' ? '\t' : c;
    return ok();
  }

  Status take_hex() {
    const std::string_view digits = line_.substr(at_, 2);
    unsigned value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 2 || error != std::errc() || end != digits.data() + 2)
      return {Errc::invalid, "found \\x" + std::string(digits) + ", expected two hex digits behind \\x"};
    words_.back() += static_cast<char>(value);
    at_ += 2;
    return ok();
  }

  std::string_view line_;
  size_t at_ = 0;
  std::vector<std::string> words_;
};

}  // namespace

Result<std::vector<std::string>> split_words(std::string_view line) { return Splitter(line).split(); }

}  // namespace atolldb::tools
