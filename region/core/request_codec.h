#pragma once
// Requests and responses as MessagePack (docs/formats/client.md). A frame is an array: version, kind (1
// request, 2 response), then the messages, so that one frame carries many. Decoding validates everything and
// allocates no more than the frame's own size allows.
//
// An operation that this version does not know decodes; it is for the engine to answer Errc::invalid for that
// one request, while the others of its frame go on.

#include <span>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/result.h"
#include "region/core/request.h"

namespace atolldb::region {

inline constexpr size_t kClientFrameBytesMax = 32u << 20;
inline constexpr size_t kClientFrameMessagesMax = 4096;
inline constexpr size_t kClientFrameItemsMax = 1u << 18;  // args and values of all messages of a frame

// The number is assigned in this version (request.h).
bool is_known(Op op);

// Requires: at most kClientFrameMessagesMax messages, and encoded_bytes_max() of all together at most
// kClientFrameBytesMax.
Bytes encode_requests(const std::vector<Request>& requests);
Bytes encode_requests(std::span<const Request* const> requests);
Bytes encode_responses(const std::vector<Response>& responses);
Bytes encode_responses(std::span<const Response* const> responses);
// An upper bound of what the message adds to a frame, for filling frames up to their limit.
size_t encoded_bytes_max(const Request& request);
size_t encoded_bytes_max(const Response& response);

// Errc::version: the frame names another version. Errc::corrupt: not a frame of this protocol.
// Errc::too_large: over one of the three limits above.
Result<std::vector<Request>> decode_requests(BytesView frame);
Result<std::vector<Response>> decode_responses(BytesView frame);

}  // namespace atolldb::region
