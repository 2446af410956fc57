#include "region/io/http_protocol.h"

#include <httplib.h>
#include <strings.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "region/http/body.h"
#include "region/http/exchange.h"

namespace atolldb::region {
namespace {

using http::Answer;

class WireStream : public httplib::Stream {
 public:
  explicit WireStream(HttpWire& wire) : wire_(wire) {}

  bool is_readable() const override { return wire_.taken < wire_.input.size(); }
  bool is_writable() const override { return true; }
  ssize_t read(char* out, size_t size) override {
    const size_t read = wire_.input.copy(out, size, wire_.taken);
    wire_.taken += read;
    return static_cast<ssize_t>(read);
  }
  ssize_t write(const char* bytes, size_t size) override {
    wire_.output.append(bytes, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return 0; }

 private:
  HttpWire& wire_;
};

struct InHand {
  HttpWire& wire;
  const HttpProtocol::Hooks& hooks;
};
// Of this thread: httplib's handlers are not told which connection they serve.
thread_local const InHand* in_hand = nullptr;

std::optional<std::string> header(const httplib::Request& request, const char* name) {
  if (!request.has_header(name)) return std::nullopt;
  return request.get_header_value(name);
}

void put(httplib::Response& response, Answer&& answer) {
  response.status = answer.status;
  for (auto& [name, value] : answer.headers) response.set_header(name, value);
  if (!answer.type.empty()) response.set_header("Content-Type", answer.type);
  response.body = std::move(answer.body);
}

// What follows is no request that could be understood.
Answer last_failure(int status, const char* code, const std::string& message) {
  in_hand->wire.close = true;
  return http::failure(status, code, message);
}

bool is_chunked(const std::string& value) {
  return value.size() == 7 && strncasecmp(value.c_str(), "chunked", value.size()) == 0;
}

struct Framing {
  bool body = false;
  std::optional<uint64_t> length;  // nothing: chunks
};

// How the body is told apart from what follows it (RFC 9112, 6.3).
Result<Framing> framing_of(const httplib::Request& request) {
  const size_t encodings = request.get_header_value_count("Transfer-Encoding");
  const size_t lengths = request.get_header_value_count("Content-Length");
  if (encodings + lengths == 0) return Framing{};
  if (encodings + lengths > 1)
    return {Errc::invalid,
            "found more than one header that says where the body ends, expected one Content-Length or "
            "one Transfer-Encoding"};
  if (encodings == 1) {
    if (!is_chunked(request.get_header_value("Transfer-Encoding")))
      return {Errc::invalid, "found another Transfer-Encoding, expected chunked"};
    return Framing{true, std::nullopt};
  }
  const std::string text = request.get_header_value("Content-Length");
  uint64_t length = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (error != std::errc() || end != text.data() + text.size())
    return {Errc::invalid, "found a Content-Length that is no number"};
  return Framing{length > 0, length};
}

constexpr const char* kNoRoom = "too many bodies are on their way to this node; try again soon";

// Nothing: it was read. Otherwise why not.
std::optional<Answer> read_body(const Framing& framing, size_t bytes_max, Bytes& body) {
  HttpWire& wire = in_hand->wire;
  if (framing.length.value_or(0) > bytes_max)
    return last_failure(413, "too_large",
                        "the body has " + std::to_string(*framing.length) + " bytes; at most " +
                            std::to_string(bytes_max) + " are allowed");
  if (!in_hand->hooks.reserve(framing.length.value_or(0))) return last_failure(503, "busy", kNoRoom);
  http::BodyReader reader(framing.length, bytes_max);
  while (true) {
    const auto taken = reader.take(BytesView(wire.input).substr(wire.taken));
    if (!taken && taken.error().code == Errc::too_large)
      return last_failure(413, "too_large", taken.error().message);
    if (!taken) return last_failure(400, "invalid", taken.error().message);
    wire.taken += *taken;
    if (reader.done()) break;
    wire.input.clear();
    wire.taken = 0;
    if (!in_hand->hooks.reserve(std::max<uint64_t>(framing.length.value_or(0), reader.size())))
      return last_failure(503, "busy", kNoRoom);
    if (!in_hand->hooks.more(wire))
      return last_failure(408, "timeout", "the body did not come to its end in time; nothing happened");
  }
  body = reader.body();
  return std::nullopt;
}

Answer answer_in_hand(const httplib::Request& request, size_t bytes_max) {
  const auto framing = framing_of(request);
  if (!framing) return last_failure(400, "invalid", framing.error().message);
  if (const auto encoding = header(request, "Content-Encoding"); encoding && *encoding != "identity")
    return last_failure(415, "invalid", "found a Content-Encoding, expected the bytes as they are");
  http::Call call;
  if (framing->body)
    if (auto failed = read_body(*framing, bytes_max, call.body)) return std::move(*failed);
  call.method = request.method;
  call.target = request.target;
  call.context = header(request, "Atoll-Context");
  call.session = header(request, "Atoll-Session");
  call.if_match = header(request, "If-Match");
  call.if_none_match = header(request, "If-None-Match");
  return in_hand->hooks.handle(call);
}

const char* sentence_of(int status) {
  switch (status) {
    case 414:
      return "the target is longer than 8192 bytes";
    case 416:
      return "found a Range, expected none: values are answered whole";
    default:
      return "found what is no HTTP/1.1 request: expected METHOD TARGET HTTP/1.1, and header lines of at "
             "most 8192 "
             "bytes";
  }
}

// What httplib itself refuses has no body yet.
void explain(httplib::Response& response) {
  if (response.status < 400 || !response.body.empty()) return;
  in_hand->wire.close = true;
  put(response, http::failure(response.status, "invalid", sentence_of(response.status)));
}

}  // namespace

class HttpProtocol::Server : public httplib::Server {
 public:
  explicit Server(size_t bytes_max) {
    set_pre_routing_handler([bytes_max](const httplib::Request& request, httplib::Response& response) {
      put(response, answer_in_hand(request, bytes_max));
      return HandlerResponse::Handled;
    });
    set_error_handler(HandlerWithResponse([](const httplib::Request&, httplib::Response& response) {
      explain(response);
      return HandlerResponse::Handled;
    }));
    set_post_routing_handler([](const httplib::Request&, httplib::Response& response) {
      response.headers.erase("Keep-Alive");
      response.headers.erase("Accept-Ranges");
      if (response.status == 204) response.headers.erase("Content-Length");
      if (in_hand->wire.close && !response.has_header("Connection"))
        response.set_header("Connection", "close");
    });
    // What is refused by its head is not sent at all.
    set_expect_100_continue_handler(
        [bytes_max](const httplib::Request& request, httplib::Response& response) {
          const auto framing = framing_of(request);
          if (framing && framing->length.value_or(0) <= bytes_max) return 100;
          put(response, answer_in_hand(request, bytes_max));
          return response.status;
        });
  }

