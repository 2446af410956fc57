// Maps, which Redis calls hashes.

#include <algorithm>

#include "region/resp/commands.h"
#include "region/resp/scan.h"

namespace atolldb::resp {
namespace {

using region::Op;
using region::Request;
using region::Response;

Request request_with_field(Op op, BytesView key, BytesView field) {
  Request request = request_of(op, key);
  request.args.emplace_back(field);
  return request;
}

void hset_with(Call& call, Render render) {
  if (call.words.size() % 2 != 0)
    return call.reply.error("ERR wrong number of arguments for '" + lower(call.words[0]) + "' command");
  Request request = request_of(Op::hset, call.words[1]);
  request.args.assign(call.words.begin() + 2, call.words.end());
  call.ask(std::move(request), render);
}

void hset(Call& call) { hset_with(call, render_number); }
void hmset(Call& call) { hset_with(call, render_ok); }

void hsetnx(Call& call) {
  Request request = request_with_field(Op::hset, call.words[1], call.words[2]);
  request.args.emplace_back(call.words[3]);
  request.condition = region::Condition::absent;
  call.ask(std::move(request), render_number);
}

void hget(Call& call) { call.ask(request_with_field(Op::hget, call.words[1], call.words[2]), render_value); }
void hexists(Call& call) {
  call.ask(request_with_field(Op::hget, call.words[1], call.words[2]), render_found);
}
void hlen(Call& call) { call.ask(request_of(Op::hlen, call.words[1]), render_number); }

void hstrlen(Call& call) {
  call.ask(request_with_field(Op::hget, call.words[1], call.words[2]),
           [](Writer& reply, Response&& response, int64_t) {
             reply.integer(static_cast<int64_t>(response.value.size()));
           });
}

void hmget(Call& call) {
  Request request = request_of(Op::hmget, call.words[1]);
  request.args.assign(call.words.begin() + 2, call.words.end());
  call.ask(std::move(request), [](Writer& reply, Response&& response, int64_t) {
    reply.array(response.values.size());
    for (const Bytes& value : response.values) {
      if (value.empty())
        reply.null();
      else
        reply.bulk(BytesView(value).substr(1));
    }
  });
}

void hdel(Call& call) {
  Request request = request_of(Op::hdel, call.words[1]);
  request.args.assign(call.words.begin() + 2, call.words.end());
  call.ask(std::move(request), render_number);
}

void hincrby(Call& call) {
  const auto amount = parse_number(call.words[3]);
  if (!amount) return call.reply.error(kNotANumber);
  Request request = request_with_field(Op::hadd, call.words[1], call.words[2]);
  request.amount = *amount;
  call.ask(std::move(request), render_decimal);
}

enum class Show { all, fields, values };

// Every page one after another, each as it stands then.
Script show(Conversation& c, Show what) {
  std::vector<Bytes> items;
  Bytes place;
  do {
    Request page = request_of(Op::hgetall, c.words[1]);
    if (!place.empty()) page.args.push_back(std::move(place));
    Response found = co_await c.ask(std::move(page));
    if (c.failed(found)) co_return;
    c.keep(found);
    std::move(found.values.begin(), found.values.end(), std::back_inserter(items));
    place = std::move(found.value);
  } while (!place.empty());
  if (what == Show::all)
    c.reply.map(items.size() / 2);
  else
    c.reply.array(items.size() / 2);
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    if (what != Show::values) c.reply.bulk(std::move(items[i]));
    if (what != Show::fields) c.reply.bulk(std::move(items[i + 1]));
  }
}

template <Show what>
Script show_map(Conversation& c, const Node&) {
  return show(c, what);
}

Script hscan(Conversation& c, const Node&) {
  const auto options = scan_options(c, 2, false);
  if (!options) co_return;
  Request page = request_of(Op::hgetall, c.words[1]);
  if (options->cursor != 0) page.args.push_back(item_place(options->cursor));
  const Response found = co_await c.ask(std::move(page));
  if (c.failed(found)) co_return;
  std::vector<BytesView> shown;
  for (size_t i = 0; i + 1 < found.values.size(); i += 2)
    if (options->takes(found.values[i])) shown.insert(shown.end(), {found.values[i], found.values[i + 1]});
  c.reply.array(2);
  c.reply.bulk(std::to_string(item_cursor(found.value)));
  c.reply.array(shown.size());
  for (const BytesView item : shown) c.reply.bulk(item);
}

// Fields from a random place on, and round.
Script hrandfield(Conversation& c, const Node&) {
  const bool with_values = c.words.size() == 4;
  if (c.words.size() > 4 || (with_values && !equals(c.words[3], "withvalues"))) {
    c.reply.error(kSyntax);
    co_return;
  }
  const auto count = c.words.size() > 2 ? parse_number(c.words[2]) : std::optional<int64_t>(1);
  if (!count || *count < -kRepeatedMax || (with_values && *count > INT64_MAX / 2)) {
    c.reply.error(!count ? kNotANumber : with_values ? "ERR value is out of range" : kCountOutOfRange);
    co_return;
  }
  const auto wanted = static_cast<size_t>(std::abs(*count));
  std::vector<Bytes> items;
  const Bytes begin = random_place(c.random);
  Bytes place = begin;
  bool round = false;
  while (items.size() / 2 < wanted) {
    Request page = request_of(Op::hgetall, c.words[1]);
    if (!place.empty()) page.args.push_back(place);
    Response found = co_await c.ask(std::move(page));
    if (c.failed(found)) co_return;
    c.keep(found);
    const bool last = round && (found.value.empty() || found.value >= begin);
    std::move(found.values.begin(), found.values.end(), std::back_inserter(items));
    if (last) break;
    round = round || found.value.empty();
    place = std::move(found.value);
  }
  // The round's last page may reach behind the place that it began at.
  std::vector<std::pair<BytesView, BytesView>> fields;
  for (size_t i = 0; i + 1 < items.size(); i += 2) fields.emplace_back(items[i], items[i + 1]);
  std::sort(fields.begin(), fields.end());
  fields.erase(std::unique(fields.begin(), fields.end(),
                           [](const auto& a, const auto& b) { return a.first == b.first; }),
               fields.end());
  for (size_t i = fields.size(); i > 1; --i) std::swap(fields[i - 1], fields[c.random.below(i)]);
  if (c.words.size() == 2) {
    if (fields.empty())
      c.reply.null();
    else
      c.reply.bulk(fields.front().first);
    co_return;
  }
  const size_t shown = *count < 0 && !fields.empty() ? wanted : std::min(wanted, fields.size());
  std::vector<uint32_t> places(shown);
  size_t bytes = 0;
  for (size_t i = 0; i < shown; ++i) {
    places[i] = static_cast<uint32_t>(*count < 0 ? c.random.below(fields.size()) : i);
    bytes += fields[places[i]].first.size() + (with_values ? fields[places[i]].second.size() : 0);
  }
  if (bytes > Conversation::kAnswerBytesMax) {
    c.reply.error(kTooManyAgain);
    co_return;
  }
  const bool pairs = with_values && c.reply.three();
  c.reply.array(with_values && !pairs ? 2 * shown : shown);
  for (const uint32_t at : places) {
    const auto& [field, value] = fields[at];
    if (pairs) c.reply.array(2);
    c.reply.bulk(field);
    if (with_values) c.reply.bulk(value);
  }
}

constexpr Command kHashCommands[] = {
    {"hdel", -3, Command::kFastWrite, 1, 1, 1, "hash", "Deletes fields of a map.", hdel, nullptr},
    {"hexists", 3, Command::kRead, 1, 1, 1, "hash", "Answers whether a map has a field.", hexists, nullptr},
    {"hget", 3, Command::kRead, 1, 1, 1, "hash", "Answers the value of a field.", hget, nullptr},
    {"hgetall", 2, Command::kReadOnly, 1, 1, 1, "hash", "Answers all fields of a map and their values.",
     nullptr, show_map<Show::all>},
    {"hincrby", 4, Command::kFastWrite, 1, 1, 1, "hash", "Adds a number to a field.", hincrby, nullptr},
    {"hkeys", 2, Command::kReadOnly, 1, 1, 1, "hash", "Answers all fields of a map.", nullptr,
     show_map<Show::fields>},
    {"hlen", 2, Command::kRead, 1, 1, 1, "hash", "Answers how many fields a map has.", hlen, nullptr},
    {"hmget", -3, Command::kRead, 1, 1, 1, "hash", "Answers the values of several fields.", hmget, nullptr},
    {"hmset", -4, Command::kFastWrite, 1, 1, 1, "hash", "Sets fields of a map.", hmset, nullptr},
    {"hrandfield", -2, Command::kReadOnly, 1, 1, 1, "hash", "Answers fields at random.", nullptr, hrandfield},
    {"hscan", -3, Command::kReadOnly, 1, 1, 1, "hash", "Goes through the fields of a map in steps.", nullptr,
     hscan},
    {"hset", -4, Command::kFastWrite, 1, 1, 1, "hash", "Sets fields of a map, and answers how many are new.",
     hset, nullptr},
    {"hsetnx", 4, Command::kFastWrite, 1, 1, 1, "hash", "Sets a field if there is none.", hsetnx, nullptr},
    {"hstrlen", 3, Command::kRead, 1, 1, 1, "hash", "Answers the length of a field's value.", hstrlen,
     nullptr},
    {"hvals", 2, Command::kReadOnly, 1, 1, 1, "hash", "Answers the values of all fields.", nullptr,
     show_map<Show::values>},
};

}  // namespace

std::span<const Command> hash_commands() { return kHashCommands; }

}  // namespace atolldb::resp
