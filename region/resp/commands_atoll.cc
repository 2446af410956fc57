// What Redis has no words for: several values at once, and how many replicas are asked.

#include "region/resp/commands.h"

namespace atolldb::resp {
namespace {

using region::Op;
using region::Request;
using region::Response;

// [values, what was added or null, other types that stand behind, the context that names them all]
void siblings(Call& call) {
  call.ask(request_of(Op::siblings, call.words[1]), [](Writer& reply, Response&& response, int64_t) {
    std::vector<BytesView> values, types;
    std::optional<BytesView> added;
    for (const Bytes& one : response.values) {
      if (one.empty()) continue;  // of no kind that this version knows
      const BytesView rest = BytesView(one).substr(1);
      if (one.front() == region::kSibling) values.push_back(rest);
      if (one.front() == region::kTypeBehind) types.push_back(rest);
      if (one.front() == region::kAdded) added = rest;
    }
    reply.map(4);
    reply.bulk(BytesView("values"));
    reply.array(values.size());
    for (const BytesView value : values) reply.bulk(value);
    reply.bulk(BytesView("added"));
    if (added)
      reply.bulk(*added);
    else
      reply.null();
    reply.bulk(BytesView("behind"));
    reply.array(types.size());
    for (const BytesView type : types) reply.bulk(type);
    reply.bulk(BytesView("context"));
    reply.bulk(std::move(response.value));
  });
}

void context(Call& call) {
  call.ask(request_of(Op::siblings, call.words[1]),
           [](Writer& reply, Response&& response, int64_t) { reply.bulk(std::move(response.value)); });
}

void set_over(Call& call) {
  Request request = request_of(Op::set_context, call.words[1]);
  request.value = call.words[2];
  request.args.emplace_back(call.words[3]);
  call.ask(std::move(request), render_ok);
}

void quorum(Call& call) {
  if (call.words.size() == 1) {
    call.reply.array(2);
    call.reply.integer(call.session.r == 0 ? call.node.r : call.session.r);
    call.reply.integer(call.session.w == 0 ? call.node.w : call.session.w);
    return;
  }
  if (call.words.size() != 3) return call.reply.error(wrong_arity(*find_command("atoll.quorum")));
  const auto r = parse_number(call.words[1]), w = parse_number(call.words[2]);
  const auto n = static_cast<int64_t>(call.node.n);
  if (!r || !w || *r < 0 || *w < 0 || *r > n || *w > n)
    return call.reply.error("ERR r and w are numbers from 0 (the topology's) to " + std::to_string(n));
  call.session.r = static_cast<uint8_t>(*r);
  call.session.w = static_cast<uint8_t>(*w);
  call.reply.ok();
}

void write_token(Writer& reply, const Session& session, const Node& node) {
  reply.bulk(BytesView(region::token_text(node.make_token(session.seen))));
}

// [region, milliseconds or null], or null: the last answer was not behind.
void write_behind(Writer& reply, const Session& session, const Node& node) {
  if (!session.behind) return reply.null();
  reply.array(2);
  reply.bulk(BytesView(node.region_name(session.behind->region)));
  if (session.behind->ms == 0) return reply.null();
  reply.integer(static_cast<int64_t>(session.behind->ms));
}

std::optional<region::OnBehind> on_behind_of(BytesView word) {
  if (equals(word, "wait")) return region::OnBehind::wait;
  if (equals(word, "stale")) return region::OnBehind::stale;
  if (equals(word, "fail")) return region::OnBehind::refuse;
  return std::nullopt;
}

// ATOLL.TOKEN, ATOLL.TOKEN BEHIND, ATOLL.TOKEN [token] [WAIT|STALE|FAIL]
void token(Call& call) {
  const auto& words = call.words;
  if (words.size() == 1) return call.answer_later(write_token);
  if (words.size() > 3) return call.reply.error(wrong_arity(*find_command("atoll.token")));
  if (words.size() == 2 && equals(words[1], "behind")) return call.answer_later(write_behind);
  const auto choice = on_behind_of(words.back());
  if (words.size() == 3 && !choice)
    return call.reply.error("ERR found another word behind the token, expected WAIT, STALE or FAIL");
  if (words.size() == 3 || !choice) {
    const auto bytes = region::token_from_text(words[1]);
    if (!bytes) return call.reply.error("ERR found no token, expected what ATOLL.TOKEN has answered");
    const auto seen = call.node.open_token(*bytes);
    if (!seen) return call.reply.error("ERR " + seen.error().message);
    region::join(call.session.seen, *seen);
    for (const region::SeenIn& one : *seen)
      if (one.region != call.node.region_id) call.session.continued = true;
  }
  if (choice) call.session.on_behind = *choice;
  call.reply.ok();
}

constexpr Command kAtollCommands[] = {
    {"atoll.context", 2, Command::kReadOnly, 1, 1, 1, "atoll",
     "Answers the context that names a key's siblings.", context, nullptr},
    {"atoll.quorum", -1, Command::kConnection, 0, 0, 0, "atoll",
     "Sets how many replicas this connection's reads and writes ask: r w.", quorum, nullptr},
    {"atoll.set", 4, Command::kWrite, 1, 1, 1, "atoll",
     "Sets a value over what a context names: key value context.", set_over, nullptr},
    {"atoll.siblings", 2, Command::kReadOnly, 1, 1, 1, "atoll",
     "Answers every value that was set at the same time.", siblings, nullptr},
    {"atoll.token", -1, Command::kConnection, 0, 0, 0, "atoll",
     "Answers what this connection has seen, or goes on from what another one has: [token] "
     "[WAIT|STALE|FAIL].",
     token, nullptr},
};

}  // namespace

std::span<const Command> atoll_commands() { return kAtollCommands; }

}  // namespace atolldb::resp
