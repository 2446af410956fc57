// /v1/kv: strings as raw bytes.

#include <array>
#include <nlohmann/json.hpp>

#include "crdt/base/base64.h"
#include "region/http/encoding.h"
#include "region/http/exchange.h"

namespace atolldb::http {
namespace {

using nlohmann::json;
using region::Condition;
using region::Op;
using region::Request;
using region::Response;

constexpr const char* kBytes = "application/octet-stream";
constexpr size_t kContextBytesMax = 6000;  // as base64 in a header line of at most 8192

void add_context(Answer& answer, BytesView context) {
  if (context.size() <= kContextBytesMax) answer.headers.emplace_back("Atoll-Context", base64(context));
}

// {"values": [...], "added": ..., "behind": [...], "context": ...}; the first value is the one that GET
// shows.
Answer siblings_of(const Response& siblings) {
  json out{{"values", json::array()}, {"added", nullptr}, {"behind", json::array()}};
  for (const Bytes& one : siblings.values) {
    const BytesView rest = BytesView(one).substr(1);
    if (one.front() == region::kSibling) out["values"].push_back(json_of(rest));
    if (one.front() == region::kAdded) out["added"] = rest;
    if (one.front() == region::kTypeBehind) out["behind"].push_back(rest);
  }
  out["context"] = base64(siblings.value);
  Answer answer = json_answer(out);
  add_context(answer, siblings.value);
  return answer;
}

Answer get(const Exchange& exchange) {
  const auto all = flag(exchange.target, "siblings"), with_context = flag(exchange.target, "context");
  if (!all || !with_context) return invalid(all ? with_context.error().message : all.error().message);
  Bytes context;
  Response value;
  if (*all || *with_context) {
    const Response siblings = exchange.ask(Op::siblings);
    if (failed(siblings)) return failure(siblings);
    if (!siblings.found) return not_found("value");
    if (*all) return marked(siblings_of(siblings), siblings);
    context = siblings.value;
  }
  // The value is read behind its context: what came in between is not named, and stays when the client
  // writes.
  value = exchange.ask(Op::get);
  if (failed(value)) return failure(value);
  if (value.found && value.hidden > 0 && context.empty()) {
    const Response siblings = exchange.ask(Op::siblings);
    if (failed(siblings)) return failure(siblings);
    context = siblings.value;
    value = exchange.ask(Op::get);
    if (failed(value)) return failure(value);
  }
  if (!value.found) return marked(not_found("value"), value);
  Answer out;
  out.type = kBytes;
  if (!context.empty()) add_context(out, context);
  if (value.hidden > 0) out.headers.emplace_back("Atoll-Siblings", std::to_string(value.hidden));
  out.body = std::move(value.value);
  return marked(std::move(out), value);
}

// If-None-Match: * and If-Match: * of RFC 9110, 13.1. A value has no other tag.
Result<Condition> condition_of(const Call& call) {
  if (call.if_match && call.if_none_match)
    return {Errc::invalid, "found If-Match and If-None-Match, expected one of them"};
  const auto& tag = call.if_match ? call.if_match : call.if_none_match;
  if (!tag) return Condition::none;
  if (*tag != "*") return {Errc::invalid, "found a condition with a tag, expected *"};
  return call.if_match ? Condition::present : Condition::absent;
}

// ?context_in=body: {"value": ..., "context": "..."} instead of the bytes alone, for a context that no header
// has room for. As large as a body may be, less what base64 costs.
Status take_body(const Exchange& exchange, Request& request) {
  const auto where = exchange.target.query.find("context_in");
  if (where == exchange.target.query.end() || where->second == "header") {
    request.value = exchange.call.body;
    return ok();
  }
  if (where->second != "body")
    return {Errc::invalid, "found another value of context_in, expected header or body"};
  if (exchange.call.context)
    return {Errc::invalid, "found Atoll-Context and a context in the body, expected one of them"};
  constexpr const char* kExpected =
      "found another body, expected {\"value\": a string or {\"base64\": ...}, \"context\": what "
      "?siblings=true has returned}";
  const json body = json::parse(exchange.call.body, nullptr, false);
  if (!body.is_object() || body.size() != 2 || !body.contains("value") || !body.contains("context") ||
      !body["context"].is_string())
    return {Errc::invalid, kExpected};
  auto value = bytes_of(body["value"]);
  auto context = base64_decoded(body["context"].get<std::string>());
  if (!value || !context) return {Errc::invalid, kExpected};
  request.op = Op::set_context;
  request.value = std::move(*value);
  request.args.push_back(std::move(*context));
  return ok();
}

Answer put(const Exchange& exchange) {
  const Call& call = exchange.call;
  const auto condition = condition_of(call);
  if (!condition) return invalid(condition.error().message);
  Request request = exchange.request(call.context ? Op::set_context : Op::set);
  if (const auto taken = take_body(exchange, request); !taken) return invalid(taken.error().message);
  if (request.op == Op::set_context && *condition != Condition::none)
    return invalid("found a context and a condition, expected one of them");
  if (call.context) {
    auto context = base64_decoded(*call.context);
    if (!context) return invalid("found an Atoll-Context that is no base64, expected what GET has returned");
    request.args.push_back(std::move(*context));
  }
  request.condition = *condition;
  const Response response = exchange.door.ask(std::move(request));
  if (failed(response)) return failure(response);
  if (*condition != Condition::none && response.number == 0)
    return failure(412, "condition_failed",
                   *condition == Condition::absent ? "there is such a key already" : "there is no such key");
  return no_content();
}

Answer append(const Exchange& exchange) {
  Request request = exchange.request(Op::append);
  request.value = exchange.call.body;
  const Response response = exchange.door.ask(std::move(request));
  if (failed(response)) return failure(response);
  return json_answer({{"length", response.number}});
}

Answer del(const Exchange& exchange) {
  const Response response = exchange.ask(Op::del);
  if (failed(response)) return failure(response);
  return response.number > 0 ? no_content() : not_found("key");
}

constexpr std::array<const char*, 2> kGetParameters{"siblings", "context"};
constexpr std::array<const char*, 1> kPutParameters{"context_in"};
constexpr Path::Method kMethods[] = {
    {"GET", get, kGetParameters}, {"PUT", put, kPutParameters}, {"POST", append, {}}, {"DELETE", del, {}}};
constexpr Path kValuePaths[] = {{"/v1/kv/{key}", kMethods}};

}  // namespace

std::span<const Path> value_paths() { return kValuePaths; }

}  // namespace atolldb::http
