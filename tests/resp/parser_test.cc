#include "region/resp/parser.h"

#include <catch2/catch.hpp>

#include "crdt/base/prng.h"
#include "tests/resp/encode.h"

namespace atolldb::resp {
namespace {

using Words = std::vector<Bytes>;

// All commands of a stream that arrives in pieces of these sizes; "error: ..." where it goes wrong.
std::vector<Words> parse(BytesView stream, const std::function<size_t()>& piece, ParserLimits limits = {}) {
  CommandParser parser(limits);
  std::vector<Words> out;
  Bytes buffer;
  while (true) {
    switch (parser.parse(buffer)) {
      case Parsed::command:
        out.emplace_back(parser.words().begin(), parser.words().end());
        buffer.erase(0, parser.size());
        parser.next();
        continue;
      case Parsed::error:
        out.push_back({"error: " + parser.error()});
        return out;
      case Parsed::incomplete:
        break;
    }
    if (stream.empty()) return out;
    const size_t size = std::min(stream.size(), piece());
    buffer += stream.substr(0, size);
    stream.remove_prefix(size);
  }
}

std::vector<Words> parse(BytesView stream) {
  return parse(stream, [&] { return stream.size(); });
}

TEST_CASE("RESP parser: any cut of the stream, the same commands", "[resp]") {
  const std::vector<Words> commands = {{"SET", "key", "value"},
                                       {"GET", Bytes("nul\0\r\n", 6)},
                                       {"PING"},
                                       {"MSET", "", "", "b", Bytes(5000, 'x')}};
  Bytes stream;
  for (const Words& command : commands) stream += encode(command);
  CHECK(parse(stream) == commands);
  CHECK(parse(stream, [] { return 1; }) == commands);
  Prng prng(1);
  for (int i = 0; i < 300; ++i) CHECK(parse(stream, [&] { return 1 + prng.below(40); }) == commands);
}

TEST_CASE("RESP parser: lines of words, quoted as in redis-cli", "[resp]") {
  CHECK(parse("PING\r\nset a \"x y\\x41\\n\"\n\r\n  get   'it\\'s' \n") ==
        std::vector<Words>{{"PING"}, {"set", "a", "x yA\n"}, {}, {"get", "it's"}});
  CHECK(parse("set a \"x\"y\r\n") ==
        std::vector<Words>{{"error: Protocol error: unbalanced quotes in request"}});
  CHECK(parse("set a 'x\r\n") == std::vector<Words>{{"error: Protocol error: unbalanced quotes in request"}});
}

TEST_CASE("RESP parser: an empty array and a negative count are no commands", "[resp]") {
  CHECK(parse("*0\r\n*-1\r\n*1\r\n$4\r\nPING\r\n") == std::vector<Words>{{}, {}, {"PING"}});
}

TEST_CASE("RESP parser: what breaks the protocol, is named and ends the stream", "[resp]") {
  const auto error_of = [](BytesView stream, ParserLimits limits = {}) {
    const auto whole = parse(
        stream, [&] { return stream.size(); }, limits);
    CHECK(parse(
              stream, [] { return 1; }, limits) == whole);
    REQUIRE(whole.size() == 1);
    return whole[0][0];
  };
  CHECK(error_of("*x\r\n") == "error: Protocol error: invalid multibulk length");
  CHECK(error_of("*1048577\r\n") == "error: Protocol error: invalid multibulk length");
  CHECK(error_of("*1\r\nx") == "error: Protocol error: expected '$', got 'x'");
  CHECK(error_of("*1\r\n$-1\r\n") == "error: Protocol error: invalid bulk length");
  CHECK(error_of("*1\r\n$3\r\nabcde") == "error: Protocol error: invalid bulk length");
  CHECK(error_of("*1\r\n$99999999\r\n") == "error: Protocol error: invalid bulk length");
  CHECK(error_of("*1\r\n$1 \r\n") == "error: Protocol error: invalid bulk length");
  ParserLimits small;
  small.line_bytes_max = 10;
  CHECK(error_of("*11111111111111", small) == "error: Protocol error: too big mbulk count string");
  CHECK(error_of("*1\r\n$111111111111", small) == "error: Protocol error: too big bulk count string");
  CHECK(error_of("xxxxxxxxxxxxxxxx", small) == "error: Protocol error: too big inline request");
  small.command_bytes_max = 40;
  CHECK(error_of("*3\r\n$20\r\n01234567890123456789\r\n$20\r\n", small).find("too big a command") !=
        std::string::npos);
}

TEST_CASE("RESP parser: what was announced costs nothing before it comes", "[resp]") {
  CommandParser parser;
  const Bytes begin = "*1000000\r\n$16777216\r\nx";
  CHECK(parser.parse(begin) == Parsed::incomplete);
  CHECK(parser.size_at_least() == 10 + 11 + 16777216 + 2);
}

TEST_CASE("RESP parser: random bytes, an end in any case", "[resp]") {
  Prng prng(3);
  const BytesView letters = "*$:+-0123456789\r\n\r\n ab\"'\\x";
  for (int i = 0; i < 20'000; ++i) {
    Bytes stream;
    for (uint64_t n = prng.below(60); n > 0; --n) stream.push_back(letters[prng.below(letters.size())]);
    const auto whole = parse(stream);
    CHECK(parse(stream, [] { return 1; }) == whole);
  }
}

}  // namespace
}  // namespace atolldb::resp
