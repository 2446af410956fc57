// /v1/set, /v1/counter and /v1/map.

#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "crdt/base/base64.h"
#include "region/http/encoding.h"
#include "region/http/exchange.h"

namespace atolldb::http {
namespace {

using nlohmann::json;
using region::Op;
using region::Request;
using region::Response;

constexpr size_t kMemberAt = 3;  // of /v1/set/{key}/{member}, and of a map's field
constexpr int64_t kMost = INT64_MAX;

// -- sets

// A page of members, or of a map's fields, and where the next one begins. `add` puts the page's items in.
template <typename Add>
Answer page(const Exchange& exchange, Op op, const char* items, const char* type, Add&& add) {
  Request request = exchange.request(op);
  const auto cursor = exchange.target.query.find("cursor");
  const bool first = cursor == exchange.target.query.end();
  if (!first) {
    auto place = base64_decoded(cursor->second);
    if (!place) return invalid("found a cursor that is no base64, expected the one of the page before");
    request.args.push_back(std::move(*place));
  }
  const Response response = exchange.door.ask(std::move(request));
  if (failed(response)) return failure(response);
  if (response.values.empty() && first) return marked(not_found(type), response);
  json out{{items, json::array()}, {"cursor", nullptr}};
  add(response.values, out[items]);
  if (!response.value.empty()) out["cursor"] = base64(response.value);
  return marked(json_answer(out), response);
}

Answer members(const Exchange& exchange) {
  return page(exchange, Op::smembers, "members", "set", [](const std::vector<Bytes>& values, json& items) {
    for (const Bytes& member : values) items.push_back(json_of(member));
  });
}

// The body of a call that names several members: a JSON array.
Result<std::vector<Bytes>> members_of(const Call& call) {
  const Error wrong{
      Errc::invalid,
      "found another body, expected a JSON array of members, each a string or {\"base64\": ...}"};
  const json body = json::parse(call.body, nullptr, false);
  if (!body.is_array() || body.empty()) return wrong;
  std::vector<Bytes> out;
  for (const json& item : body) {
    auto member = bytes_of(item);
    if (!member) return wrong;
    out.push_back(std::move(*member));
  }
  return out;
}

Answer change(const Exchange& exchange, Op op, const char* count, std::vector<Bytes>&& members) {
  Request request = exchange.request(op);
  request.args = std::move(members);
  const Response response = exchange.door.ask(std::move(request));
  if (failed(response)) return failure(response);
  return json_answer({{count, response.number}});
}

Answer add_members(const Exchange& exchange) {
  auto members = members_of(exchange.call);
  if (!members) return invalid(members.error().message);
  return change(exchange, Op::sadd, "added", std::move(*members));
}

// With a body those members or fields, without one all of the key. `count` is a read that says when the key
// holds another type.
Answer remove_some(const Exchange& exchange, Op remove, Op count, const char* type) {
  if (!exchange.call.body.empty()) {
    auto names = members_of(exchange.call);
    if (!names) return invalid(names.error().message);
    return change(exchange, remove, "removed", std::move(*names));
  }
  const Response size = exchange.ask(count);
  if (failed(size)) return failure(size);
  const Response response = exchange.ask(Op::del);
  if (failed(response)) return failure(response);
  return response.number > 0 ? no_content() : not_found(type);
}

Answer remove_members(const Exchange& exchange) { return remove_some(exchange, Op::srem, Op::scard, "set"); }

Answer is_member(const Exchange& exchange) {
  Request request = exchange.request(Op::sismember);
  request.args.push_back(exchange.target.path[kMemberAt]);
  const Response response = exchange.door.ask(std::move(request));
  if (failed(response)) return failure(response);
  return marked(response.found ? no_content() : not_found("member"), response);
}

Answer add_member(const Exchange& exchange) {
  if (!exchange.call.body.empty())
    return invalid("found a body, expected the member in the path and nothing else");
  return change(exchange, Op::sadd, "added", {exchange.target.path[kMemberAt]});
}

Answer remove_one(const Exchange& exchange, Op op, const char* what) {
  Request request = exchange.request(op);
  request.args.push_back(exchange.target.path[kMemberAt]);
  const Response response = exchange.door.ask(std::move(request));
  if (failed(response)) return failure(response);
  return response.number > 0 ? no_content() : not_found(what);
}

Answer remove_member(const Exchange& exchange) { return remove_one(exchange, Op::srem, "member"); }

// -- counters

std::optional<int64_t> integer(BytesView text) {
  int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

Answer counter_answer(const Response& response) {
  const auto value = integer(response.value);
  if (!value) return failure(409, "wrong_type", "the key holds a string that is no whole number of 64 bits");
  return marked(json_answer({{"value", *value}}), response);
}

Answer value_of(const Exchange& exchange) {
  const Response response = exchange.ask(Op::get);
  if (failed(response)) return failure(response);
  return response.found ? counter_answer(response) : marked(not_found("counter"), response);
}

// {"amount": 5}, or ?amount=5; neither: one.
Result<int64_t> amount_of(const Exchange& exchange) {
  const bool named = exchange.target.query.contains("amount");
  if (exchange.call.body.empty() || named) {
    if (named && !exchange.call.body.empty())
      return {Errc::invalid, "found an amount in the query and a body, expected one of them"};
    return number(exchange.target, "amount", INT64_MIN, kMost, 1);
  }
  const json body = json::parse(exchange.call.body, nullptr, false);
  const auto amount = body.is_object() && body.size() == 1 ? body.find("amount") : body.end();
  const bool whole = amount != body.end() && amount->is_number_integer();
  if (!whole || (amount->is_number_unsigned() && amount->get<uint64_t>() > static_cast<uint64_t>(kMost)))
    return {Errc::invalid, "found another body, expected {\"amount\": n} with a whole number of 64 bits"};
  return amount->get<int64_t>();
}

Answer add_to(const Exchange& exchange, Op op, std::vector<Bytes>&& args) {
  const auto amount = amount_of(exchange);
  if (!amount) return invalid(amount.error().message);
  Request request = exchange.request(op);
  request.amount = *amount;
  request.args = std::move(args);
  const Response response = exchange.door.ask(std::move(request));
  if (failed(response)) return failure(response);
  // Found by its request id: it was counted once, and the sum of then is not kept.
  if (response.value.empty()) return json_answer({{"value", nullptr}});
  return counter_answer(response);
}

Answer add(const Exchange& exchange) { return add_to(exchange, Op::add, {}); }

// -- maps

Answer fields(const Exchange& exchange) {
  return page(exchange, Op::hgetall, "fields", "map", [](const std::vector<Bytes>& values, json& items) {
    for (size_t i = 0; i + 1 < values.size(); i += 2)
      items.push_back({{"field", json_of(values[i])}, {"value", json_of(values[i + 1])}});
  });
}

// A JSON object: its names are fields, and their values what they are set to.
Answer set_fields(const Exchange& exchange) {
  const char* const wrong =
      "found another body, expected a JSON object of fields and values, each a string or {\"base64\": ...}";
  const json body = json::parse(exchange.call.body, nullptr, false);
  if (!body.is_object() || body.empty()) return invalid(wrong);
  std::vector<Bytes> args;
  for (const auto& [field, item] : body.items()) {
    auto value = bytes_of(item);
    if (!value) return invalid(wrong);
    args.push_back(field);
    args.push_back(std::move(*value));
  }
  return change(exchange, Op::hset, "added", std::move(args));
}

Answer remove_fields(const Exchange& exchange) { return remove_some(exchange, Op::hdel, Op::hlen, "map"); }

Answer field(const Exchange& exchange) {
  Request request = exchange.request(Op::hget);
  request.args.push_back(exchange.target.path[kMemberAt]);
  Response response = exchange.door.ask(std::move(request));
  if (failed(response)) return failure(response);
  if (!response.found) return marked(not_found("field"), response);
  Answer out;
  out.type = "application/octet-stream";
  out.body = std::move(response.value);
  return marked(std::move(out), response);
}

Answer set_field(const Exchange& exchange) {
  Request request = exchange.request(Op::hset);
  request.args = {exchange.target.path[kMemberAt], exchange.call.body};
  const Response response = exchange.door.ask(std::move(request));
  return failed(response) ? failure(response) : no_content();
}

Answer add_to_field(const Exchange& exchange) {
  return add_to(exchange, Op::hadd, {exchange.target.path[kMemberAt]});
}

Answer remove_field(const Exchange& exchange) { return remove_one(exchange, Op::hdel, "field"); }

constexpr std::array<const char*, 1> kCursor{"cursor"}, kAmount{"amount"};
constexpr Path::Method kSet[] = {
    {"GET", members, kCursor}, {"POST", add_members, {}}, {"DELETE", remove_members, {}}};
constexpr Path::Method kMember[] = {
    {"GET", is_member, {}}, {"PUT", add_member, {}}, {"POST", add_member, {}}, {"DELETE", remove_member, {}}};
constexpr Path::Method kCounter[] = {{"GET", value_of, {}}, {"POST", add, kAmount}};
constexpr Path::Method kMap[] = {
    {"GET", fields, kCursor}, {"POST", set_fields, {}}, {"DELETE", remove_fields, {}}};
constexpr Path::Method kField[] = {{"GET", field, {}},
                                   {"PUT", set_field, {}},
                                   {"POST", add_to_field, kAmount},
                                   {"DELETE", remove_field, {}}};
constexpr Path kCollectionPaths[] = {{"/v1/set/{key}", kSet},
                                     {"/v1/set/{key}/{member}", kMember},
                                     {"/v1/counter/{key}", kCounter},
                                     {"/v1/map/{key}", kMap},
                                     {"/v1/map/{key}/{field}", kField}};

}  // namespace

std::span<const Path> collection_paths() { return kCollectionPaths; }

}  // namespace atolldb::http
