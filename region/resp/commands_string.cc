// Strings and counters.

#include <algorithm>

#include "region/resp/commands.h"

namespace atolldb::resp {
namespace {

using region::Condition;
using region::Op;
using region::Request;
using region::Response;

constexpr const char* kNoExpiry =
    "ERR expiry is not offered: keys stay until they are deleted (EX, PX, EXAT, PXAT)";

void get(Call& call) { call.ask(request_of(Op::get, call.words[1]), render_value); }

Request set_of(BytesView key, BytesView value) {
  Request request = request_of(Op::set, key);
  request.value = value;
  return request;
}

// The old value where it was asked for, else OK; null where the condition did not hold.
void render_set(Writer& reply, Response&& response, int64_t wants_old) {
  if (wants_old != 0) return render_value(reply, std::move(response), 0);
  if (response.number == 0) return reply.null();
  reply.ok();
}

void set(Call& call) {
  Request request = set_of(call.words[1], call.words[2]);
  for (size_t i = 3; i < call.words.size(); ++i) {
    const BytesView word = call.words[i];
    const bool absent = equals(word, "nx"), present = equals(word, "xx");
    const Condition condition = absent ? Condition::absent : Condition::present;
    if ((absent || present) && (request.condition == Condition::none || request.condition == condition)) {
      request.condition = condition;
    } else if (equals(word, "get")) {
      request.want_old = true;
    } else if (!equals(word, "keepttl")) {  // what never expires keeps doing so
      const bool expiry =
          equals(word, "ex") || equals(word, "px") || equals(word, "exat") || equals(word, "pxat");
      return call.reply.error(expiry ? kNoExpiry : kSyntax);
    }
  }
  const bool wants_old = request.want_old;
  call.ask(std::move(request), render_set, wants_old ? 1 : 0);
}

void setnx(Call& call) {
  Request request = set_of(call.words[1], call.words[2]);
  request.condition = Condition::absent;
  call.ask(std::move(request), render_number);
}

void getset(Call& call) {
  Request request = set_of(call.words[1], call.words[2]);
  request.want_old = true;
  call.ask(std::move(request), render_value);
}

void getdel(Call& call) { call.ask(request_of(Op::getdel, call.words[1]), render_value); }

void append(Call& call) {
  Request request = request_of(Op::append, call.words[1]);
  request.value = call.words[2];
  call.ask(std::move(request), render_number);
}

void setrange(Call& call) {
  const auto offset = parse_number(call.words[2]);
  if (!offset) return call.reply.error(kNotANumber);
  if (*offset < 0) return call.reply.error("ERR offset is out of range");
  Request request = request_of(Op::setrange, call.words[1]);
  request.amount = *offset;
  request.value = call.words[3];
  call.ask(std::move(request), render_number);
}

void strlen(Call& call) {
  call.ask(request_of(Op::get, call.words[1]), [](Writer& reply, Response&& response, int64_t) {
    reply.integer(static_cast<int64_t>(response.value.size()));
  });
}

// From and to as Redis counts them: negative ones from the end, both included.
BytesView range_of(BytesView value, int64_t from, int64_t to) {
  const auto size = static_cast<int64_t>(value.size());
  if (from < 0 && to < 0 && from > to) return {};
  if (from < 0) from = std::max<int64_t>(0, from + size);
  if (to < 0) to = std::max<int64_t>(0, to + size);
  to = std::min(to, size - 1);
  if (from > to || size == 0) return {};
  return value.substr(static_cast<size_t>(from), static_cast<size_t>(to - from + 1));
}

Script getrange(Conversation& c, const Node&) {
  const auto from = parse_number(c.words[2]), to = parse_number(c.words[3]);
  if (!from || !to) {
    c.reply.error(kNotANumber);
    co_return;
  }
  const Response value = co_await c.ask(request_of(Op::get, c.words[1]));
  if (!c.failed(value)) c.reply.bulk(range_of(value.value, *from, *to));
}

Script mget(Conversation& c, const Node&) {
  std::vector<Request> requests;
  for (size_t i = 1; i < c.words.size(); ++i) requests.push_back(request_of(Op::get, c.words[i]));
  std::vector<Response> values = co_await c.ask_all(std::move(requests));
  for (const Response& value : values)
    if (value.code != Errc::wrong_type && c.failed(value)) co_return;
  c.reply.array(values.size());
  for (Response& value : values) {
    if (value.outcome == region::Outcome::done)
      render_value(c.reply, std::move(value), 0);
    else
      c.reply.null();  // of another type
  }
}

std::vector<Request> sets_of(const std::vector<Bytes>& words) {
  std::vector<Request> requests;
  for (size_t i = 1; i + 1 < words.size(); i += 2) requests.push_back(set_of(words[i], words[i + 1]));
  return requests;
}

bool pairs_are_whole(Conversation& c) {
  if (c.words.size() % 2 == 1) return true;
  c.reply.error("ERR wrong number of arguments for '" + lower(c.words[0]) + "' command");
  return false;
}

Script mset(Conversation& c, const Node&) {
  if (!pairs_are_whole(c)) co_return;
  const std::vector<Response> done = co_await c.ask_all(sets_of(c.words));
  if (!c.any_failed(done)) c.reply.ok();
}

// Atomic for each key: one that appears meanwhile is left alone, and the answer says so.
Script msetnx(Conversation& c, const Node&) {
  if (!pairs_are_whole(c)) co_return;
  std::vector<Request> looks;
  for (size_t i = 1; i < c.words.size(); i += 2) looks.push_back(request_of(Op::type, c.words[i]));
  const std::vector<Response> there = co_await c.ask_all(std::move(looks));
  if (c.any_failed(there)) co_return;
  if (std::any_of(there.begin(), there.end(), [](const Response& one) { return one.found; })) {
    c.reply.integer(0);
    co_return;
  }
  std::vector<Request> sets = sets_of(c.words);
  const auto later = [&](size_t i) {  // the last value of a key that comes twice stands, as in Redis
    return std::any_of(sets.begin() + static_cast<ptrdiff_t>(i) + 1, sets.end(),
                       [&](const Request& other) { return other.key == sets[i].key; });
  };
  std::vector<Request> once;
  for (size_t i = 0; i < sets.size(); ++i)
    if (!later(i)) once.push_back(sets[i]);
  for (Request& request : once) request.condition = Condition::absent;
  const size_t keys = once.size();
  const std::vector<Response> done = co_await c.ask_all(std::move(once));
  if (c.any_failed(done)) co_return;
  const auto set = static_cast<size_t>(
      std::count_if(done.begin(), done.end(), [](const Response& one) { return one.number == 1; }));
  if (set == keys)
    c.reply.integer(1);
  else if (set == 0)
    c.reply.integer(0);
  else
    c.reply.error("ERR others set some of these keys at the same time: " + std::to_string(set) + " of " +
                  std::to_string(keys) + " were set here");
}

void add(Call& call, int64_t amount) {
  Request request = request_of(Op::add, call.words[1]);
  request.amount = amount;
  call.ask(std::move(request), render_decimal);
}

void incr(Call& call) { add(call, 1); }
void decr(Call& call) { add(call, -1); }

void incrby(Call& call) {
  const auto amount = parse_number(call.words[2]);
  if (!amount) return call.reply.error(kNotANumber);
  add(call, *amount);
}

void decrby(Call& call) {
  const auto amount = parse_number(call.words[2]);
  if (!amount) return call.reply.error(kNotANumber);
  if (*amount == INT64_MIN) return call.reply.error("ERR decrement would overflow");
  add(call, -*amount);
}

constexpr Command kStringCommands[] = {
    {"append", 3, Command::kFastWrite, 1, 1, 1, "string", "Appends to a value, and answers its length.",
     append, nullptr},
    {"decr", 2, Command::kFastWrite, 1, 1, 1, "string", "Takes one from a counter.", decr, nullptr},
    {"decrby", 3, Command::kFastWrite, 1, 1, 1, "string", "Takes a number from a counter.", decrby, nullptr},
    {"get", 2, Command::kRead, 1, 1, 1, "string", "Answers the value of a key.", get, nullptr},
    {"getdel", 2, Command::kFastWrite, 1, 1, 1, "string", "Answers the value of a key and deletes it.",
     getdel, nullptr},
    {"getrange", 4, Command::kRead | Command::kOneStep, 1, 1, 1, "string", "Answers a part of a value.",
     nullptr, getrange},
    {"getset", 3, Command::kFastWrite, 1, 1, 1, "string", "Sets a value and answers the one before.", getset,
     nullptr},
    {"incr", 2, Command::kFastWrite, 1, 1, 1, "string", "Adds one to a counter.", incr, nullptr},
    {"incrby", 3, Command::kFastWrite, 1, 1, 1, "string", "Adds a number to a counter.", incrby, nullptr},
    {"mget", -2, Command::kRead | Command::kOneStep, 1, -1, 1, "string",
     "Answers the values of several keys.", nullptr, mget},
    {"mset", -3, Command::kWrite | Command::kOneStep, 1, -1, 2, "string",
     "Sets several keys, each by itself.", nullptr, mset},
    {"msetnx", -3, Command::kWrite, 1, -1, 2, "string", "Sets several keys if none of them is there.",
     nullptr, msetnx},
    {"set", -3, Command::kWrite, 1, 1, 1, "string", "Sets a value: NX, XX, GET.", set, nullptr},
    {"setnx", 3, Command::kFastWrite, 1, 1, 1, "string", "Sets a value if there is none.", setnx, nullptr},
    {"setrange", 4, Command::kWrite, 1, 1, 1, "string", "Writes into a value, and answers its length.",
     setrange, nullptr},
    {"strlen", 2, Command::kRead, 1, 1, 1, "string", "Answers the length of a value.", strlen, nullptr},
    {"substr", 4, Command::kRead | Command::kOneStep, 1, 1, 1, "string", "Answers a part of a value.",
     nullptr, getrange},
};

}  // namespace

std::span<const Command> string_commands() { return kStringCommands; }

}  // namespace atolldb::resp
