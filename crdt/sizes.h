#pragma once
// Sizes that every edge keeps to, so that what one path takes no other refuses.

#include <cstddef>

namespace atolldb::crdt {

inline constexpr size_t kKeyBytesMax = 480;  // a row key and its chunk number fit into LMDB's 511
inline constexpr size_t kElementBytesMax = 64u << 10;
inline constexpr size_t kValueBytesMax = 16u << 20;
// Of a set that one update stores over whatever is there: merging it is one event.
inline constexpr size_t kStoredMembersMax = 65'536;
// Collections of more rows are cleared in steps (crdt/sweeps.h).
inline constexpr size_t kClearedAtOnceMax = 1000;

}  // namespace atolldb::crdt
