#include "region/http/body.h"

#include <algorithm>
#include <charconv>

namespace atolldb::http {
namespace {

constexpr size_t kLineBytesMax = 4096;

Error too_large(size_t bytes_max) {
  return {Errc::too_large, "the body has more than " + std::to_string(bytes_max) + " bytes"};
}

}  // namespace

BodyReader::BodyReader(std::optional<uint64_t> length, size_t bytes_max)
    : bytes_max_(bytes_max),
      chunked_(!length),
      state_(!length       ? State::size_line
             : *length > 0 ? State::data
                           : State::done),
      left_(length.value_or(0)) {
  if (left_ <= bytes_max) body_.reserve(left_);
}

Result<size_t> BodyReader::take(BytesView bytes) {
  if (body_.size() + left_ > bytes_max_) return too_large(bytes_max_);
  size_t at = 0;
  while (at < bytes.size() && state_ != State::done) {
    if (state_ == State::data) {
      const size_t size = std::min<uint64_t>(left_, bytes.size() - at);
      body_.append(bytes.substr(at, size));
      at += size;
      left_ -= size;
      if (left_ == 0) state_ = chunked_ ? State::data_end : State::done;
      continue;
    }
    const size_t end = bytes.find('\n', at);
    const size_t size = (end == BytesView::npos ? bytes.size() : end + 1) - at;
    line_.append(bytes.substr(at, size));
    at += size;
    if (line_.size() > kLineBytesMax) return {Errc::invalid, "found a line of a chunk without an end"};
    if (end == BytesView::npos) break;
    if (!line_.ends_with("\r\n"))
      return {Errc::invalid, "found a line of a chunk that ends without a carriage return"};
    auto taken = take_line(BytesView(line_).substr(0, line_.size() - 2));
    if (!taken) return taken.error();
    line_.clear();
  }
  return at;
}

Status BodyReader::take_line(BytesView line) {
  switch (state_) {
    case State::size_line:
      return take_size(line);
    case State::data_end:
      if (!line.empty())
        return {Errc::invalid,
                "found more bytes in a chunk than its size says, expected the end of the line"};
      state_ = State::size_line;
      return ok();
    default:
      extra_ += line.size();
      if (extra_ > kExtraBytesMax) return {Errc::too_large, "the trailers of the chunks are too large"};
      if (line.empty()) state_ = State::done;
      return ok();
  }
}

Status BodyReader::take_size(BytesView line) {
  const char* const end = line.data() + line.size();
  const auto [digits_end, error] = std::from_chars(line.data(), end, left_, 16);
  const bool number = error == std::errc() && line.front() != '-';
  if (!number || (digits_end != end && *digits_end != ';' && *digits_end != ' '))
    return {Errc::invalid, "found a chunk that does not begin with its size in hexadecimal digits"};
  extra_ += static_cast<size_t>(end - digits_end);
  if (extra_ > kExtraBytesMax) return {Errc::too_large, "the extensions of the chunks are too large"};
  if (left_ > bytes_max_ || body_.size() + left_ > bytes_max_) return too_large(bytes_max_);
  state_ = left_ == 0 ? State::trailer : State::data;
  return ok();
}

}  // namespace atolldb::http
