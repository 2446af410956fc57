#pragma once
// The project's one MessagePack vocabulary: every codec file writes and reads its bytes with these two
// classes.
//
// Canonical: a value has exactly one encoding, the shortest one. Writer produces no other and Reader takes no
// other, so that equal values have equal bytes wherever they are hashed or compared. The subset is: nil,
// bool, integers, bin (bytes), str (text for people and names) and array. Other MessagePack types can only be
// skipped, which is how a reader passes over what a newer version added.
//
// Writer appends to a Bytes that its owner keeps. Reader borrows: views that it returns live as long as the
// bytes it was given.

#include <cstddef>
#include <cstdint>

#include "crdt/base/bytes.h"
#include "crdt/base/int128.h"
#include "crdt/base/result.h"

namespace atolldb::crdt {

class Writer {
 public:
  explicit Writer(Bytes& out) : out_(out) {}

  void nil() { put(0xc0); }
  void boolean(bool value) { put(value ? 0xc3 : 0xc2); }
  void uint(uint64_t value) {
    if (value < 0x80) return put(static_cast<uint8_t>(value));
    wide_uint(value);
  }
  void integer(int64_t value) {
    if (value >= 0) return uint(static_cast<uint64_t>(value));
    if (value >= -32) return put(static_cast<uint8_t>(value));
    wide_negative(value);
  }
  // Inside 64 bits an integer, outside a bin of 16 bytes, big-endian two's complement.
  void int128(Int128 value);
  void bin(BytesView bytes) {
    bin_header(bytes.size());
    out_.append(bytes);
  }
  // The header of a bin whose `size` bytes the caller appends with raw(). Requires: size < 2^32.
  void bin_header(size_t size) {
    if (size < 0x100) {
      put(0xc4);
      return put(static_cast<uint8_t>(size));
    }
    wide_bin(size);
  }
  void str(std::string_view text);  // Requires: size < 2^32
  // The header of an array; its `count` elements follow. Requires: count < 2^32.
  void array(size_t count) {
    if (count < 16) return put(static_cast<uint8_t>(0x90 | count));
    wide_array(count);
  }
  void raw(BytesView encoded) { out_.append(encoded); }  // bytes that are MessagePack already

 private:
  void put(uint8_t byte) { out_.push_back(static_cast<char>(byte)); }
  void wide_uint(uint64_t value);
  void wide_negative(int64_t value);
  void wide_bin(size_t size);
  void wide_array(size_t count);

  Bytes& out_;
};

// A cursor that takes one value at a time and validates it. The first failure sticks: from then on every
// method answers zero, false or an empty view and takes nothing, so that a decoder may check ok() once, at
// its end. No length that it returns is larger than the bytes at hand: an array has at least one byte for
// each element.
class Reader {
 public:
  static constexpr int kDepthMax = 32;  // of what skip() passes over

  explicit Reader(BytesView bytes) : begin_(bytes.data()), at_(begin_), end_(begin_ + bytes.size()) {}

  uint64_t uint() {
    if (at_ != end_ && byte_at(at_) < 0x80) return byte_at(at_++);
    return wide_uint();
  }
  uint64_t uint(uint64_t max);  // fails above max
  int64_t integer();
  Int128 int128();
  bool boolean();
  void nil();       // fails on anything but nil
  bool try_nil() {  // true and past it when nil is next; otherwise nothing is taken
    if (!next_is(0xc0)) return false;
    ++at_;
    return true;
  }
  BytesView bin() {
    if (end_ - at_ >= 2 && byte_at(at_) == 0xc4 && byte_at(at_ + 1) <= end_ - at_ - 2) {
      const BytesView out(at_ + 2, byte_at(at_ + 1));
      at_ += 2 + out.size();
      return out;
    }
    return wide_bin();
  }
  BytesView bin(size_t size_max);  // fails above size_max
  std::string_view str();          // bytes of a str as they stand; not checked to be UTF-8
  size_t array() {
    if (at_ != end_ && (byte_at(at_) & 0xf0) == 0x90 && (byte_at(at_) & 0x0f) < end_ - at_)
      return byte_at(at_++) & 0x0f;
    return wide_array();
  }
  void array_of(size_t count);  // fails unless an array of exactly that many elements is next
  void skip();                  // passes over one value of any type, kDepthMax deep at most
  BytesView value();            // the bytes of one value of any type, passed over

  // Fails with the caller's own reason, a text that lives as long as the program.
  void fail(const char* why);

  bool ok() const { return why_ == nullptr; }
  bool at_end() const { return at_ == end_; }
  bool done() const { return ok() && at_end(); }  // all was taken and all was well
  size_t offset() const { return static_cast<size_t>(at_ - begin_); }
  BytesView rest() const { return {at_, static_cast<size_t>(end_ - at_)}; }
  // Errc::corrupt: "`what`: `the reason` at byte n". When nothing failed, the reason is that bytes are left
  // over.
  Error error(std::string_view what) const;

 private:
  static uint8_t byte_at(const char* p) { return static_cast<uint8_t>(*p); }
  bool next_is(uint8_t byte) const { return at_ != end_ && byte_at(at_) == byte; }
  bool take(uint8_t& byte);
  uint64_t big_endian(int width);  // of the next `width` bytes
  uint64_t length(int width, uint64_t least);
  BytesView sized(uint64_t size);
  uint64_t wide_uint();
  BytesView wide_bin();
  size_t wide_array();
  bool skip_one(uint64_t& open);

  const char* begin_;
  const char* at_;
  const char* end_;
  const char* why_ = nullptr;
  size_t failed_at_ = 0;
};

}  // namespace atolldb::crdt
