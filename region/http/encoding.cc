#include "region/http/encoding.h"

#include <array>
#include <nlohmann/json.hpp>

namespace atolldb::http {
namespace {

using nlohmann::json;

constexpr BytesView kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_utf8(const json& text) {
  try {
    text.dump();
    return true;
  } catch (const json::type_error&) {
    return false;
  }
}

}  // namespace

std::optional<Bytes> percent_decoded(BytesView text) {
  Bytes out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high << 4 | low));
    i += 2;
  }
  return out;
}

std::string base64(BytesView bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t word = 0;
    for (size_t j = 0; j < 3; ++j)
      word = word << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0);
    for (size_t j = 0; j < 4; ++j)
      out.push_back(i + j <= bytes.size() ? kDigits[word >> (18 - 6 * j) & 63] : '=');
  }
  return out;
}

std::optional<Bytes> base64_decoded(BytesView text) {
  if (text.size() % 4 != 0) return std::nullopt;
  size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  Bytes out;
  out.reserve(text.size() / 4 * 3);
  uint32_t word = 0;
  int bits = 0;
  for (const char c : text.substr(0, text.size() - padding)) {
    const size_t digit = kDigits.find(c);
    if (digit == BytesView::npos) return std::nullopt;
    word = (word << 6 | static_cast<uint32_t>(digit)) & 0xfff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out.push_back(static_cast<char>(word >> bits));
  }
  if ((word & ((1u << bits) - 1)) != 0) return std::nullopt;
  return out;
}

json json_of(BytesView bytes) {
  json text = std::string(bytes);
  if (is_utf8(text)) return text;
  return json{{"base64", base64(bytes)}};
}

std::optional<Bytes> bytes_of(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_object() || value.size() != 1) return std::nullopt;
  const auto coded = value.find("base64");
  if (coded == value.end() || !coded->is_string()) return std::nullopt;
  return base64_decoded(coded->get_ref<const std::string&>());
}

}  // namespace atolldb::http
