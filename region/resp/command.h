#pragma once
// The commands that a node answers: one table, from which dispatch, COMMAND and its documentation come. A
// command is either one request or an answer at once (`run`), or a script of several requests.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "region/core/request.h"
#include "region/resp/conversation.h"
#include "region/resp/render.h"
#include "region/resp/session.h"

namespace atolldb::resp {

// A command in front of its handler. `words` borrow from the connection's input, and last for the call.
struct Call {
  const std::vector<BytesView>& words;
  Session& session;
  const Node& node;
  Prng& random;
  Writer reply;  // for an answer at once

  // The command is this request, and its answer is rendered so.
  void ask(region::Request&& asked, Render how, int64_t with = 0) {
    request = std::move(asked);
    render = how;
    option = with;
  }
  // The answer is made once all commands before this one have theirs.
  using Later = void (*)(Writer& reply, const Session& session, const Node& node);
  void answer_later(Later how) { later = how; }
  Later later = nullptr;
  std::optional<region::Request> request;
  Render render = nullptr;
  int64_t option = 0;
};

struct Command {
  enum Flag : uint32_t {
    kWrite = 1,
    kReadOnly = 2,
    kFast = 4,
    kAdmin = 8,
    kOneStep = 16,  // a script that asks once: the commands behind it need not wait
    kDangerous = 32,
    kConnection = 64,
    kRead = kReadOnly | kFast,
    kFastWrite = kWrite | kFast,
  };

  const char* name;  // lower case
  int arity;         // with the name; negative: at least so many
  uint32_t flags;
  int first_key, last_key, key_step;  // 0: no keys; a negative last counts from the end
  const char* group;
  const char* summary;
  void (*run)(Call& call);
  Script (*script)(Conversation& conversation, const Node& node);
};

std::span<const Command> all_commands();  // by name
// Whatever the case. Nothing: it is not offered.
const Command* find_command(BytesView name);
// Of a command that Redis has: why it is not offered. nullptr: Redis has none of that name either.
const char* why_not_offered(BytesView name);
// Reply for a name that is not, and for a wrong number of words.
std::string unknown_command(const std::vector<BytesView>& words);
std::string wrong_arity(const Command& command);

// -- for handlers
region::Request request_of(region::Op op, BytesView key);
bool equals(BytesView word, const char* option);  // options in any case
Bytes lower(BytesView word);
// As Redis reads numbers: decimal, no blanks, no plus, no leading zeros.
std::optional<int64_t> parse_number(BytesView word);
// The Redis whose behaviour is offered; some libraries look at it.
inline constexpr const char* kRedisVersion = "7.0.15";
inline constexpr const char* kNotANumber = "ERR value is not an integer or out of range";
inline constexpr int64_t kRepeatedMax = 1 << 20;  // at random, one again and again
inline constexpr const char* kCountOutOfRange =
    "ERR value is out of range, value must between -1048576 and 9223372036854775807";
inline constexpr const char* kTooManyAgain =
    "ERR so many at random are larger than 64 MiB together; ask for fewer at once";
inline constexpr const char* kSyntax = "ERR syntax error";
Bytes random_place(Prng& random);

}  // namespace atolldb::resp
