#include "crdt/wire.h"

#include <cstring>

namespace atolldb::crdt {

namespace {

void append_big_endian(Bytes& out, uint8_t head, uint64_t value, int width) {
  const uint64_t shifted = __builtin_bswap64(value << (64 - 8 * width));
  char buffer[9];
  buffer[0] = static_cast<char>(head);
  std::memcpy(buffer + 1, &shifted, sizeof shifted);
  out.append(buffer, static_cast<size_t>(width) + 1);
}

}  // namespace

void Writer::wide_uint(uint64_t value) {
  if (value <= 0xff) return append_big_endian(out_, 0xcc, value, 1);
  if (value <= 0xffff) return append_big_endian(out_, 0xcd, value, 2);
  if (value <= 0xffffffff) return append_big_endian(out_, 0xce, value, 4);
  append_big_endian(out_, 0xcf, value, 8);
}

void Writer::wide_negative(int64_t value) {
  const auto bits = static_cast<uint64_t>(value);
  if (value >= INT8_MIN) return append_big_endian(out_, 0xd0, bits, 1);
  if (value >= INT16_MIN) return append_big_endian(out_, 0xd1, bits, 2);
  if (value >= INT32_MIN) return append_big_endian(out_, 0xd2, bits, 4);
  append_big_endian(out_, 0xd3, bits, 8);
}

void Writer::int128(Int128 value) {
  if (value >= INT64_MIN && value <= INT64_MAX) return integer(static_cast<int64_t>(value));
  const auto bits = static_cast<Uint128>(value);
  char bytes[16];
  for (int i = 0; i < 16; ++i) bytes[i] = static_cast<char>(bits >> (8 * (15 - i)));
  bin({bytes, sizeof bytes});
}

void Writer::wide_bin(size_t size) {
  ensure(size <= UINT32_MAX, "MessagePack bytes are shorter than 4 GiB");
  if (size <= 0xffff) return append_big_endian(out_, 0xc5, size, 2);
  append_big_endian(out_, 0xc6, size, 4);
}

void Writer::str(std::string_view text) {
  ensure(text.size() <= UINT32_MAX, "MessagePack text is shorter than 4 GiB");
  if (text.size() < 32)
    put(static_cast<uint8_t>(0xa0 | text.size()));
  else if (text.size() <= 0xff)
    append_big_endian(out_, 0xd9, text.size(), 1);
  else if (text.size() <= 0xffff)
    append_big_endian(out_, 0xda, text.size(), 2);
  else
    append_big_endian(out_, 0xdb, text.size(), 4);
  out_.append(text);
}

void Writer::wide_array(size_t count) {
  ensure(count <= UINT32_MAX, "a MessagePack array has fewer than 2^32 elements");
  if (count <= 0xffff) return append_big_endian(out_, 0xdc, count, 2);
  append_big_endian(out_, 0xdd, count, 4);
}

void Reader::fail(const char* why) {
  if (why_ != nullptr) return;
  why_ = why;
  failed_at_ = offset();
  at_ = end_;  // so that the fast paths take nothing either
}

Error Reader::error(std::string_view what) const {
  const bool left_over = why_ == nullptr;
  return {Errc::corrupt, std::string(what) + ": " + (left_over ? "bytes are left over" : why_) + " at byte " +
                             std::to_string(left_over ? offset() : failed_at_)};
}

bool Reader::take(uint8_t& byte) {
  if (!ok()) return false;
  if (at_ == end_) {
    fail("the bytes end too early");
    return false;
  }
  byte = byte_at(at_++);
  return true;
}

uint64_t Reader::big_endian(int width) {
  if (end_ - at_ < width) {
    fail("the bytes end too early");
    return 0;
  }
  uint64_t value = 0;
  std::memcpy(&value, at_, static_cast<size_t>(width));
  at_ += width;
  return __builtin_bswap64(value) >> (64 - 8 * width);
}

// A number that must not have fitted into the next narrower form, whose end is `least`.
uint64_t Reader::length(int width, uint64_t least) {
  const uint64_t value = big_endian(width);
  if (ok() && value < least) fail("not the shortest encoding");
  return ok() ? value : 0;
}

uint64_t Reader::wide_uint() {
  uint8_t head = 0;
  if (!take(head)) return 0;
  switch (head) {
    case 0xcc:
      return length(1, 0x80);
    case 0xcd:
      return length(2, 0x100);
    case 0xce:
      return length(4, 0x10000);
    case 0xcf:
      return length(8, 0x100000000);
    default:
      fail("expected an unsigned integer");
      return 0;
  }
}

uint64_t Reader::uint(uint64_t max) {
  const uint64_t value = uint();
  if (value <= max) return value;
  fail("a number is over its limit");
  return 0;
}

int64_t Reader::integer() {
  if (at_ == end_ || byte_at(at_) < 0xd0) {
    const uint64_t value = uint();
    if (value <= static_cast<uint64_t>(INT64_MAX)) return static_cast<int64_t>(value);
    fail("expected a signed 64-bit integer");
    return 0;
  }
  const uint8_t head = byte_at(at_++);
  if (head >= 0xe0) return static_cast<int8_t>(head);
  int64_t value = 0, limit = 0;  // the widest form holds only what is below the narrower one's limit
  switch (head) {
    case 0xd0:
      value = static_cast<int8_t>(big_endian(1)), limit = -32;
      break;
    case 0xd1:
      value = static_cast<int16_t>(big_endian(2)), limit = INT8_MIN;
      break;
    case 0xd2:
      value = static_cast<int32_t>(big_endian(4)), limit = INT16_MIN;
      break;
    case 0xd3:
      value = static_cast<int64_t>(big_endian(8)), limit = INT32_MIN;
      break;
    default:
      fail("expected an integer");
      return 0;
  }
  if (ok() && value >= limit) fail("not the shortest encoding");
  return ok() ? value : 0;
}

Int128 Reader::int128() {
  if (!next_is(0xc4)) return integer();
  const BytesView bytes = bin();
  if (bytes.size() != 16) {
    fail("a 128-bit integer has 16 bytes");
    return 0;
  }
  Uint128 bits = 0;
  for (const char c : bytes) bits = bits << 8 | static_cast<uint8_t>(c);
  const auto value = static_cast<Int128>(bits);
  if (value < INT64_MIN || value > INT64_MAX) return value;
  fail("not the shortest encoding");
  return 0;
}

bool Reader::boolean() {
  uint8_t head = 0;
  if (!take(head)) return false;
  if (head != 0xc2 && head != 0xc3) fail("expected a boolean");
  return head == 0xc3;
}

void Reader::nil() {
  if (!try_nil()) fail(at_end() ? "the bytes end too early" : "expected nil");
}

BytesView Reader::sized(uint64_t size) {
  if (!ok()) return {};
  if (size > static_cast<uint64_t>(end_ - at_)) {
    fail("a length is larger than the bytes at hand");
    return {};
  }
  const BytesView out(at_, size);
  at_ += size;
  return out;
}

BytesView Reader::wide_bin() {
  uint8_t head = 0;
  if (!take(head)) return {};
  switch (head) {
    case 0xc4:
      return sized(length(1, 0));
    case 0xc5:
      return sized(length(2, 0x100));
    case 0xc6:
      return sized(length(4, 0x10000));
    default:
      fail("expected bytes");
      return {};
  }
}

BytesView Reader::bin(size_t size_max) {
  const BytesView bytes = bin();
  if (bytes.size() <= size_max) return bytes;
  fail("bytes are longer than their limit");
  return {};
}

std::string_view Reader::str() {
  uint8_t head = 0;
  if (!take(head)) return {};
  if ((head & 0xe0) == 0xa0) return sized(head & 0x1f);
  switch (head) {
    case 0xd9:
      return sized(length(1, 32));
    case 0xda:
      return sized(length(2, 0x100));
    case 0xdb:
      return sized(length(4, 0x10000));
    default:
      fail("expected text");
      return {};
  }
}

size_t Reader::wide_array() {
  uint8_t head = 0;
  if (!take(head)) return 0;
  uint64_t count = 0;
  if ((head & 0xf0) == 0x90)
    count = head & 0x0f;
  else if (head == 0xdc)
    count = length(2, 16);
  else if (head == 0xdd)
    count = length(4, 0x10000);
  else
    fail("expected an array");
  if (ok() && count > static_cast<uint64_t>(end_ - at_)) fail("an array has more elements than bytes follow");
  return ok() ? count : 0;
}

void Reader::array_of(size_t count) {
  if (array() != count) fail("an array has another number of elements than expected");
}

// Passes over one value's head and scalar bytes; `open` is how many values it contains.
bool Reader::skip_one(uint64_t& open) {
  uint8_t head = 0;
  open = 0;
  if (!take(head)) return false;
  if (head < 0x80 || head >= 0xe0 || head == 0xc0 || head == 0xc2 || head == 0xc3) return true;
  if (head < 0x90) return open = 2ull * (head & 0x0f), true;
  if (head < 0xa0) return open = head & 0x0f, true;
  if (head < 0xc0) return sized(head & 0x1f), ok();
  switch (head) {
    case 0xc4:
    case 0xd9:
      sized(big_endian(1));
      break;
    case 0xc5:
    case 0xda:
      sized(big_endian(2));
      break;
    case 0xc6:
    case 0xdb:
      sized(big_endian(4));
      break;
    case 0xc7:
      sized(big_endian(1) + 1);
      break;
    case 0xc8:
      sized(big_endian(2) + 1);
      break;
    case 0xc9:
      sized(big_endian(4) + 1);
      break;
    case 0xca:
      sized(4);
      break;
    case 0xcb:
      sized(8);
      break;
    case 0xcc:
    case 0xd0:
      sized(1);
      break;
    case 0xcd:
    case 0xd1:
      sized(2);
      break;
    case 0xce:
    case 0xd2:
      sized(4);
      break;
    case 0xcf:
    case 0xd3:
      sized(8);
      break;
    case 0xd4:
      sized(2);
      break;
    case 0xd5:
      sized(3);
      break;
    case 0xd6:
      sized(5);
      break;
    case 0xd7:
      sized(9);
      break;
    case 0xd8:
      sized(17);
      break;
    case 0xdc:
      open = big_endian(2);
      break;
    case 0xdd:
      open = big_endian(4);
      break;
    case 0xde:
      open = 2 * big_endian(2);
      break;
    case 0xdf:
      open = 2 * big_endian(4);
      break;
    default:
      fail("a byte that begins no value");
  }
  return ok();
}

void Reader::skip() {
  uint64_t left[kDepthMax + 1] = {1};  // values still to pass over, one number a level
  int depth = 0;
  while (depth >= 0) {
    if (left[depth] == 0) {
      --depth;
      continue;
    }
    --left[depth];
    uint64_t open = 0;
    if (!skip_one(open)) return;
    if (open == 0) continue;
    if (open > static_cast<uint64_t>(end_ - at_))
      return fail("a collection has more elements than bytes follow");
    if (depth == kDepthMax) return fail("values are nested too deeply");
    left[++depth] = open;
  }
}

BytesView Reader::value() {
  const char* from = at_;
  skip();
  return ok() ? BytesView(from, static_cast<size_t>(at_ - from)) : BytesView();
}

}  // namespace atolldb::crdt
