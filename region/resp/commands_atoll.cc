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

void set(Call& call) {
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

constexpr Command kCommands[] = {
    {"atoll.context", 2, Command::kReadOnly, 1, 1, 1, "atoll",
     "Answers the context that names a key's siblings.", context, nullptr},
    {"atoll.quorum", -1, Command::kConnection, 0, 0, 0, "atoll",
     "Sets how many replicas this connection's reads and writes ask: r w.", quorum, nullptr},
    {"atoll.set", 4, Command::kWrite, 1, 1, 1, "atoll",
     "Sets a value over what a context names: key value context.", set, nullptr},
    {"atoll.siblings", 2, Command::kReadOnly, 1, 1, 1, "atoll",
     "Answers every value that was set at the same time.", siblings, nullptr},
};

}  // namespace

std::span<const Command> atoll_commands() { return kCommands; }

}  // namespace atolldb::resp
