#pragma once
// Reads commands as Redis clients send them: arrays of bulk strings, or one line of words ("inline"). Pure:
// bytes in, words out. It goes on where it stopped, so a command that comes a byte at a time costs no more
// than one that comes at once, and it keeps no memory for what was announced and has not come.
//
// Protocol: https://redis.io/docs/latest/develop/reference/protocol-spec/

#include <cstdint>
#include <string>
#include <vector>

#include "crdt/base/bytes.h"

namespace atolldb::resp {

struct ParserLimits {
  size_t words_max = 1u << 20;
  size_t bulk_bytes_max =
      (16u << 20) + 1024;             // a value of 16 MiB; longer ones are refused with what they are
  size_t line_bytes_max = 64u << 10;  // of a number's line and of an inline command
  size_t command_bytes_max = 64u << 20;
};

enum class Parsed : unsigned char { command, incomplete, error };

class CommandParser {
 public:
  explicit CommandParser(const ParserLimits& limits = {}) : limits_(limits) {}

  // `bytes` begin with the command's first one, in every call until the command is complete. After `command`:
  // words() and size(), until next(). After `error` the connection is of no use any more.
  Parsed parse(BytesView bytes);
  // Views into `bytes` or into the parser. None: an empty line, which is no command.
  const std::vector<BytesView>& words() const { return words_; }
  size_t size() const { return at_; }
  // A sentence as Redis says it, "Protocol error: ...".
  const std::string& error() const { return error_; }
  // How many bytes the command has at least, as far as it is known.
  size_t size_at_least() const { return wanted_; }
  void next();

 private:
  struct Span {
    uint32_t at = 0, size = 0;
  };

  Parsed parse_array(BytesView bytes);
  Parsed parse_line(BytesView bytes);
  Parsed fail(std::string why);
  // The number behind the letter at `at_`; nothing yet, or failed.
  Parsed take_number(BytesView bytes, const char* what, int64_t& number);
  bool split_words(BytesView line);

  const ParserLimits limits_;
  size_t at_ = 0;        // parsed so far
  size_t searched_ = 0;  // no line end before here
  size_t wanted_ = 0;
  bool array_ = false;  // its count has been read
  int64_t left_ = 0;    // words of the array
  int64_t bulk_ = -1;   // length of the word that comes, where read
  std::vector<Span> spans_;
  std::vector<BytesView> words_;
  Bytes line_;  // the words of a line, unquoted
  std::string error_;
};

}  // namespace atolldb::resp
