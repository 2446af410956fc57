#include "region/resp/writer.h"

#include <charconv>
#include <utility>

namespace atolldb::resp {

void Writer::line(char kind, int64_t number) {
  char text[24];
  text[0] = kind;
  char* const end = std::to_chars(text + 1, text + 22, number).ptr;
  end[0] = '\r';
  end[1] = '\n';
  out_->append(BytesView(text, static_cast<size_t>(end + 2 - text)));
}

void Writer::simple(BytesView text) {
  Bytes& out = out_->tail();
  out.push_back('+');
  out.append(text).append("\r\n");
}

void Writer::error(BytesView text) {
  Bytes& out = out_->tail();
  out.push_back('-');
  for (const char c : text) out.push_back(c == '\r' || c == '\n' ? ' ' : c);
  out.append("\r\n");
}

void Writer::bulk(BytesView value) {
  line('$', static_cast<int64_t>(value.size()));
  out_->append(value);
  out_->append(BytesView("\r\n"));
}

void Writer::bulk(Bytes&& value) {
  line('$', static_cast<int64_t>(value.size()));
  out_->append(std::move(value));
  out_->append(BytesView("\r\n"));
}

void Writer::verbatim(BytesView text) {
  if (!three()) return bulk(text);
  line('=', static_cast<int64_t>(text.size() + 4));
  Bytes& out = out_->tail();
  out.append("txt:").append(text).append("\r\n");
}

void Writer::null() { out_->append(three() ? BytesView("_\r\n") : BytesView("$-1\r\n")); }
void Writer::null_array() { out_->append(three() ? BytesView("_\r\n") : BytesView("*-1\r\n")); }
void Writer::boolean(bool value) {
  out_->append(three() ? BytesView(value ? "#t\r\n" : "#f\r\n") : BytesView(value ? ":1\r\n" : ":0\r\n"));
}

}  // namespace atolldb::resp
