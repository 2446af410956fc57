#pragma once
// What a session has seen, and the token that carries it from one request to the next
// (docs/formats/token.md). For each region that has answered the session: the highest stamp that it was
// answered at, which stands for everything that this region had settled then, deleted and absent keys
// included. A token is as long as there are such regions, however many keys the session touched.
//
// Only nodes make tokens, and each region's piece is authenticated by itself: whoever holds two tokens may
// join them without knowing the secret, and can make up nothing (docs/decisions/0013-tokens-in-pieces.md).

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "crdt/base/bytes.h"
#include "crdt/base/ids.h"
#include "crdt/base/result.h"

namespace atolldb::region {

struct SeenIn {
  RegionId region{};
  uint64_t stamp = 0;  // an HLC of that region (crdt/hlc.h): milliseconds in the upper 48 bits
  friend bool operator==(const SeenIn&, const SeenIn&) = default;
};
using Seen = std::vector<SeenIn>;  // ascending regions, each once, no stamp of 0

// The session was answered by this region at this stamp. A stamp of 0 says nothing.
void join(Seen& seen, const SeenIn& more);
void join(Seen& seen, const Seen& more);

// Requests and tokens of more regions are refused: a topology has no more.
inline constexpr size_t kSeenRegionsMax = 256;

struct TokenPiece {
  static constexpr size_t kMacBytes = 16;
  static constexpr size_t kBytes = 2 + 8 + kMacBytes;
  SeenIn seen;
  BytesView mac;  // borrows from the token
};
inline constexpr uint8_t kTokenVersion = 1;
inline constexpr size_t kTokenBytesMax = 1 + kSeenRegionsMax * TokenPiece::kBytes;

// The pieces in their order; whether they are genuine is for a node to say. Errc::version, Errc::corrupt,
// Errc::too_large: not a token of this version in its one form.
Result<std::vector<TokenPiece>> parse_token(BytesView token);
Bytes format_token(const std::vector<TokenPiece>& pieces);
// Of each region the later of the two pieces. Either may be empty: no token yet.
Result<Bytes> join_tokens(BytesView a, BytesView b);

// For headers and command lines: RFC 4648, 5 (base64url), without padding. Nothing: not in that form.
std::string token_text(BytesView token);
std::optional<Bytes> token_from_text(BytesView text);

}  // namespace atolldb::region
