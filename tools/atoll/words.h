#pragma once
// The words of a line as a shell splits them.

#include <string>
#include <string_view>
#include <vector>

#include "crdt/base/result.h"

namespace atolldb::tools {

// Blanks separate; '...' keeps everything, "..." and words outside quotes know the backslash: \n, \t, \xNN,
// and any other character as itself. A # that begins a word ends the line. Errc::invalid: an open quote, a
// backslash at the end, or \x without two hex digits.
Result<std::vector<std::string>> split_words(std::string_view line);

}  // namespace atolldb::tools
