#pragma once
// What the paths share: the call in hand with its target understood, the node's requests made of it, and
// answers made of the node's.

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "crdt/base/result.h"
#include "region/http/call.h"
#include "region/http/target.h"

namespace atolldb::http {

struct Exchange {
  const Call& call;
  const Target& target;
  const Door& door;
  region::Request common;  // r, w, local and deadline, and the key where the path has one

  region::Request request(region::Op op) const;
  region::Response ask(region::Op op) const { return door.ask(request(op)); }
};

inline bool failed(const region::Response& response) { return response.outcome != region::Outcome::done; }
// The answer to whatever was not done, and the one to a call that cannot be understood.
Answer failure(const region::Response& response);
Answer failure(int status, const char* code, const std::string& message);
Answer invalid(const std::string& message);
Answer not_found(const char* what);

Answer no_content();
Answer json_answer(const nlohmann::json& value, int status = 200);
// Marks what was read below the topology's R.
Answer marked(Answer&& answer, const region::Response& response);

// A parameter that is true or false; left out: false.
Result<bool> flag(const Target& target, const char* name);
// A whole number of the query. Nothing there: `fallback`.
Result<int64_t> number(const Target& target, const char* name, int64_t least, int64_t most, int64_t fallback);

using Handler = Answer (*)(const Exchange&);

// One path and what it does for each method. A `{...}` matches any one part that is not empty; the first of
// them is the key.
struct Path {
  const char* pattern;
  struct Method {
    const char* name;
    Handler handler;
    std::span<const char* const> parameters;  // of the query, besides those that every key has
  };
  std::span<const Method> methods;
};

std::span<const Path> value_paths();
std::span<const Path> collection_paths();
std::span<const Path> node_paths();

}  // namespace atolldb::http
