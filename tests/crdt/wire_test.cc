// The vocabulary that every format of the project is written in. msgpack-cxx, which the project itself does
// not use for it, is the referee: what it packs in shortest form is what Writer must write.
#include "crdt/wire.h"

#include <catch2/catch.hpp>
#include <functional>
#include <msgpack.hpp>

#include "crdt/base/prng.h"

using namespace atolldb;
using namespace atolldb::crdt;

namespace {

template <typename T>
Bytes referee(const T& value) {
  msgpack::sbuffer buffer;
  msgpack::pack(buffer, value);
  return {buffer.data(), buffer.size()};
}

Bytes written(const std::function<void(Writer&)>& write) {
  Bytes out;
  Writer writer(out);
  write(writer);
  return out;
}

// Numbers around every place where the encoding changes its width.
std::vector<int64_t> edge_numbers() {
  std::vector<int64_t> out{INT64_MIN, INT64_MIN + 1, INT64_MAX, INT64_MAX - 1, -33, -32, -31};
  for (int bit = 0; bit < 63; ++bit)
    for (const int64_t near : {-1, 0, 1}) {
      out.push_back((int64_t{1} << bit) + near);
      out.push_back(-(int64_t{1} << bit) + near);
    }
  return out;
}

}  // namespace

TEST_CASE("Writer: integers at every width, as the referee packs them and read back", "[crdt]") {
  for (const int64_t n : edge_numbers()) {
    const Bytes bytes = written([&](Writer& w) { w.integer(n); });
    REQUIRE(bytes == referee(n));
    Reader reader(bytes);
    REQUIRE(reader.integer() == n);
    REQUIRE(reader.done());
    const Bytes wide = written([&](Writer& w) { w.int128(n); });
    REQUIRE(wide == bytes);
    const auto u = static_cast<uint64_t>(n);
    const Bytes unsigned_bytes = written([&](Writer& w) { w.uint(u); });
    REQUIRE(unsigned_bytes == referee(u));
    Reader unsigned_reader(unsigned_bytes);
    REQUIRE(unsigned_reader.uint() == u);
    REQUIRE(unsigned_reader.done());
  }
}

TEST_CASE("Writer: 128-bit integers outside 64 bits, 16 bytes and read back", "[crdt]") {
  Prng prng(1);
  for (int i = 0; i < 1000; ++i) {
    const auto value = static_cast<Int128>(static_cast<Uint128>(prng.next()) << 64 | prng.next());
    const Bytes bytes = written([&](Writer& w) { w.int128(value); });
    Reader reader(bytes);
    REQUIRE(reader.int128() == value);
    REQUIRE(reader.done());
  }
  const Int128 above = static_cast<Int128>(INT64_MAX) + 1;
  REQUIRE(written([&](Writer& w) { w.int128(above); }).size() == 18);
  Reader small(BytesView("\xc4\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x07", 18));
  small.int128();
  REQUIRE_FALSE(small.ok());
}

TEST_CASE("Writer: bytes, text and arrays at every width, as the referee packs them and read back",
          "[crdt]") {
  for (const size_t size : {0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536, 70000}) {
    const std::string text(size, 'x');
    const Bytes bin = written([&](Writer& w) { w.bin(text); });
    REQUIRE(bin == referee(std::vector<char>(text.begin(), text.end())));
    Reader bin_reader(bin);
    REQUIRE(bin_reader.bin() == text);
    REQUIRE(bin_reader.done());
    const Bytes str = written([&](Writer& w) { w.str(text); });
    REQUIRE(str == referee(text));
    Reader str_reader(str);
    REQUIRE(str_reader.str() == text);
    REQUIRE(str_reader.done());
    const Bytes array = written([&](Writer& w) {
      w.array(size);
      for (size_t i = 0; i < size; ++i) w.boolean(true);
    });
    REQUIRE(array == referee(std::vector<bool>(size, true)));
    Reader array_reader(array);
    REQUIRE(array_reader.array() == size);
    for (size_t i = 0; i < size; ++i) REQUIRE(array_reader.boolean());
    REQUIRE(array_reader.done());
    Reader skipping(array);
    skipping.skip();
    REQUIRE(skipping.done());
  }
}

