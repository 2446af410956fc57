#include <catch2/catch.hpp>
#include <deque>
#include <nlohmann/json.hpp>

#include "crdt/base/base64.h"
#include "region/http/call.h"
#include "region/http/encoding.h"

namespace atolldb::http {
namespace {

using nlohmann::json;
using region::Condition;
using region::Op;
using region::Outcome;
using region::Request;
using region::Response;

// A node that answers what it was given, and remembers what it was asked.
struct Node {
  std::deque<Response> responses;
  std::vector<Request> asked;

  Answer call(const Call& call) {
    return answer(call, {[this](Request&& request) {
                           asked.push_back(std::move(request));
                           Response response;
                           if (responses.empty()) return response;
                           response = std::move(responses.front());
                           responses.pop_front();
                           return response;
                         },
                         [] { return std::string("metrics"); }, [](RegionId) { return std::string("eu"); }});
  }
  Answer call(const char* method, const char* target, Bytes body = {}) {
    Call one;
    one.method = method;
    one.target = target;
    one.body = std::move(body);
    return call(one);
  }
};

Response done(Bytes value = {}, int64_t number = 0) {
  Response out;
  out.found = true;
  out.value = std::move(value);
  out.number = number;
  return out;
}

Response failed(Outcome outcome, Errc code) {
  Response out;
  out.outcome = outcome;
  out.code = code;
  out.message = "a sentence";
  return out;
}

std::string header(const Answer& answer, const std::string& name) {
  for (const auto& [found, value] : answer.headers)
    if (found == name) return value;
  return "";
}

TEST_CASE("http answer: what was not done, has the status of its code") {
  const std::pair<Errc, int> kRejected[] = {
      {Errc::invalid, 400},   {Errc::corrupt, 400},   {Errc::version, 400}, {Errc::wrong_type, 409},
      {Errc::overflow, 409},  {Errc::too_large, 413}, {Errc::refused, 421}, {Errc::io, 500},
      {Errc::not_found, 404}, {Errc::full, 503},      {Errc::busy, 503},    {Errc::unavailable, 503},
      {Errc::behind, 503},    {Errc::timeout, 503}};
  for (const auto& [code, status] : kRejected) {
    Node node;
    node.responses = {failed(Outcome::rejected, code), failed(Outcome::unknown, code)};
    const Answer rejected = node.call("PUT", "/v1/kv/k", "v"), unknown = node.call("PUT", "/v1/kv/k", "v");
    CHECK(rejected.status == status);
    CHECK(header(rejected, "Retry-After") == (status == 503 ? "1" : ""));
    CHECK(json::parse(rejected.body)["error"] == "a sentence");
    CHECK(unknown.status == 504);
    CHECK(json::parse(unknown.body)["code"] == json::parse(rejected.body)["code"]);
    CHECK(unknown.body.find("may have happened") != Bytes::npos);
  }
}

TEST_CASE("http answer: key, quorum and deadline, reach the node") {
  Node node;
  node.call("GET", "/v1/kv/a%2Fb?r=2&w=3&local=true&deadline_ms=70");
  REQUIRE(node.asked.size() == 1);
  const Request& request = node.asked[0];
  CHECK(request.op == Op::get);
  CHECK(request.key == "a/b");
  CHECK((request.r == 2 && request.w == 3 && request.local && request.deadline_ms == 70));
}

TEST_CASE("http answer: a value with siblings, comes with a context that is older than it") {
  Node node;
  Response shown = done("old"), siblings = done("context"), later = done("new");
  shown.hidden = later.hidden = 1;
  node.responses = {shown, siblings, later};
  const Answer out = node.call("GET", "/v1/kv/k");
  CHECK(out.body == "new");
  CHECK(header(out, "Atoll-Context") == base64("context"));
  CHECK(header(out, "Atoll-Siblings") == "1");
  REQUIRE(node.asked.size() == 3);
  CHECK((node.asked[0].op == Op::get && node.asked[1].op == Op::siblings && node.asked[2].op == Op::get));
}

TEST_CASE("http answer: a context for which a header has no room, is told in the body alone") {
  Node node;
  Response siblings = done(Bytes(7000, 'c'));
  siblings.values = {"=one", "+5", "?set"};
  node.responses = {siblings};
  const Answer out = node.call("GET", "/v1/kv/k?siblings=true");
  CHECK(header(out, "Atoll-Context").empty());
  const json said = json::parse(out.body);
  CHECK(said["context"] == base64(Bytes(7000, 'c')));
  CHECK((said["values"] == json{"one"} && said["added"] == "5" && said["behind"] == json{"set"}));
}

TEST_CASE("http answer: a set with a context or a condition, asks for exactly that") {
  Node node;
  Call call;
  call.method = "PUT";
  call.target = "/v1/kv/k";
  call.body = "v";
  call.context = base64("seen");
  CHECK(node.call(call).status == 204);
  CHECK((node.asked[0].op == Op::set_context && node.asked[0].args == std::vector<Bytes>{"seen"}));
  call.context.reset();
  call.if_none_match = "*";
  node.responses = {done({}, 0), done({}, 1)};
  CHECK(node.call(call).status == 412);
  CHECK(node.call(call).status == 204);
  CHECK(node.asked[1].condition == Condition::absent);
  call.context = base64("seen");
  CHECK(node.call(call).status == 400);
  CHECK(node.asked.size() == 3);
}

TEST_CASE("http answer: a context in the body, for what no header has room for") {
  Node node;
  const Bytes context(100'000, 'c');
  const auto put = [&](const json& body) {
    return node.call("PUT", "/v1/kv/a?context_in=body", body.dump());
  };
  CHECK(put({{"value", "new"}, {"context", base64(context)}}).status == 204);
  CHECK(put({{"value", {{"base64", base64(Bytes("\xff\0", 2))}}}, {"context", ""}}).status == 204);
  REQUIRE(node.asked.size() == 2);
  CHECK(node.asked[0].op == Op::set_context);
  CHECK(node.asked[0].value == "new");
  CHECK(node.asked[0].args == std::vector<Bytes>{context});
  CHECK(node.asked[1].value == Bytes("\xff\0", 2));
  for (const json& body :
       {json::array(), json::object(), json({{"value", "v"}}), json({{"value", 1}, {"context", ""}}),
        json({{"value", "v"}, {"context", "?"}}), json({{"value", "v"}, {"context", 1}}),
        json({{"value", "v"}, {"context", ""}, {"more", 1}})})
    CHECK(put(body).status == 400);
  CHECK(node.call("PUT", "/v1/kv/a?context_in=query", "v").status == 400);
  Call both;
  both.method = "PUT";
  both.target = "/v1/kv/a?context_in=body";
  both.body = json({{"value", "v"}, {"context", ""}}).dump();
  both.context = "";
  CHECK(node.call(both).status == 400);
  both.context.reset();
  both.if_match = "*";
  CHECK(node.call(both).status == 400);
  CHECK(node.asked.size() == 2);
}

TEST_CASE("http answer: calls that make no sense, ask the node nothing") {
  Node node;
  for (const char* target : {"/v1/kv", "/v1/kv/", "/", "/v1/set/a/b/c", "/v1/nothing/a"})
    CHECK(node.call("GET", target).status == 404);
  for (const char* target :
       {"/v1/kv/%z", "/v1/kv/a?r=300", "/v1/kv/a?local=1", "/v1/kv/a?other=1", "/healthz?r=1"})
    CHECK(node.call("GET", target).status == 400);
  const Answer other = node.call("PATCH", "/v1/kv/a");
  CHECK(other.status == 405);
  CHECK(header(other, "Allow") == "GET, PUT, POST, DELETE");
  for (const char* body : {"", "{}", "[]", "[1]", "[", R"([{"base64":"?"}])"})
    CHECK(node.call("POST", "/v1/set/a", body).status == 400);
  for (const char* body : {"5", "{}", R"({"amount":1.5})", R"({"amount":9223372036854775808})"})
    CHECK(node.call("POST", "/v1/counter/a", body).status == 400);
  CHECK(node.asked.empty());
}

TEST_CASE("http answer: an increment that was counted before its sum was told, no sum is made up", "[G4]") {
  Node node;  // it answers done, and no value
  for (const char* target : {"/v1/counter/a", "/v1/map/a/field"}) {
    const Answer answer = node.call("POST", target);
    CHECK(answer.status == 200);
    CHECK(answer.body == R"({"value":null})");
  }
}

TEST_CASE("http answer: a session, its token goes in and comes back joined", "[G8]") {
  const Bytes eu = region::format_token({{{RegionId{0}, 5}, "0123456789abcdef"}});
  const Bytes us = region::format_token({{{RegionId{1}, 7}, "fedcba9876543210"}});
  Node node;
  Response answered = done("v");
  answered.token = us;
  node.responses = {answered, answered, answered};
  Call call;
  call.method = "GET";
  call.target = "/v1/kv/a?context=true&on_behind=stale";
  call.session = region::token_text(eu);
  const Answer answer = node.call(call);
  REQUIRE(node.asked.size() == 2);
  CHECK(node.asked[0].session);
  CHECK(node.asked[0].token == eu);
  CHECK(node.asked[0].on_behind == region::OnBehind::stale);
  const Bytes both = region::join_tokens(eu, us).value();
  CHECK(node.asked[1].token == both);
  CHECK(header(answer, "Atoll-Session") == region::token_text(both));
  for (const char* fresh : {"new", ""}) {
    call.session = fresh;
    node.responses = {answered, answered};
    CHECK(header(node.call(call), "Atoll-Session") == region::token_text(us));
  }
  CHECK(header(node.call("GET", "/v1/kv/a"), "Atoll-Session").empty());
  CHECK_FALSE(node.asked.back().session);
}

TEST_CASE("http answer: behind what a session has seen, which region and by how much", "[G8]") {
  Node node;
  Response behind;
  behind.outcome = Outcome::rejected;
  behind.code = Errc::behind;
  behind.message = "region us is 1200 ms behind";
  behind.behind = region::Behind{RegionId{0}, 1200};
  Response unknown = behind;
  unknown.behind->ms = 0;
  Response stale = done("v");
  stale.stale = true;
  stale.behind = behind.behind;
  node.responses = {behind, unknown, stale};
  Call call;
  call.method = "GET";
  call.target = "/v1/kv/a";
  call.session = "new";
  Answer answer = node.call(call);
  CHECK(answer.status == 503);
  CHECK(answer.body ==
        R"({"behind_ms":1200,"code":"behind","error":"region us is 1200 ms behind","region":"eu"})");
  CHECK(header(answer, "Atoll-Behind") == "eu;ms=1200");
  answer = node.call(call);
  CHECK(answer.body ==
        R"({"behind_ms":null,"code":"behind","error":"region us is 1200 ms behind","region":"eu"})");
  CHECK(header(answer, "Atoll-Behind") == "eu");
  answer = node.call(call);
  CHECK(answer.status == 200);
  CHECK(header(answer, "Atoll-Stale") == "true");
  CHECK(header(answer, "Atoll-Behind") == "eu;ms=1200");
}

TEST_CASE("http answer: a token that is none, refused", "[G8][G10]") {
  Node node;
  for (const char* text : {"abc", "A===", "no token", "Ag", "AQAA"}) {
    Call call;
    call.method = "GET";
    call.target = "/v1/kv/a";
    call.session = text;
    INFO(text);
    CHECK(node.call(call).status == 400);
  }
  CHECK(node.call("GET", "/v1/kv/a?on_behind=never").status == 400);
  CHECK(node.asked.empty());
}

TEST_CASE("http answer: a stale read, says so") {
  Node node;
  Response stale = done("v");
  stale.stale = true;
  node.responses = {stale, done("v")};
  CHECK(header(node.call("GET", "/v1/kv/k?local=true"), "Atoll-Stale") == "true");
  CHECK(header(node.call("GET", "/v1/kv/k"), "Atoll-Stale").empty());
}

TEST_CASE("http answer: readiness, is what the status says") {
  const std::pair<const char*, int> kCases[] = {{R"({"ready":true,"leaving":false})", 200},
                                                {R"({"ready":false,"standing":"lost"})", 503},
                                                {R"({"ready":true,"leaving":true})", 503},
                                                {"nonsense", 503}};
  for (const auto& [status, expected] : kCases) {
    Node node;
    node.responses = {done(status)};
    CHECK(node.call("GET", "/readyz").status == expected);
  }
  Node node;
  CHECK(node.call("GET", "/healthz").status == 200);
  CHECK(node.call("GET", "/metrics").body == "metrics");
  CHECK(node.asked.empty());
}

}  // namespace
}  // namespace atolldb::http
