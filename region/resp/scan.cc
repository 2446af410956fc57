#include "region/resp/scan.h"

#include <charconv>

#include "crdt/base/big_endian.h"
#include "region/resp/command.h"

namespace atolldb::resp {
namespace {

constexpr int kHashBitsLeftOut = 16;

// One character class, `at` behind its bracket. Leaves `at` behind its end.
bool class_takes(BytesView pattern, size_t& at, char c) {
  const bool negated = at < pattern.size() && pattern[at] == '^';
  if (negated) ++at;
  bool taken = false;
  while (at < pattern.size() && pattern[at] != ']') {
    if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
    const auto low = static_cast<unsigned char>(pattern[at]);
    const auto found = static_cast<unsigned char>(c);
    if (at + 2 < pattern.size() && pattern[at + 1] == '-' && pattern[at + 2] != ']') {
      const auto high = static_cast<unsigned char>(pattern[at + 2]);
      taken |= std::min(low, high) <= found && found <= std::max(low, high);
      at += 3;
      continue;
    }
    taken |= low == found;
    ++at;
  }
  if (at < pattern.size()) ++at;
  return taken != negated;
}

Bytes big_endian(uint64_t number) {
  Bytes out;
  append_big_endian(out, number);
  return out;
}

uint64_t number_of(BytesView bytes) {
  uint64_t number = 0;
  for (size_t i = 0; i < 8 && i < bytes.size(); ++i)
    number = number << 8 | static_cast<unsigned char>(bytes[i]);
  return number;
}

}  // namespace

// Only the last star is gone back to: what an earlier one could take, a later one can take as well.
bool matches(BytesView pattern, BytesView text) {
  size_t p = 0, t = 0;
  size_t star = BytesView::npos, star_text = 0;
  while (t < text.size()) {
    bool taken = false;
    size_t next = p;
    if (p < pattern.size()) {
      const char c = pattern[p];
      if (c == '*') {
        star = p++;
        star_text = t;
        continue;
      }
      next = p + 1;
      if (c == '?') {
        taken = true;
      } else if (c == '[') {
        taken = class_takes(pattern, next, text[t]);
      } else {
        const bool escaped = c == '\\' && next < pattern.size();
        taken = (escaped ? pattern[next] : c) == text[t];
        if (escaped) ++next;
      }
    }
    if (taken) {
      p = next;
      ++t;
      continue;
    }
    if (star == BytesView::npos) return false;
    p = star + 1;
    t = ++star_text;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::optional<ScanOptions> scan_options(Conversation& c, size_t first, bool with_type) {
  ScanOptions out;
  const BytesView cursor = c.words[first];
  const auto [end, error] = std::from_chars(cursor.data(), cursor.data() + cursor.size(), out.cursor);
  if (cursor.empty() || error != std::errc() || end != cursor.data() + cursor.size()) {
    c.reply.error("ERR invalid cursor");
    return std::nullopt;
  }
  for (size_t i = first + 1; i < c.words.size(); i += 2) {
    const bool whole = i + 1 < c.words.size();
    if (whole && equals(c.words[i], "match")) {
      out.pattern = c.words[i + 1];
    } else if (whole && with_type && equals(c.words[i], "type")) {
      out.type = lower(c.words[i + 1]);
    } else if (whole && equals(c.words[i], "count")) {
      const auto count = parse_number(c.words[i + 1]);
      if (!count || *count < 1) {
        c.reply.error(count ? kSyntax : kNotANumber);
        return std::nullopt;
      }
      out.count = static_cast<uint64_t>(*count);
    } else {
      c.reply.error(kSyntax);
      return std::nullopt;
    }
  }
  return out;
}

Bytes key_place(uint64_t cursor) { return big_endian(cursor << kHashBitsLeftOut); }
uint64_t key_cursor(BytesView place) {
  return place.empty() ? 0 : std::max<uint64_t>(1, number_of(place) >> kHashBitsLeftOut);
}

Bytes item_place(uint64_t cursor) {
  return cursor == 0 ? Bytes() : big_endian(cursor - 1) + Bytes(8, '\xff');
}
uint64_t item_cursor(BytesView place) { return place.empty() ? 0 : number_of(place) + 1; }

}  // namespace atolldb::resp
