#include "region/http/encoding.h"

#include <array>
#include <nlohmann/json.hpp>

#include "crdt/base/base64.h"
#include "crdt/base/utf8.h"

namespace atolldb::http {
namespace {

using nlohmann::json;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
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

json json_of(BytesView bytes) {
  if (is_utf8(bytes)) return std::string(bytes);
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
