#pragma once
// Bytes in URLs, headers and JSON.

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "crdt/base/bytes.h"

namespace atolldb::http {

// RFC 3986, 2.1. Nothing: a percent sign without two hexadecimal digits behind it.
std::optional<Bytes> percent_decoded(BytesView text);

// A string where the bytes are UTF-8, else {"base64": ...}.
nlohmann::json json_of(BytesView bytes);
// The bytes that json_of() made, or a person wrote. Nothing: another form.
std::optional<Bytes> bytes_of(const nlohmann::json& value);

}  // namespace atolldb::http
