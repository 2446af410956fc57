#pragma once
// What names, hosts and keys in a topology may look like, and which known word an unknown one was meant to
// be.

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace atolldb::topology {

inline constexpr size_t kNameBytesMax = 63;
inline constexpr size_t kHostBytesMax = 253;
inline constexpr size_t kPublicKeyBytes = 40;

// Names of clusters, regions, zones and nodes: they stand in file names, command lines and logs. A letter or
// digit, then letters, digits, '-', '_' and '.', at most 63 in all.
bool is_name(std::string_view text);
// An IPv4 address or a host name: letters, digits, '-' and '.'.
bool is_host(std::string_view text);
// 40 characters of Z85 (ZeroMQ RFC 32) that encode 32 bytes.
bool is_public_key(std::string_view text);

// The candidate with the smallest edit distance to `word`, if that is near enough to have been meant.
std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace atolldb::topology
