#pragma once
// Bytes on their way to a client: small pieces gather in one buffer, large values keep their own, so that
// they are never copied again on their way to the socket.

#include <utility>
#include <vector>

#include "crdt/base/bytes.h"

namespace atolldb::resp {

class Output {
 public:
  static constexpr size_t kOwnBufferBytes = 16u << 10;  // values from this size on keep theirs

  // The buffer that small pieces are appended to.
  Bytes& tail() {
    if (buffers_.empty() || closed_) {
      buffers_.emplace_back();
      closed_ = false;
    }
    return buffers_.back();
  }
  void append(BytesView bytes) { tail().append(bytes); }
  void append(Bytes&& bytes) {
    if (bytes.size() < kOwnBufferBytes) return append(BytesView(bytes));
    buffers_.push_back(std::move(bytes));
    closed_ = true;
  }
  void append(Output&& other) {
    if (buffers_.empty()) {
      *this = std::move(other);
    } else {
      for (Bytes& buffer : other.buffers_) append(std::move(buffer));
    }
    other = {};
  }
  bool empty() const { return buffers_.empty(); }
  size_t size() const {
    size_t size = 0;
    for (const Bytes& buffer : buffers_) size += buffer.size();
    return size;
  }
  std::vector<Bytes> take() {
    closed_ = false;
    return std::exchange(buffers_, {});
  }

 private:
  std::vector<Bytes> buffers_;
  bool closed_ = false;  // the last one is a value's own
};

}  // namespace atolldb::resp
