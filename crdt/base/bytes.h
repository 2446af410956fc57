#pragma once
// Byte strings. One owning type and one borrowed type, so that every room agrees on who owns what.

#include <string>
#include <string_view>

namespace atolldb {

using Bytes = std::string;           // owns its bytes; any byte value, NUL included
using BytesView = std::string_view;  // borrows; valid only as long as its owner is unchanged

}  // namespace atolldb
