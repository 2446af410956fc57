#include "tools/atoll/json_bytes.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "crdt/base/base64.h"
#include "crdt/base/utf8.h"

namespace atolldb::tools {
void put_bytes(nlohmann::ordered_json& object, const std::string& name, BytesView bytes) {
  if (is_utf8(bytes))
    object[name] = std::string(bytes);
  else
    object[name + "_base64"] = base64(bytes);
}

std::string printable(BytesView bytes) {
  std::string out;
  while (!bytes.empty()) {
    const size_t length = std::max<size_t>(1, utf8_length(bytes));
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
