#pragma once
// The bytes of a client's context (docs/formats/client.md, "Contexts"): what a reader of siblings names when
// it writes over them. Opaque to clients, versioned, bounded, and bound to its key. Nobody has to trust them:
// they name dots, and a coordinator lets them supersede only what it holds (HAZARDS 42).

#include "crdt/base/bytes.h"
#include "crdt/base/result.h"
#include "crdt/delta.h"

namespace atolldb::crdt {

inline constexpr size_t kContextBytesMax = 1u << 20;

Bytes encode_context(const NamedContext& context, BytesView key);
// Errc::too_large, Errc::version, Errc::corrupt; Errc::invalid: it was read from another key.
Result<NamedContext> decode_context(BytesView bytes, BytesView key);

}  // namespace atolldb::crdt
