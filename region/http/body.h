#pragma once
// The bytes of a request's body as they come from a connection: so many as the head says, or in chunks (RFC
// 9112, 6 and 7.1). Strict: what two readers could take for two things is refused.

#include <cstdint>
#include <optional>

#include "crdt/base/bytes.h"
#include "crdt/base/result.h"

namespace atolldb::http {

class BodyReader {
 public:
  static constexpr size_t kExtraBytesMax = 64u << 10;  // chunk extensions and trailers, in all

  // `length` bytes; nothing: chunks. More than `bytes_max` are refused.
  BodyReader(std::optional<uint64_t> length, size_t bytes_max);

  // Takes what belongs to the body from the beginning of `bytes`; how many bytes that were. Errc::too_large,
  // Errc::invalid: nothing more of this connection can be understood.
  Result<size_t> take(BytesView bytes);
  bool done() const { return state_ == State::done; }
  size_t size() const { return body_.size(); }
  Bytes&& body() { return std::move(body_); }

 private:
  enum class State : uint8_t { data, size_line, data_end, trailer, done };

  Status take_line(BytesView line);
  Status take_size(BytesView line);

  const size_t bytes_max_;
  const bool chunked_;
  State state_;
  uint64_t left_ = 0;  // of the data that comes next
  size_t extra_ = 0;
  Bytes line_;  // the beginning of one
  Bytes body_;
};

}  // namespace atolldb::http
