#include "region/http/encoding.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "crdt/base/base64.h"
#include "region/http/target.h"

namespace atolldb::http {
namespace {

TEST_CASE("percent: escapes, give their bytes") {
  CHECK(percent_decoded("") == "");
  CHECK(percent_decoded("a%2Fb%00%ff") == Bytes("a/b\0\xff", 5));
  CHECK(percent_decoded("a+b") == "a+b");
  for (const char* broken : {"%", "%1", "a%", "%g1", "%1g", "%%41"}) CHECK_FALSE(percent_decoded(broken));
}

TEST_CASE("base64: any bytes, come back") {
  Bytes bytes;
  for (int i = 0; i < 300; ++i) {
    CHECK(base64_decoded(base64(bytes)) == bytes);
    bytes.push_back(static_cast<char>(i * 7));
  }
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64(Bytes("\xff\0", 2)) == "/wA=");
}

TEST_CASE("base64: another form, is refused") {
  // Too short, a foreign letter, padding inside, too much of it, bits behind the last byte.
  for (const char* broken : {"Zm8", "Zm8-", "Z=8=", "Z===", "====", "Zm9=", "Zh=="})
    CHECK_FALSE(base64_decoded(broken));
}

TEST_CASE("bytes as json: text and other bytes, come back") {
  for (const Bytes& bytes : {Bytes("text"), Bytes("\xc3\xa4"), Bytes("\xff\0", 2), Bytes()})
    CHECK(bytes_of(json_of(bytes)) == bytes);
  CHECK(json_of("text").is_string());
  CHECK(json_of("\xff").dump() == R"({"base64":"/w=="})");
  for (const char* other :
       {"1", "{}", "null", R"({"base64":1})", R"({"base64":"?"})", R"({"base64":"","a":1})"})
    CHECK_FALSE(bytes_of(nlohmann::json::parse(other)));
}

TEST_CASE("target: path and query, are taken apart before they are unescaped") {
  const auto target = parse_target("/v1/kv/a%2Fb%3Fc?r=1&local=%74rue&x");
  REQUIRE(target);
  CHECK(target->path == std::vector<Bytes>{"v1", "kv", "a/b?c"});
  CHECK(target->query == std::map<std::string, Bytes>{{"r", "1"}, {"local", "true"}, {"x", ""}});
  CHECK(parse_target("/")->path == std::vector<Bytes>{""});
  CHECK(parse_target("/a/")->path == std::vector<Bytes>{"a", ""});
}

TEST_CASE("target: nonsense, is refused") {
  for (const char* wrong : {"", "v1", "http://host/v1", "*", "/%", "/a?%=1", "/a?b=%zz", "/a?b=1&b=2"}) {
    const auto target = parse_target(wrong);
    REQUIRE_FALSE(target);
    CHECK(target.error().code == Errc::invalid);
  }
}

}  // namespace
}  // namespace atolldb::http