TEST_CASE("Reader: lengths longer than needed, refused", "[crdt]") {
  const auto refused = [](BytesView bytes, auto take) {
    Reader reader(bytes);
    take(reader);
    return !reader.ok();
  };
  const auto take_uint = [](Reader& r) { r.uint(); };
  const auto take_integer = [](Reader& r) { r.integer(); };
  REQUIRE(refused(BytesView("\xcc\x7f", 2), take_uint));
  REQUIRE(refused(BytesView("\xcd\0\xff", 3), take_uint));
  REQUIRE(refused(BytesView("\xce\0\0\xff\xff", 5), take_uint));
  REQUIRE(refused(BytesView("\xcf\0\0\0\0\xff\xff\xff\xff", 9), take_uint));
  REQUIRE(refused(BytesView("\xd0\x05", 2), take_integer));
  REQUIRE(refused(BytesView("\xd0\xe0", 2), take_integer));  // -32 fits one byte
  REQUIRE(refused(BytesView("\xd1\xff\x80", 3), take_integer));
  REQUIRE(refused(BytesView("\xc5\0\x01x", 4), [](Reader& r) { r.bin(); }));
  REQUIRE(refused(BytesView("\xd9\x01x", 3), [](Reader& r) { r.str(); }));
  REQUIRE(refused(BytesView("\xdc\0\x01\x01", 4), [](Reader& r) { r.array(); }));
}

TEST_CASE("Reader: lengths beyond the bytes at hand, refused without memory", "[crdt]") {
  for (const BytesView bomb : {BytesView("\xc6\xff\xff\xff\xff", 5), BytesView("\xdd\xff\xff\xff\xff", 5),
                               BytesView("\xdb\xff\xff\xff\xff", 5), BytesView("\xdf\xff\xff\xff\xff", 5),
                               BytesView("\xc9\xff\xff\xff\xff\x01", 6), BytesView("\x9f\x01", 2)}) {
    Reader reader(bomb);
    reader.skip();
    REQUIRE_FALSE(reader.ok());
    Reader array(bomb);
    REQUIRE(array.array() == 0);
    REQUIRE_FALSE(array.ok());
    Reader bin(bomb);
    REQUIRE(bin.bin().empty());
    REQUIRE_FALSE(bin.ok());
  }
}

TEST_CASE("Reader: skip, nested 32 deep and one more", "[crdt]") {
  const auto nested = [](int depth) { return Bytes(static_cast<size_t>(depth), '\x91') + Bytes(1, '\xc0'); };
  const Bytes deep = nested(Reader::kDepthMax), deeper = nested(Reader::kDepthMax + 1);
  Reader fits(deep);
  fits.skip();
  REQUIRE(fits.done());
  Reader too_deep(deeper);
  too_deep.skip();
  REQUIRE_FALSE(too_deep.ok());
}

TEST_CASE("Reader: the first failure, sticks and takes nothing more", "[crdt]") {
  Reader reader(BytesView("\xc0\x05\x93\x01\x02\x03", 6));
  REQUIRE(reader.uint() == 0);
  REQUIRE_FALSE(reader.ok());
  REQUIRE(reader.uint() == 0);
  REQUIRE(reader.array() == 0);
  REQUIRE(reader.bin().empty());
  REQUIRE_FALSE(reader.try_nil());
  REQUIRE_FALSE(reader.done());
  REQUIRE(reader.error("a thing").code == Errc::corrupt);
  REQUIRE(reader.error("a thing").message == "a thing: expected an unsigned integer at byte 1");
}

TEST_CASE("Reader: random bytes, never read past their end", "[crdt]") {
  Prng prng(2);
  for (int run = 0; run < 20000; ++run) {
    Bytes bytes;
    for (uint64_t n = prng.below(24); n > 0; --n) bytes.push_back(static_cast<char>(prng.next()));
    const Bytes exact(bytes);  // the sanitizer build sees a step beyond
    Reader reader(exact);
    while (reader.ok() && !reader.at_end()) {
      switch (prng.below(8)) {
        case 0:
          reader.uint();
          break;
        case 1:
          reader.integer();
          break;
        case 2:
          reader.int128();
          break;
        case 3:
          reader.bin();
          break;
        case 4:
          reader.str();
          break;
        case 5:
          reader.array();
          break;
        case 6:
          reader.boolean();
          break;
        default:
          reader.skip();
      }
      REQUIRE(reader.offset() <= exact.size());
    }
  }
}
