#include "region/resp/render.h"

#include <charconv>

namespace atolldb::resp {
namespace {

const char* prefix_of(const region::Response& response) {
  if (response.outcome == region::Outcome::unknown) return "UNKNOWN ";
  switch (response.code) {
    case Errc::wrong_type:
      return "WRONGTYPE ";
    case Errc::busy:
      return "BUSY ";
    case Errc::full:
      return "FULL ";
    case Errc::unavailable:
      return "UNAVAILABLE ";
    case Errc::behind:
      return "BEHIND ";
    case Errc::timeout:
      return "TIMEOUT ";
    case Errc::refused:
      return "NOPERM ";
    default:
      return "ERR ";
  }
}

}  // namespace

void render_failure(Writer& reply, const region::Response& response) {
  reply.error(prefix_of(response) + response.message);
}

void render_value(Writer& reply, region::Response&& response, int64_t) {
  if (!response.found) return reply.null();
  reply.bulk(std::move(response.value));
}

void render_number(Writer& reply, region::Response&& response, int64_t) { reply.integer(response.number); }

void render_decimal(Writer& reply, region::Response&& response, int64_t) {
  if (response.value.empty())  // found by its request id: the sum of then is not kept, and another's may be
                               // the present one
    return reply.error(
        "COUNTED the increment was counted, once; the node that had it in work went down before it could "
        "tell the "
        "sum: do not repeat it, and read the present one");
  int64_t number = 0;
  std::from_chars(response.value.data(), response.value.data() + response.value.size(), number);
  reply.integer(number);
}

void render_found(Writer& reply, region::Response&& response, int64_t) {
  reply.integer(response.found ? 1 : 0);
}

void render_ok(Writer& reply, region::Response&&, int64_t) { reply.ok(); }

}  // namespace atolldb::resp
