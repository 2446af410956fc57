#pragma once
// One HTTP request and its answer, without sockets and without the syntax of headers.

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "crdt/base/bytes.h"
#include "region/core/request.h"

namespace atolldb::http {

struct Call {
  std::string method;
  std::string target;  // as it came: path and query, escaped
  std::optional<std::string> context, session, if_match, if_none_match;
  Bytes body;
};

struct Answer {
  int status = 200;
  std::string type;  // of the body; empty where there is none
  Bytes body;
  std::vector<std::pair<std::string, std::string>> headers;
};

// How a call reaches the node: each request is answered, by its deadline at the latest.
struct Door {
  std::function<region::Response(region::Request&&)> ask;
  std::function<std::string()> metrics;  // the text of /metrics
  std::function<std::string(RegionId)> region_name;
};

// Never throws for what came from outside.
Answer answer(const Call& call, const Door& door);

}  // namespace atolldb::http
