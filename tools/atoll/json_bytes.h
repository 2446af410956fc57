#pragma once
// Byte strings in JSON: as text where they are UTF-8, otherwise in base64 under "<name>_base64".

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "crdt/base/bytes.h"

namespace atolldb::tools {

bool is_utf8(BytesView bytes);  // strict: no overlong forms, no surrogates, nothing above U+10FFFF
std::string base64(BytesView bytes);
std::optional<Bytes> from_base64(BytesView text);  // padded, one spelling; nothing: it is none
void put_bytes(nlohmann::ordered_json& object, const std::string& name, BytesView bytes);

// For a terminal: text as it stands, anything else with \xNN for what cannot be printed.
std::string printable(BytesView bytes);

}  // namespace atolldb::tools
