#pragma once
// Replies as bytes, in the version of the protocol that the connection speaks: what version 2 has no form for
// is written as it always was (a map as an array of twice the length, null as a null bulk string).

#include <cstdint>

#include "crdt/base/bytes.h"
#include "region/resp/output.h"

namespace atolldb::resp {

enum class Protocol : uint8_t { resp2 = 2, resp3 = 3 };

class Writer {
 public:
  Writer(Output& out, Protocol protocol) : out_(&out), protocol_(protocol) {}

  void simple(BytesView text);  // without line ends
  void ok() { out_->append(BytesView("+OK\r\n")); }
  // "CODE sentence"; line ends in it become blanks.
  void error(BytesView text);
  void integer(int64_t number) { line(':', number); }
  void bulk(BytesView value);
  void bulk(Bytes&& value);
  void verbatim(BytesView text);  // text for people
  void null();
  void null_array();
  void boolean(bool value);
  // So many replies follow.
  void array(size_t count) { line('*', static_cast<int64_t>(count)); }
  void set(size_t count) { line(three() ? '~' : '*', static_cast<int64_t>(count)); }
  void map(size_t pairs) { line(three() ? '%' : '*', static_cast<int64_t>(three() ? pairs : 2 * pairs)); }

  void set_protocol(Protocol protocol) { protocol_ = protocol; }
  Protocol protocol() const { return protocol_; }
  bool three() const { return protocol_ == Protocol::resp3; }

 private:
  void line(char kind, int64_t number);

  Output* out_;
  Protocol protocol_;
};

}  // namespace atolldb::resp
