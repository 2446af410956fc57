// Keys of any type.

#include <algorithm>

#include "region/resp/commands.h"
#include "region/resp/scan.h"

namespace atolldb::resp {
namespace {

using region::Op;
using region::Request;
using region::Response;

// As Redis calls them.
BytesView redis_type(BytesView type) { return type == "map" ? BytesView("hash") : type; }

std::vector<Request> one_each(Op op, const std::vector<Bytes>& words) {
  std::vector<Request> requests;
  for (size_t i = 1; i < words.size(); ++i) requests.push_back(request_of(op, words[i]));
  return requests;
}

Script del(Conversation& c, const Node&) {
  const std::vector<Response> done = co_await c.ask_all(one_each(Op::del, c.words));
  if (c.any_failed(done)) co_return;
  int64_t deleted = 0;
  for (const Response& one : done) deleted += one.number;
  c.reply.integer(deleted);
}

Script exists(Conversation& c, const Node&) {
  const std::vector<Response> found = co_await c.ask_all(one_each(Op::type, c.words));
  if (c.any_failed(found)) co_return;
  c.reply.integer(std::count_if(found.begin(), found.end(), [](const Response& one) { return one.found; }));
}

void type(Call& call) {
  call.ask(request_of(Op::type, call.words[1]), [](Writer& reply, Response&& response, int64_t) {
    reply.simple(response.found ? redis_type(response.value) : BytesView("none"));
  });
}

// Keys do not expire: one that is there has no time to live.
void ttl(Call& call) {
  call.ask(request_of(Op::type, call.words[1]),
           [](Writer& reply, Response&& response, int64_t) { reply.integer(response.found ? -1 : -2); });
}

void persist(Call& call) {
  call.ask(request_of(Op::type, call.words[1]), [](Writer& reply, Response&&, int64_t) { reply.integer(0); });
}

Request keys_from(uint64_t cursor) {
  Request request = request_of(Op::keys, {});
  if (cursor != 0) request.args.push_back(key_place(cursor));
  return request;
}

Script scan(Conversation& c, const Node&) {
  const auto options = scan_options(c, 1, true);
  if (!options) co_return;
  std::vector<Bytes> shown;
  uint64_t cursor = options->cursor;
  // Partitions may be small: as many as the hint asks for, within bounds.
  for (uint64_t steps = 0, seen = 0; steps < 16 && seen < options->count; ++steps) {
    Response page = co_await c.ask(keys_from(cursor));
    if (c.failed(page)) co_return;
    seen += page.values.size() / 2;
    for (size_t i = 0; i + 1 < page.values.size(); i += 2)
      if (options->takes(page.values[i]) &&
          (!options->type || *options->type == redis_type(page.values[i + 1])))
        shown.push_back(std::move(page.values[i]));
    cursor = key_cursor(page.value);
    if (cursor == 0) break;
  }
  c.reply.array(2);
  c.reply.bulk(std::to_string(cursor));
  c.reply.array(shown.size());
  for (Bytes& key : shown) c.reply.bulk(std::move(key));
}

constexpr size_t kKeysBytesMax = 64u << 20;

Script keys(Conversation& c, const Node&) {
  std::vector<Bytes> shown;
  uint64_t cursor = 0;
  size_t bytes = 0;
  do {
    Response page = co_await c.ask(keys_from(cursor));
    if (c.failed(page)) co_return;
    for (size_t i = 0; i + 1 < page.values.size(); i += 2) {
      if (!matches(c.words[1], page.values[i])) continue;
      bytes += sizeof(Bytes) + page.values[i].size();
      c.keep(page.values[i].size(), 1);
      shown.push_back(std::move(page.values[i]));
    }
    cursor = key_cursor(page.value);
    if (bytes <= kKeysBytesMax) continue;
    c.reply.error("ERR the keys have more than " + std::to_string(kKeysBytesMax) +
                  " bytes together; use SCAN");
    co_return;
  } while (cursor != 0);
  c.reply.array(shown.size());
  for (Bytes& key : shown) c.reply.bulk(std::move(key));
}

// From a random place on; from the beginning where nothing lies behind it.
Script randomkey(Conversation& c, const Node&) {
  uint64_t cursor = c.random.next() >> 16;
  for (int rounds = 0; rounds < 2; rounds += cursor == 0 ? 1 : 0) {
    Response page = co_await c.ask(keys_from(cursor));
    if (c.failed(page)) co_return;
    if (!page.values.empty()) {
      c.reply.bulk(std::move(page.values[2 * c.random.below(page.values.size() / 2)]));
      co_return;
    }
    cursor = key_cursor(page.value);
  }
  c.reply.null();
}

Script dbsize(Conversation& c, const Node&) {
  uint64_t cursor = 0;
  int64_t count = 0;
  do {
    const Response page = co_await c.ask(keys_from(cursor));
    if (c.failed(page)) co_return;
    count += static_cast<int64_t>(page.values.size() / 2);
    cursor = key_cursor(page.value);
  } while (cursor != 0);
  c.reply.integer(count);
}

// A delete of every key that is seen: updates that no replica here has seen survive.
Script flush(Conversation& c, const Node&) {
  if (c.words.size() > 2 ||
      (c.words.size() == 2 && !equals(c.words[1], "sync") && !equals(c.words[1], "async"))) {
    c.reply.error(kSyntax);
    co_return;
  }
  uint64_t cursor = 0;
  do {
    Response page = co_await c.ask(keys_from(cursor));
    if (c.failed(page)) co_return;
    std::vector<Request> deletes;
    for (size_t i = 0; i + 1 < page.values.size(); i += 2)
      deletes.push_back(request_of(Op::del, page.values[i]));
    cursor = key_cursor(page.value);
    const std::vector<Response> done = co_await c.ask_all(std::move(deletes));
    if (c.any_failed(done)) co_return;
  } while (cursor != 0);
  c.reply.ok();
}

constexpr size_t kEmbeddedBytesMax = 44;  // as Redis calls short strings

const char* string_encoding(BytesView value) {
  if (parse_number(value)) return "int";
  return value.size() <= kEmbeddedBytesMax ? "embstr" : "raw";
}

Script object(Conversation& c, const Node&) {
  if (c.words.size() == 2 && equals(c.words[1], "help")) {
    c.reply.array(2);
    c.reply.simple("OBJECT ENCODING <key>");
    c.reply.simple("    Answers a Redis name for how a value of this type and size would lie in memory.");
    co_return;
  }
  if (c.words.size() != 3 || !equals(c.words[1], "encoding")) {
    c.reply.error("ERR unknown subcommand or wrong number of arguments for 'object'. Try OBJECT HELP.");
    co_return;
  }
  const Response type = co_await c.ask(request_of(Op::type, c.words[2]));
  if (c.failed(type)) co_return;
  if (!type.found || type.value != "string") {
    if (type.found)
      c.reply.bulk(BytesView("hashtable"));
    else
      c.reply.null();
    co_return;
  }
  const Response value = co_await c.ask(request_of(Op::get, c.words[2]));
  if (!c.failed(value)) c.reply.bulk(BytesView(string_encoding(value.value)));
}

constexpr uint32_t kFlush = Command::kWrite | Command::kDangerous;

constexpr Command kKeyCommands[] = {
    {"dbsize", 1, Command::kReadOnly, 0, 0, 0, "server", "Counts the keys of the region, one by one.",
     nullptr, dbsize},
    {"del", -2, Command::kWrite | Command::kOneStep, 1, -1, 1, "generic", "Deletes keys.", nullptr, del},
    {"exists", -2, Command::kRead | Command::kOneStep, 1, -1, 1, "generic",
     "Answers how many of the keys are there.", nullptr, exists},
    {"expiretime", 2, Command::kRead, 1, 1, 1, "generic",
     "-1 for a key, for none expires; -2 where there is none.", ttl, nullptr},
    {"flushall", -1, kFlush, 0, 0, 0, "server", "Deletes every key that the region has seen.", nullptr,
     flush},
    {"flushdb", -1, kFlush, 0, 0, 0, "server", "Deletes every key that the region has seen.", nullptr, flush},
    {"keys", 2, Command::kReadOnly | Command::kDangerous, 0, 0, 0, "generic",
     "Answers all keys of a pattern.", nullptr, keys},
    {"object", -2, Command::kReadOnly, 2, 2, 1, "generic", "Looks at a key: ENCODING.", nullptr, object},
    {"persist", 2, Command::kRead, 1, 1, 1, "generic", "0: keys do not expire.", persist, nullptr},
    {"pexpiretime", 2, Command::kRead, 1, 1, 1, "generic",
     "-1 for a key, for none expires; -2 where there is none.", ttl, nullptr},
    {"pttl", 2, Command::kRead, 1, 1, 1, "generic", "-1 for a key, for none expires; -2 where there is none.",
     ttl, nullptr},
    {"randomkey", 1, Command::kReadOnly, 0, 0, 0, "generic", "Answers a key at random.", nullptr, randomkey},
    {"scan", -2, Command::kReadOnly, 0, 0, 0, "generic", "Goes through all keys in steps.", nullptr, scan},
    {"touch", -2, Command::kRead | Command::kOneStep, 1, -1, 1, "generic",
     "Answers how many of the keys are there.", nullptr, exists},
    {"ttl", 2, Command::kRead, 1, 1, 1, "generic", "-1 for a key, for none expires; -2 where there is none.",
     ttl, nullptr},
    {"type", 2, Command::kRead, 1, 1, 1, "generic", "Answers the type of a key.", type, nullptr},
    {"unlink", -2, Command::kWrite | Command::kOneStep, 1, -1, 1, "generic", "Deletes keys.", nullptr, del},
};

}  // namespace

std::span<const Command> key_commands() { return kKeyCommands; }

}  // namespace atolldb::resp