  bool serve(HttpWire& wire) {
    WireStream stream(wire);
    bool closed = false;
    const bool served = process_request(stream, false, closed, [](httplib::Request& request) {
      request.ranges.clear();
      request.headers.erase("Range");
      request.headers.erase("Accept-Encoding");
      if (strcasecmp(request.get_header_value("Connection").c_str(), "close") == 0)
        in_hand->wire.close = true;
    });
    if (closed) wire.close = true;
    return served;
  }
};

HttpProtocol::HttpProtocol(size_t body_bytes_max) : server_(std::make_unique<Server>(body_bytes_max)) {}
HttpProtocol::~HttpProtocol() = default;

void HttpProtocol::serve(HttpWire& wire, const Hooks& hooks) const {
  const InHand here{wire, hooks};
  in_hand = &here;
  if (!server_->serve(wire)) wire.close = true;
  in_hand = nullptr;
}

Bytes HttpProtocol::refusal(int status, const char* code, const char* message) {
  const Answer answer = http::failure(status, code, message);
  Bytes out = "HTTP/1.1 " + std::to_string(status) + " \r\n";  // the words behind a status are optional
  out += "Content-Type: " + answer.type + "\r\nConnection: close\r\n";
  for (const auto& [name, value] : answer.headers) out.append(name).append(": ").append(value).append("\r\n");
  return out + "Content-Length: " + std::to_string(answer.body.size()) + "\r\n\r\n" + answer.body;
}

}  // namespace atolldb::region
