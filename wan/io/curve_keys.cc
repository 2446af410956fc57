#include "wan/io/curve_keys.h"

#include <zmq.h>

namespace atolldb::wan {

Result<std::string> public_key_of(const std::string& secret_key) {
  const std::string expected = "expected a CURVE secret key of 40 characters in Z85";
  if (secret_key.size() != kCurveKeyCharacters)
    return {Errc::invalid, expected + ", found " + std::to_string(secret_key.size()) + " characters"};
  // zmq_curve_public trusts its input to be Z85.
  if (!is_key(secret_key)) return {Errc::invalid, expected + ", found a character that Z85 does not have"};
  char text[kCurveKeyCharacters + 1];
  if (zmq_curve_public(text, secret_key.c_str()) != 0)
    return {Errc::invalid, "this libzmq cannot use CURVE: " + std::string(zmq_strerror(zmq_errno()))};
  return std::string(text);
}

bool is_key(const std::string& text) {
  uint8_t decoded[kCurveKeyBytes];
  return text.size() == kCurveKeyCharacters && zmq_z85_decode(decoded, text.c_str()) != nullptr;
}

std::string key_text(BytesView bytes) {
  if (bytes.size() != kCurveKeyBytes) return {};
  char text[kCurveKeyCharacters + 1];
  if (zmq_z85_encode(text, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()) == nullptr)
    return {};
  return text;
}

}  // namespace atolldb::wan
