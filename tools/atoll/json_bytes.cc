#include "tools/atoll/json_bytes.h"

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace atolldb::tools {
namespace {

constexpr std::array<uint32_t, 5> kLeastOfLength = {0, 0, 0x80, 0x800, 0x10000};

// Length of the UTF-8 sequence at the start, 0 when there is none.
size_t sequence_length(BytesView bytes) {
  const auto first = static_cast<uint8_t>(bytes[0]);
  const size_t length = first < 0x80             ? 1
                        : (first & 0xe0) == 0xc0 ? 2
                        : (first & 0xf0) == 0xe0 ? 3
                        : (first & 0xf8) == 0xf0 ? 4
                                                 : 0;
  if (length == 0 || length > bytes.size()) return 0;
  if (length == 1) return 1;
  uint32_t code = first & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    const auto next = static_cast<uint8_t>(bytes[i]);
    if ((next & 0xc0) != 0x80) return 0;
    code = (code << 6) | (next & 0x3f);
  }
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code < kLeastOfLength[length] || code > 0x10ffff || surrogate ? 0 : length;
}

constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

bool is_utf8(BytesView bytes) {
  while (!bytes.empty()) {
    const size_t length = sequence_length(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

std::string base64(BytesView bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    const size_t have = std::min<size_t>(3, bytes.size() - i);
    for (size_t j = 0; j < 3; ++j) group = (group << 8) | (j < have ? static_cast<uint8_t>(bytes[i + j]) : 0);
    for (size_t j = 0; j < 4; ++j) out.push_back(j <= have ? kDigits[(group >> (18 - 6 * j)) & 63] : '=');
  }
  return out;
}

std::optional<Bytes> from_base64(BytesView text) {
  if (text.size() % 4 != 0) return std::nullopt;
  Bytes out;
  uint32_t group = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t digit = BytesView(kDigits, 64).find(text[i]);
    group = group << 6 | static_cast<uint32_t>(digit == BytesView::npos ? 0 : digit);
    if (i % 4 != 3) continue;
    for (int shift = 16; shift >= 0; shift -= 8) out.push_back(static_cast<char>(group >> shift));
    group = 0;
  }
  if (text.ends_with('=')) out.pop_back();
  if (text.ends_with("==")) out.pop_back();
  if (base64(out) != text) return std::nullopt;
  return out;
}

void put_bytes(nlohmann::ordered_json& object, const std::string& name, BytesView bytes) {
  if (is_utf8(bytes))
    object[name] = std::string(bytes);
  else
    object[name + "_base64"] = base64(bytes);
}

std::string printable(BytesView bytes) {
  std::string out;
  while (!bytes.empty()) {
    const size_t length = std::max<size_t>(1, sequence_length(bytes));
    const auto first = static_cast<uint8_t>(bytes[0]);
    const bool shown = length > 1 || (first >= 0x20 && first < 0x7f);
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, "\\x%02x", first);
    out += shown ? std::string(bytes.substr(0, length)) : std::string(escaped);
    bytes.remove_prefix(length);
  }
  return out;
}

}  // namespace atolldb::tools
