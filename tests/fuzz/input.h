#pragma once
// What a fuzz target draws from its input: small numbers and pieces, from the front; nothing is left over.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "crdt/base/bytes.h"

namespace atolldb::fuzz {

// Ends the process where it does not hold: that is how libFuzzer learns of it.
inline void check(bool holds, const char* wrong) {
  if (holds) return;
  std::fprintf(stderr, "found: %s\n", wrong);
  std::abort();
}

class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool at_end() const { return rest_.empty(); }
  BytesView rest() const { return rest_; }
  // 0 to n-1, from one byte, or two where n is above 256; 0 at the end.
  size_t below(size_t n) {
    size_t number = byte();
    if (n > 256) number = number << 8 | byte();
    return number % n;
  }
  // At most that many bytes.
  Bytes text(size_t most) { return Bytes(take(below(most + 1))); }
  // A piece of what is left: 255 bytes at the most, one at the least unless at the end.
  BytesView rest_piece() { return take(1 + below(255)); }
  // Up to the separator, which is dropped.
  BytesView until(char separator) {
    const size_t at = rest_.find(separator);
    const BytesView part = rest_.substr(0, at);
    rest_ = at == BytesView::npos ? BytesView() : rest_.substr(at + 1);
    return part;
  }

 private:
  size_t byte() {
    const BytesView one = take(1);
    return one.empty() ? 0 : static_cast<uint8_t>(one[0]);
  }
  BytesView take(size_t size) {
    const BytesView part = rest_.substr(0, std::min(size, rest_.size()));
    rest_.remove_prefix(part.size());
    return part;
  }

  BytesView rest_;
};

}  // namespace atolldb::fuzz
