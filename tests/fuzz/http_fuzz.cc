// Whatever an HTTP client may ask for: paths, queries, headers and bodies, one on each line, are answered
// with a status that HTTP knows and, where something is wrong, with a sentence in JSON.

#include <nlohmann/json.hpp>

#include "region/http/call.h"
#include "region/http/encoding.h"
#include "tests/fuzz/input.h"

using namespace atolldb;
using fuzz::check;

namespace {

region::Response some_response(const region::Request& request, size_t drawn) {
  region::Response response;
  response.outcome = static_cast<region::Outcome>(drawn % 3);
  response.code = static_cast<Errc>(drawn % 12);
  response.found = (drawn & 16) != 0;
  response.value = request.op == region::Op::status || request.op == region::Op::inspect ? "{}" : "7";
  for (size_t i = drawn >> 6; i > 0; --i) response.values.push_back("\xff\x01");
  response.message = "why";
  if (request.session && (drawn & 32) != 0) {
    response.token = region::format_token({{{RegionId{1}, 7}, "0123456789abcdef"}});
    response.behind = region::Behind{RegionId{0}, drawn};
  }
  return response;
}

std::optional<std::string> header(BytesView line) {
  if (line.empty()) return std::nullopt;
  return std::string(line);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const size_t drawn = input.below(256);
  http::Call call;
  call.method = input.until('\n');
  call.target = input.until('\n');
  call.context = header(input.until('\n'));
  call.session = header(input.until('\n'));
  call.if_match = header(input.until('\n'));
  call.if_none_match = header(input.until('\n'));
  call.body = input.rest();

  const auto decoded = http::percent_decoded(call.target);
  check(!decoded || decoded->size() <= call.target.size(), "a text that grows when it is decoded");

  const http::Door door{[&](region::Request&& request) { return some_response(request, drawn); },
                        [] { return std::string("atoll_up 1\n"); },
                        [](RegionId) { return std::string("eu"); }};
  const http::Answer answer = http::answer(call, door);
  check(answer.status >= 200 && answer.status < 600, "a status that HTTP does not know");
  if (answer.status >= 400) {
    check(!answer.body.empty() || call.method == "HEAD", "an error without a body");
    check(call.method == "HEAD" || nlohmann::json::accept(answer.body), "an error that is no JSON");
  }
  for (const auto& [name, value] : answer.headers)
    check(value.find_first_of("\r\n") == std::string::npos, "a header of two lines");
  return 0;
}
