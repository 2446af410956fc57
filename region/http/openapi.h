#pragma once
// docs/openapi.json as it was when the node was built, for /v1/openapi.json; embed.py writes its source.

#include "crdt/base/bytes.h"

namespace atolldb::http {

extern const BytesView kOpenApi;

}  // namespace atolldb::http
