// The node and its commands.

#include <algorithm>

#include "region/resp/commands.h"
#include "region/resp/info.h"
#include "region/resp/scan.h"

namespace atolldb::resp {
namespace {

using region::Op;
using region::Response;

std::vector<const char*> flags_of(const Command& command) {
  std::vector<const char*> out;
  if (command.flags & Command::kWrite) out.push_back("write");
  if (command.flags & Command::kReadOnly) out.push_back("readonly");
  if (command.flags & Command::kFast) out.push_back("fast");
  if (command.flags & Command::kAdmin) out.push_back("admin");
  return out;
}

std::vector<std::string> categories_of(const Command& command) {
  std::vector<std::string> out;
  if (command.flags & Command::kWrite) out.emplace_back("@write");
  if (command.flags & Command::kReadOnly) out.emplace_back("@read");
  out.emplace_back(command.flags & Command::kFast ? "@fast" : "@slow");
  if (command.flags & Command::kDangerous) out.emplace_back("@dangerous");
  if (command.first_key != 0 || std::string(command.group) == "generic") out.emplace_back("@keyspace");
  out.push_back("@" + std::string(command.group));
  return out;
}

void write_info(Writer& reply, const Command* command) {
  if (command == nullptr) return reply.null_array();
  reply.array(10);
  reply.bulk(BytesView(command->name));
  reply.integer(command->arity);
  const auto flags = flags_of(*command);
  reply.set(flags.size());
  for (const char* flag : flags) reply.simple(flag);
  reply.integer(command->first_key);
  reply.integer(command->last_key);
  reply.integer(command->key_step);
  const auto categories = categories_of(*command);
  reply.set(categories.size());
  for (const std::string& category : categories) reply.simple(category);
  for (int i = 0; i < 3; ++i) reply.array(0);  // tips, key specifications, subcommands
}

void write_docs(Writer& reply, const Command& command) {
  reply.bulk(BytesView(command.name));
  reply.map(3);
  reply.bulk(BytesView("summary"));
  reply.bulk(BytesView(command.summary));
  reply.bulk(BytesView("group"));
  reply.bulk(BytesView(command.group));
  reply.bulk(BytesView("arity"));
  reply.integer(command.arity);
}

void docs(Call& call) {
  std::vector<const Command*> wanted;
  for (size_t i = 2; i < call.words.size(); ++i)
    if (const Command* found = find_command(call.words[i])) wanted.push_back(found);
  if (call.words.size() == 2)
    for (const Command& command : all_commands()) wanted.push_back(&command);
  call.reply.map(wanted.size());
  for (const Command* command : wanted) write_docs(call.reply, *command);
}

void get_keys(Call& call) {
  if (call.words.size() < 3) return call.reply.error("ERR Unknown subcommand or wrong number of arguments");
  const Command* found = find_command(call.words[2]);
  if (found == nullptr) return call.reply.error("ERR Invalid command specified");
  const auto words = static_cast<int>(call.words.size()) - 2;
  if (found->arity >= 0 ? words != found->arity : words < -found->arity)
    return call.reply.error("ERR Invalid number of arguments specified for command");
  int first = found->first_key, last = found->last_key < 0 ? words + found->last_key : found->last_key;
  if (equals(call.words[2], "sintercard")) {  // says how many
    const auto count = parse_number(call.words[3]);
    if (!count || *count <= 0 || *count > words - 2)
      return call.reply.error("ERR Invalid arguments specified for command");
    first = 2;
    last = static_cast<int>(*count) + 1;
  }
  if (first == 0) return call.reply.error("ERR The command has no key arguments");
  std::vector<BytesView> keys;
  for (int i = first; i <= last; i += std::max(1, found->key_step))
    keys.push_back(call.words[static_cast<size_t>(i) + 2]);
  call.reply.array(keys.size());
  for (const BytesView key : keys) call.reply.bulk(key);
}

void command(Call& call) {
  const auto commands = all_commands();
  if (call.words.size() == 1) {
    call.reply.array(commands.size());
    for (const Command& one : commands) write_info(call.reply, &one);
    return;
  }
  if (equals(call.words[1], "count") && call.words.size() == 2)
    return call.reply.integer(static_cast<int64_t>(commands.size()));
  if (equals(call.words[1], "list") && call.words.size() == 2) {
    call.reply.array(commands.size());
    for (const Command& one : commands) call.reply.bulk(BytesView(one.name));
    return;
  }
  if (equals(call.words[1], "info")) {
    if (call.words.size() == 2) {
      call.reply.array(commands.size());
      for (const Command& one : commands) write_info(call.reply, &one);
      return;
    }
    call.reply.array(call.words.size() - 2);
    for (size_t i = 2; i < call.words.size(); ++i) write_info(call.reply, find_command(call.words[i]));
    return;
  }
  if (equals(call.words[1], "docs")) return docs(call);
  if (equals(call.words[1], "getkeys")) return get_keys(call);
  call.reply.error("ERR unknown subcommand or wrong number of arguments for '" + std::string(call.words[1]) +
                   "'. Try COMMAND COUNT, LIST, INFO, DOCS or GETKEYS.");
}

Script info(Conversation& c, const Node& node) {
  const Response status = co_await c.ask(request_of(Op::status, {}));
  if (c.failed(status)) co_return;
  std::string text;
  if (c.words.size() == 1) text = info_text(node, status.value, "default");
  for (size_t i = 1; i < c.words.size(); ++i) {
    const std::string section = info_text(node, status.value, lower(c.words[i]));
    text += (text.empty() || section.empty() ? "" : "\r\n") + section;
  }
  c.reply.verbatim(text);
}

// What programs ask a Redis for before they trust it: here it follows from the topology.
std::vector<std::pair<const char*, std::string>> settings(const Node& node) {
  return {{"appendfsync", node.strict ? "always" : "everysec"},
          {"appendonly", "yes"},
          {"databases", "1"},
          {"maxclients", std::to_string(node.figures().clients_max)},
          {"maxmemory", "0"},
          {"maxmemory-policy", "noeviction"},
          {"port", std::to_string(node.port)},
          {"proto-max-bulk-len", "16777216"},
          {"save", ""},
          {"timeout", "0"}};
}

void config(Call& call) {
  if (equals(call.words[1], "get") && call.words.size() < 3)
    return call.reply.error("ERR wrong number of arguments for 'config|get' command");
  if (!equals(call.words[1], "get"))
    return call.reply.error("ERR only CONFIG GET is offered: nodes are configured by the topology file");
  std::vector<std::pair<const char*, std::string>> shown;
  for (auto& setting : settings(call.node))
    if (std::any_of(call.words.begin() + 2, call.words.end(),
                    [&](BytesView pattern) { return matches(lower(pattern), setting.first); }))
      shown.push_back(std::move(setting));
  call.reply.map(shown.size());
  for (const auto& [name, value] : shown) {
    call.reply.bulk(BytesView(name));
    call.reply.bulk(BytesView(value));
  }
}

constexpr Command kServerCommands[] = {
    {"command", -1, Command::kConnection, 0, 0, 0, "server", "Tells of the commands.", command, nullptr},
    {"config", -2, Command::kAdmin, 0, 0, 0, "server", "Shows settings: GET.", config, nullptr},
    {"info", -1, Command::kReadOnly, 0, 0, 0, "server", "Tells of the node.", nullptr, info},
};

}  // namespace

std::span<const Command> server_commands() { return kServerCommands; }

}  // namespace atolldb::resp
