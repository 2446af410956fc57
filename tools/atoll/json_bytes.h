#pragma once
// Byte strings in JSON: as text where they are UTF-8, otherwise in base64 under "<name>_base64".

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "crdt/base/bytes.h"

namespace atolldb::tools {

void put_bytes(nlohmann::ordered_json& object, const std::string& name, BytesView bytes);

// For a terminal: text as it stands, anything else with \xNN for what cannot be printed.
std::string printable(BytesView bytes);

}  // namespace atolldb::tools
