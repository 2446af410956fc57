#include "region/core/request_token.h"

#include <array>
#include <string>

#include "crdt/base/big_endian.h"
#include "crdt/base/ensure.h"

namespace atolldb::region {
namespace {

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr auto kValues = [] {
  std::array<int8_t, 256> out{};
  out.fill(-1);
  for (size_t i = 0; i < kLetters.size(); ++i)
    out[static_cast<uint8_t>(kLetters[i])] = static_cast<int8_t>(i);
  return out;
}();

}  // namespace

void join(Seen& seen, const SeenIn& more) {
  if (more.stamp == 0) return;
  const auto at = std::lower_bound(seen.begin(), seen.end(), more.region,
                                   [](const SeenIn& one, RegionId region) { return one.region < region; });
  if (at == seen.end() || at->region != more.region)
    seen.insert(at, more);
  else
    at->stamp = std::max(at->stamp, more.stamp);
}

void join(Seen& seen, const Seen& more) {
  for (const SeenIn& one : more) join(seen, one);
}

Result<std::vector<TokenPiece>> parse_token(BytesView token) {
  if (token.empty()) return {Errc::corrupt, "token: found no bytes, expected its version"};
  const auto version = static_cast<uint8_t>(token.front());
  if (version != kTokenVersion)
    return {Errc::version, "token: found version " + std::to_string(version) + ", this node reads version " +
                               std::to_string(kTokenVersion)};
  if (token.size() > kTokenBytesMax)
    return {Errc::too_large, "token: found " + std::to_string(token.size()) + " bytes, the limit is " +
                                 std::to_string(kTokenBytesMax)};
  token.remove_prefix(1);
  if (token.size() % TokenPiece::kBytes != 0)
    return {Errc::corrupt, "token: found " + std::to_string(token.size()) +
                               " bytes behind the version, expected a multiple of " +
                               std::to_string(TokenPiece::kBytes) + ": a part of it is missing"};
  std::vector<TokenPiece> out;
  for (; !token.empty(); token.remove_prefix(TokenPiece::kBytes)) {
    const TokenPiece piece{{RegionId{static_cast<uint16_t>(read_big_endian(token.substr(0, 2)))},
                            read_big_endian(token.substr(2, 8))},
                           token.substr(10, TokenPiece::kMacBytes)};
    if (piece.seen.stamp == 0) return {Errc::corrupt, "token: found a region without a stamp"};
    if (!out.empty() && piece.seen.region <= out.back().seen.region)
      return {Errc::corrupt, "token: found regions that do not ascend"};
    out.push_back(piece);
  }
  return out;
}

Bytes format_token(const std::vector<TokenPiece>& pieces) {
  Bytes out(1, static_cast<char>(kTokenVersion));
  for (const TokenPiece& piece : pieces) {
    ensure(piece.mac.size() == TokenPiece::kMacBytes, "a token's piece has its code");
    append_big_endian(out, raw(piece.seen.region), 2);
    append_big_endian(out, piece.seen.stamp, 8);
    out.append(piece.mac);
  }
  return out;
}

Result<Bytes> join_tokens(BytesView a, BytesView b) {
  std::vector<TokenPiece> joined;
  for (const BytesView token : {a, b}) {
    if (token.empty()) continue;
    const auto pieces = parse_token(token);
    if (!pieces) return pieces.error();
    for (const TokenPiece& piece : *pieces) {
      const auto at =
          std::lower_bound(joined.begin(), joined.end(), piece.seen.region,
                           [](const TokenPiece& one, RegionId region) { return one.seen.region < region; });
      if (at == joined.end() || at->seen.region != piece.seen.region)
        joined.insert(at, piece);
      else if (at->seen.stamp < piece.seen.stamp)
        *at = piece;
    }
  }
  return format_token(joined);
}

std::string token_text(BytesView token) {
  std::string out;
  uint32_t bits = 0;
  int held = 0;
  for (const char byte : token) {
    bits = bits << 8 | static_cast<uint8_t>(byte);
    for (held += 8; held >= 6; held -= 6) out.push_back(kLetters[bits >> (held - 6) & 63]);
  }
  if (held > 0) out.push_back(kLetters[bits << (6 - held) & 63]);
  return out;
}

std::optional<Bytes> token_from_text(BytesView text) {
  Bytes out;
  uint32_t bits = 0;
  int held = 0;
  for (const char letter : text) {
    const int8_t value = kValues[static_cast<uint8_t>(letter)];
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint8_t>(value);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out.push_back(static_cast<char>(bits >> held));
  }
  if (held == 6 || (bits & ((1u << held) - 1)) != 0) return std::nullopt;  // one encoding for each token
  return out;
}

}  // namespace atolldb::region
