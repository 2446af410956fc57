#pragma once
// What a node answers, as Redis clients know it.

#include "region/core/request.h"
#include "region/resp/writer.h"

namespace atolldb::resp {

// `option` is the command's own.
using Render = void (*)(Writer& reply, region::Response&& response, int64_t option);

// Requires: the outcome is not done. The first word tells programs what to do: ERR and WRONGTYPE, the command
// is wrong; BUSY, FULL, UNAVAILABLE, BEHIND, TIMEOUT, nothing happened, try again; UNKNOWN, it may have
// happened.
void render_failure(Writer& reply, const region::Response& response);

void render_value(Writer& reply, region::Response&& response, int64_t option);    // bulk, or null
void render_number(Writer& reply, region::Response&& response, int64_t option);   // Response::number
void render_decimal(Writer& reply, region::Response&& response, int64_t option);  // value, as a number
void render_found(Writer& reply, region::Response&& response, int64_t option);    // 1 or 0
void render_ok(Writer& reply, region::Response&& response, int64_t option);

}  // namespace atolldb::resp
