#pragma once
// 128-bit integers. They are the compiler's extension, and this is the one place that says so.

namespace atolldb {

__extension__ typedef __int128 Int128;
__extension__ typedef unsigned __int128 Uint128;

}  // namespace atolldb
