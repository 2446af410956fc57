#include "region/http/body.h"

#include <catch2/catch.hpp>

namespace atolldb::http {
namespace {

constexpr size_t kMax = 1000;

struct Read {
  std::optional<Errc> failed;
  bool done = false;
  Bytes body, rest;
};

// In pieces of `step` bytes.
Read read(std::optional<uint64_t> length, BytesView bytes, size_t step) {
  BodyReader reader(length, kMax);
  Read out;
  while (!reader.done() && !bytes.empty()) {
    const BytesView piece = bytes.substr(0, step);
    const auto taken = reader.take(piece);
    if (!taken) {
      out.failed = taken.error().code;
      return out;
    }
    bytes.remove_prefix(*taken);
  }
  out.done = reader.done();
  out.rest = bytes;
  if (out.done) out.body = reader.body();
  return out;
}

TEST_CASE("body: a length, in pieces of any size, leaves what follows") {
  for (const size_t step : {1, 2, 3, 100}) {
    const Read out = read(5, "helloGET /", step);
    CHECK(out.done);
    CHECK(out.body == "hello");
    CHECK(out.rest == "GET /");
  }
  CHECK(read(0, "GET /", 9).rest == "GET /");
  CHECK_FALSE(read(5, "hell", 9).done);
  CHECK(read(kMax, Bytes(kMax, 'x'), 64).body == Bytes(kMax, 'x'));
  CHECK(read(kMax + 1, "x", 1).failed == Errc::too_large);
}

TEST_CASE("body: chunks, in pieces of any size, are put together") {
  for (const size_t step : {1, 2, 3, 7, 100}) {
    const Read out = read({}, "3;a=b\r\nhel\r\n002\r\nlo\r\n0\r\nTrailer: x\r\n\r\nGET /", step);
    CHECK(out.done);
    CHECK(out.body == "hello");
    CHECK(out.rest == "GET /");
    CHECK(read({}, "A\r\n0123456789\r\n0\r\n\r\n", step).body == "0123456789");
  }
  CHECK(read({}, "0\r\n\r\n", 5).done);
}

TEST_CASE("body: chunks without their end, are not done") {
  for (const char* half :
       {"5", "5\r\n", "5\r\nhel", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\n", "0\r\nTrailer: x\r\n"})
    CHECK_FALSE(read({}, half, 100).done);
}

TEST_CASE("body: chunks that two readers could read in two ways, are refused") {
  for (const char* wrong : {"zz\r\n", "\r\n", "-1\r\n", "+1\r\n", "0x5\r\n", "5hello\r\n", "5\nhello\n",
                            "3\r\nhello\r\n", "5\r\nhello\n0\r\n\r\n", " 5\r\n", "fffffffffffffffff\r\n"})
    for (const size_t step : {1, 100}) CHECK(read({}, wrong, step).failed == Errc::invalid);
}

TEST_CASE("body: chunks over the limits, are refused before they come") {
  CHECK(read({}, "3e9\r\n", 100).failed == Errc::too_large);
  CHECK(read({}, "ffffffffffffffff\r\n", 100).failed == Errc::too_large);
  CHECK(read({}, "3e8\r\n" + Bytes(1000, 'x') + "\r\n1\r\n", 100).failed == Errc::too_large);
  CHECK(read({}, "1;" + Bytes(5000, 'x') + "\r\n", 100).failed == Errc::invalid);
  Bytes trailers = "0\r\n";
  for (int i = 0; i < 100; ++i) trailers += "T: " + Bytes(1000, 't') + "\r\n";
  CHECK(read({}, trailers + "\r\n", 100).failed == Errc::too_large);
}

}  // namespace
}  // namespace atolldb::http
