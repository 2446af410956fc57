#pragma once
// CURVE keys as text: 32 bytes in Z85, 40 characters.

#include <string>
#include <string_view>

#include "crdt/base/bytes.h"
#include "crdt/base/result.h"

namespace atolldb::wan {

inline constexpr size_t kCurveKeyCharacters = 40;
inline constexpr size_t kCurveKeyBytes = 32;

// The public key that belongs to a secret one. Errc::invalid: not a key; the message does not repeat it.
Result<std::string> public_key_of(const std::string& secret_key);

// Whether this is the text of a key, secret or public.
bool is_key(const std::string& text);

// Text of a key's 32 bytes, as ZAP hands them over. Empty: `bytes` has another size.
std::string key_text(BytesView bytes);

}  // namespace atolldb::wan
