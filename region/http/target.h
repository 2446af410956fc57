#pragma once
// The path and the query of a request.

#include <map>
#include <string>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/result.h"

namespace atolldb::http {

struct Target {
  std::vector<Bytes> path;             // between the slashes, unescaped: "/v1/kv/a%2Fb" has three
  std::map<std::string, Bytes> query;  // unescaped; a plus sign is a plus sign
};

// Errc::invalid: not in origin form, a broken escape, a parameter given twice.
Result<Target> parse_target(BytesView text);

}  // namespace atolldb::http
