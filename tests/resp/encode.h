#pragma once
// What a client of RESP sends.

#include <string>
#include <vector>

#include "crdt/base/bytes.h"

namespace atolldb::resp {

inline Bytes encode(const std::vector<Bytes>& words) {
  Bytes out = "*" + std::to_string(words.size()) + "\r\n";
  for (const Bytes& word : words) out += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return out;
}

}  // namespace atolldb::resp
