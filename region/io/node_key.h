#pragma once
// A node's CURVE secret key: one line of 40 characters in a file that only its owner can read.

#include <string>

#include "crdt/base/result.h"

namespace atolldb::region {

struct NodeKey {
  std::string secret_key;           // Z85
  bool readable_by_others = false;  // the file's mode lets group or world read it
};

// Errc::io: the file cannot be read. Errc::invalid: it does not hold a key. Messages say what to do and never
// repeat the file's content.
Result<NodeKey> read_node_key(const std::string& path);

}  // namespace atolldb::region
