// Sets.

#include <algorithm>
#include <set>

#include "region/resp/commands.h"
#include "region/resp/scan.h"

namespace atolldb::resp {
namespace {

using region::Op;
using region::Request;
using region::Response;

void ask_with_elements(Call& call, Op op) {
  Request request = request_of(op, call.words[1]);
  request.args.assign(call.words.begin() + 2, call.words.end());
  call.ask(std::move(request), render_number);
}

void sadd(Call& call) { ask_with_elements(call, Op::sadd); }
void srem(Call& call) { ask_with_elements(call, Op::srem); }
void scard(Call& call) { call.ask(request_of(Op::scard, call.words[1]), render_number); }

void sismember(Call& call) {
  Request request = request_of(Op::sismember, call.words[1]);
  request.args.emplace_back(call.words[2]);
  call.ask(std::move(request), render_found);
}

void smismember(Call& call) {
  Request request = request_of(Op::smismember, call.words[1]);
  request.args.assign(call.words.begin() + 2, call.words.end());
  call.ask(std::move(request), [](Writer& reply, Response&& response, int64_t) {
    reply.array(response.values.size());
    for (const Bytes& there : response.values) reply.integer(there == "1" ? 1 : 0);
  });
}

using Members = std::set<Bytes>;

// Every page of one set after another, each as it stands then. False: it failed, and the reply says how.
// (A coroutine cannot be called from another one here; this is what the loop around `ask` shares.)
bool take_page(Conversation& c, Response&& page, Members& members, Request& next) {
  if (c.failed(page)) return false;
  c.keep(page);
  members.insert(std::make_move_iterator(page.values.begin()), std::make_move_iterator(page.values.end()));
  next.args.assign(page.value.empty() ? 0 : 1, page.value);
  return true;
}

Script smembers(Conversation& c, const Node&) {
  Members members;
  Request next = request_of(Op::smembers, c.words[1]);
  do {
    Request page = next;
    if (!take_page(c, co_await c.ask(std::move(page)), members, next)) co_return;
  } while (!next.args.empty());
  c.reply.set(members.size());
  for (const Bytes& member : members) c.reply.bulk(BytesView(member));
}

enum class Combine { intersection, difference, all };

Members combined(Combine how, const std::vector<Members>& sets) {
  Members out = sets.front();
  for (size_t i = 1; i < sets.size(); ++i) {
    if (how == Combine::all)
      out.insert(sets[i].begin(), sets[i].end());
    else
      std::erase_if(
          out, [&](const Bytes& member) { return sets[i].contains(member) == (how == Combine::difference); });
  }
  return out;
}

constexpr size_t kCombinedBytesMax = 64u << 20;

// SINTER, SUNION, SDIFF; the same with STORE, whose first key is the destination; SINTERCARD.
Script combine(Conversation& c, Combine how, size_t first_key, size_t keys, bool store, int64_t limit) {
  std::vector<Members> sets;
  size_t bytes = 0;
  for (size_t i = 0; i < keys; ++i) {
    sets.emplace_back();
    Request next = request_of(Op::smembers, c.words[first_key + i]);
    do {
      Request page = next;
      Response found = co_await c.ask(std::move(page));
      for (const Bytes& member : found.values) bytes += member.size() + sizeof member;
      if (!take_page(c, std::move(found), sets.back(), next)) co_return;
      if (bytes > kCombinedBytesMax) {
        c.reply.error("ERR the sets have more than " + std::to_string(kCombinedBytesMax) + " bytes together");
        co_return;
      }
    } while (!next.args.empty());
  }
  const Members result = combined(how, sets);
  if (store) {
    Request request = request_of(Op::sreplace, c.words[1]);
    request.args.assign(result.begin(), result.end());
    const Response done = co_await c.ask(std::move(request));
    if (!c.failed(done)) c.reply.integer(static_cast<int64_t>(result.size()));
    co_return;
  }
  if (limit >= 0) {
    const auto count = static_cast<int64_t>(result.size());
    c.reply.integer(limit == 0 ? count : std::min(count, limit));
    co_return;
  }
  c.reply.set(result.size());
  for (const Bytes& member : result) c.reply.bulk(BytesView(member));
}

template <Combine how>
Script show(Conversation& c, const Node&) {
  return combine(c, how, 1, c.words.size() - 1, false, -1);
}
template <Combine how>
Script store(Conversation& c, const Node&) {
  return combine(c, how, 2, c.words.size() - 2, true, -1);
}

Script say(Conversation& c, const char* error) {
  c.reply.error(error);
  co_return;
}

Script sintercard(Conversation& c, const Node&) {
  const auto keys = parse_number(c.words[1]);
  if (!keys || *keys <= 0) return say(c, "ERR numkeys should be greater than 0");
  const auto count = static_cast<uint64_t>(*keys);
  if (count > c.words.size() - 2) return say(c, "ERR Number of keys can't be greater than number of args");
  int64_t limit = 0;
  for (size_t i = 2 + count; i < c.words.size(); i += 2) {
    if (!equals(c.words[i], "limit") || i + 1 == c.words.size()) return say(c, kSyntax);
    const auto given = parse_number(c.words[i + 1]);
    if (!given || *given < 0) return say(c, "ERR LIMIT can't be negative");
    limit = *given;
  }
  return combine(c, Combine::intersection, 2, count, false, limit);
}

Request members_at_random(Op op, BytesView key, int64_t count, Prng& random) {
  Request request = request_of(op, key);
  request.args.push_back(random_place(random));
  request.amount = count;
  return request;
}

void render_one(Writer& reply, Response&& response, int64_t) {
  if (response.values.empty()) return reply.null();
  reply.bulk(std::move(response.values.front()));
}

void spop(Call& call) {
  if (call.words.size() > 3) return call.reply.error(kSyntax);
  if (call.words.size() == 2)
    return call.ask(members_at_random(Op::spop, call.words[1], 1, call.random), render_one);
  const auto count = parse_number(call.words[2]);
  if (!count || *count < 0) return call.reply.error("ERR value is out of range, must be positive");
  call.ask(members_at_random(Op::spop, call.words[1], *count, call.random),
           [](Writer& reply, Response&& response, int64_t) {
             reply.set(response.values.size());
             for (Bytes& member : response.values) reply.bulk(std::move(member));
           });
}

Script srandmember(Conversation& c, const Node&) {
  if (c.words.size() > 3) {
    c.reply.error(kSyntax);
    co_return;
  }
  if (c.words.size() == 2) {
    Response one = co_await c.ask(members_at_random(Op::sample, c.words[1], 1, c.random));
    if (!c.failed(one)) render_one(c.reply, std::move(one), 0);
    co_return;
  }
  const auto count = parse_number(c.words[2]);
  if (!count || *count < -kRepeatedMax) {
    c.reply.error(count ? kCountOutOfRange : kNotANumber);
    co_return;
  }
  const int64_t wanted = std::abs(*count);
  const Response found = co_await c.ask(members_at_random(Op::sample, c.words[1], wanted, c.random));
  if (c.failed(found)) co_return;
  if (*count >= 0 || found.values.empty()) {
    c.reply.array(found.values.size());
    for (const Bytes& member : found.values) c.reply.bulk(BytesView(member));
    co_return;
  }
  std::vector<BytesView> shown(static_cast<size_t>(wanted));  // a negative count: members may come again
  size_t bytes = 0;
  for (BytesView& member : shown) {
    member = found.values[c.random.below(found.values.size())];
    bytes += member.size();
  }
  if (bytes > Conversation::kAnswerBytesMax) {
    c.reply.error(kTooManyAgain);
    co_return;
  }
  c.reply.array(shown.size());
  for (const BytesView member : shown) c.reply.bulk(member);
}

// Added before it is removed: whatever fails in between, the member is in one of the two.
Script smove(Conversation& c, const Node&) {
  std::vector<Request> looks;
  looks.push_back(request_of(Op::type, c.words[1]));
  looks.push_back(request_of(Op::type, c.words[2]));
  const std::vector<Response> types = co_await c.ask_all(std::move(looks));
  if (c.any_failed(types)) co_return;
  if (!types[0].found) {
    c.reply.integer(0);
    co_return;
  }
  for (const Response& type : types) {
    if (!type.found || type.value == "set") continue;
    c.reply.error("WRONGTYPE Operation against a key holding the wrong kind of value");
    co_return;
  }
  Request there = request_of(Op::sismember, c.words[1]);
  there.args.push_back(c.words[3]);
  const Response contained = co_await c.ask(std::move(there));
  if (c.failed(contained)) co_return;
  if (!contained.found || c.words[1] == c.words[2]) {
    c.reply.integer(contained.found ? 1 : 0);
    co_return;
  }
  Request add = request_of(Op::sadd, c.words[2]);
  add.args.push_back(c.words[3]);
  const Response added = co_await c.ask(std::move(add));
  if (c.failed(added)) co_return;
  Request remove = request_of(Op::srem, c.words[1]);
  remove.args.push_back(c.words[3]);
  const Response removed = co_await c.ask(std::move(remove));
  if (!c.failed(removed)) c.reply.integer(1);
}

Script sscan(Conversation& c, const Node&) {
  const auto options = scan_options(c, 2, false);
  if (!options) co_return;
  Request page = request_of(Op::smembers, c.words[1]);
  if (options->cursor != 0) page.args.push_back(item_place(options->cursor));
  const Response found = co_await c.ask(std::move(page));
  if (c.failed(found)) co_return;
  std::vector<BytesView> shown;
  for (const Bytes& member : found.values)
    if (options->takes(member)) shown.push_back(member);
  c.reply.array(2);
  c.reply.bulk(std::to_string(item_cursor(found.value)));
  c.reply.array(shown.size());
  for (const BytesView member : shown) c.reply.bulk(member);
}

constexpr Command kSetCommands[] = {
    {"sadd", -3, Command::kFastWrite, 1, 1, 1, "set", "Adds members to a set.", sadd, nullptr},
    {"scard", 2, Command::kRead, 1, 1, 1, "set", "Answers how many members a set has.", scard, nullptr},
    {"sdiff", -2, Command::kReadOnly, 1, -1, 1, "set", "Members of the first set and of no other.", nullptr,
     show<Combine::difference>},
    {"sdiffstore", -3, Command::kWrite, 1, -1, 1, "set", "Keeps the difference of sets in a key.", nullptr,
     store<Combine::difference>},
    {"sinter", -2, Command::kReadOnly, 1, -1, 1, "set", "Members of all sets.", nullptr,
     show<Combine::intersection>},
    {"sintercard", -3, Command::kReadOnly, 0, 0, 0, "set", "Answers how many members all sets have.", nullptr,
     sintercard},
    {"sinterstore", -3, Command::kWrite, 1, -1, 1, "set", "Keeps the intersection of sets in a key.", nullptr,
     store<Combine::intersection>},
    {"sismember", 3, Command::kRead, 1, 1, 1, "set", "Answers whether a set has a member.", sismember,
     nullptr},
    {"smembers", 2, Command::kReadOnly, 1, 1, 1, "set", "Answers all members of a set.", nullptr, smembers},
    {"smismember", -3, Command::kRead, 1, 1, 1, "set", "Answers whether a set has each of several members.",
     smismember, nullptr},
    {"smove", 4, Command::kWrite, 1, 2, 1, "set", "Moves a member to another set.", nullptr, smove},
    {"spop", -2, Command::kFastWrite, 1, 1, 1, "set", "Removes members at random, and answers them.", spop,
     nullptr},
    {"srandmember", -2, Command::kReadOnly | Command::kOneStep, 1, 1, 1, "set", "Answers members at random.",
     nullptr, srandmember},
    {"srem", -3, Command::kFastWrite, 1, 1, 1, "set", "Removes members from a set.", srem, nullptr},
    {"sscan", -3, Command::kReadOnly, 1, 1, 1, "set", "Goes through the members of a set in steps.", nullptr,
     sscan},
    {"sunion", -2, Command::kReadOnly, 1, -1, 1, "set", "Members of any of the sets.", nullptr,
     show<Combine::all>},
    {"sunionstore", -3, Command::kWrite, 1, -1, 1, "set", "Keeps the union of sets in a key.", nullptr,
     store<Combine::all>},
};

}  // namespace

std::span<const Command> set_commands() { return kSetCommands; }

}  // namespace atolldb::resp
