#pragma once
// Requests and responses as MessagePack (docs/formats/client.md). A frame is an array: version, kind (1
// request, 2 response), then the messages, so that one frame carries many. Decoding validates everything and
// allocates no more than the frame's own size allows.

#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/result.h"
#include "region/core/request.h"

namespace atolldb::region {

inline constexpr size_t kClientFrameBytesMax = 32u << 20;
inline constexpr size_t kClientFrameMessagesMax = 4096;

Bytes encode_requests(const std::vector<Request>& requests);
Bytes encode_responses(const std::vector<Response>& responses);
// Errc::version: the first byte names another version. Errc::corrupt: not a frame of this protocol.
// Errc::too_large.
Result<std::vector<Request>> decode_requests(BytesView frame);
Result<std::vector<Response>> decode_responses(BytesView frame);

}  // namespace atolldb::region
