#include "region/http/exchange.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "region/http/names.h"

namespace atolldb::http {

using nlohmann::json;
using region::Outcome;
using region::Request;
using region::Response;

namespace {

constexpr const char* kJson = "application/json";
constexpr const char* kRetrySeconds = "1";

int status_of(const Response& response) {
  if (response.outcome == Outcome::unknown) return 504;
  switch (response.code) {
    case Errc::invalid:
    case Errc::corrupt:
    case Errc::version:
      return 400;
    case Errc::wrong_type:
    case Errc::overflow:
      return 409;
    case Errc::too_large:
      return 413;
    case Errc::not_found:
      return 404;
    case Errc::refused:
      return 421;
    case Errc::io:
      return 500;
    case Errc::full:
    case Errc::busy:
    case Errc::unavailable:
    case Errc::behind:
    case Errc::timeout:
      return 503;
  }
  return 500;
}

}  // namespace

Request Exchange::request(region::Op op) const {
  Request out = common;
  out.op = op;
  return out;
}

Answer failure(int status, const char* code, const std::string& message) {
  Answer out;
  out.status = status;
  out.type = kJson;
  out.body = json{{"error", message}, {"code", code}}.dump(-1, ' ', false, json::error_handler_t::replace);
  if (status == 503) out.headers.emplace_back("Retry-After", kRetrySeconds);
  return out;
}

Answer failure(const Response& response) {
  return failure(status_of(response), name_of(response.code),
                 response.outcome == Outcome::unknown
                     ? response.message + " (it may have happened, or may yet)"
                     : response.message);
}

Answer invalid(const std::string& message) { return failure(400, name_of(Errc::invalid), message); }

Answer not_found(const char* what) {
  return failure(404, name_of(Errc::not_found), std::string("there is no such ") + what);
}

Answer no_content() {
  Answer out;
  out.status = 204;
  return out;
}

Answer json_answer(const json& value, int status) {
  Answer out;
  out.status = status;
  out.type = kJson;
  out.body = value.dump();
  return out;
}

Answer marked(Answer&& answer, const Response& response) {
  if (response.stale) answer.headers.emplace_back("Atoll-Stale", "true");
  return std::move(answer);
}

Result<bool> flag(const Target& target, const char* name) {
  const auto at = target.query.find(name);
  if (at == target.query.end() || at->second == "false") return false;
  if (at->second == "true") return true;
  return {Errc::invalid, std::string("found another value of ") + name + ", expected true or false"};
}

Result<int64_t> number(const Target& target, const char* name, int64_t least, int64_t most,
                       int64_t fallback) {
  const auto at = target.query.find(name);
  if (at == target.query.end()) return fallback;
  const Bytes& text = at->second;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
    return {Errc::invalid, std::string("found another value of ") + name + ", expected a whole number from " +
                               std::to_string(least) + " to " + std::to_string(most)};
  return value;
}

}  // namespace atolldb::http
