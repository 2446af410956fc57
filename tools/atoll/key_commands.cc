// `atoll get|set|del|incr|decr|sadd|srem|smembers`: one key at a time, for a quick look and for scripts.
//
// Exit status: 0 done; 1 rejected, or `get` of an absent key; 3 unknown: the write may or may not have
// happened.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tools/atoll/command.h"
#include "tools/atoll/connect.h"
#include "tools/atoll/json_bytes.h"

namespace atolldb::tools {
namespace {

using client::Client;
using client::Reply;
using Json = nlohmann::ordered_json;

constexpr size_t kValueBytesMax = 16u << 20;

struct KeyArgs {
  std::string key;
  std::vector<std::string> keys, elements;
  std::string value;
  int64_t amount = 1;
  Whom whom;
};

// A connected client, or the exit status after the error was told.
std::unique_ptr<Client> connect(const std::string& command, const Globals& globals, const Whom& whom,
                                int& status) {
  const auto topology = load_topology(globals);
  if (!topology) {
    status = report(command, topology.error());
    return nullptr;
  }
  auto client = Client::open(*topology, options_for(whom));
  if (client) return std::move(*client);
  status = report(command, client.error());
  return nullptr;
}

template <typename T>
Json json_of(BytesView key, const Reply<T>& reply) {
  Json out;
  put_bytes(out, "key", key);
  out["outcome"] = name_of(reply.outcome);
  if (reply.done()) return out;
  out["code"] = name_of(reply.code);
  out["message"] = reply.message;
  return out;
}

// Prints the reply: with --json whatever came of it, otherwise `text` on success. Returns the exit status.
template <typename T>
int tell(const std::string& command, const Globals& globals, BytesView key, const Reply<T>& reply,
         const Json& more, const std::string& text) {
  if (globals.json) {
    Json out = json_of(key, reply);
    if (reply.done()) out.update(more);
    std::cout << out.dump() << "\n";
  } else if (reply.done()) {
    std::cout << text << "\n";
  }
  return reply.done() ? 0 : report(command, printable(key), reply.outcome, reply.code, reply.message);
}

int run_get(Client& client, const Globals& globals, const KeyArgs& args) {
  const Reply<client::Got> reply = client.get(args.key);
  const client::Got& got = reply.value;
  Json more = {{"found", got.value.has_value()}};
  if (got.value) put_bytes(more, "value", *got.value);
  more["hidden"] = got.hidden;
  more["stale"] = got.stale;
  const int status = tell("get", globals, args.key, reply, more, got.value.value_or("(nil)"));
  if (status != 0) return status;
  if (got.hidden > 0)
    std::cerr << "note: " << got.hidden << (got.hidden == 1 ? " more sibling stands" : " more siblings stand")
              << " behind this value; \"atoll inspect " << printable(args.key) << "\" shows all\n";
  if (got.stale && !globals.json) std::cerr << "note: read from one replica, which may be behind\n";
  return got.value ? 0 : kFailedStatus;
}

Result<Bytes> value_of(const std::string& argument) {
  if (argument != "-") return argument;
  Bytes value(kValueBytesMax + 1, '\0');
  std::cin.read(value.data(), static_cast<std::streamsize>(value.size()));
  value.resize(static_cast<size_t>(std::cin.gcount()));
  if (value.size() > kValueBytesMax)
    return {Errc::too_large,
            "standard input is longer than a value may be, " + std::to_string(kValueBytesMax) + " bytes"};
  return value;
}

int run_set(Client& client, const Globals& globals, const KeyArgs& args) {
  const Result<Bytes> value = value_of(args.value);
  if (!value) return report("set", value.error());
  return tell("set", globals, args.key, client.set(args.key, *value), Json::object(), "OK");
}

int run_del(Client& client, const Globals& globals, const KeyArgs& args) {
  int64_t deleted = 0;
  int status = 0;
  for (const std::string& key : args.keys) {
    const Reply<int64_t> reply = client.del(key);
    deleted += reply.value;
    if (globals.json)
      status = std::max(status, tell("del", globals, key, reply, {{"deleted", reply.value}}, ""));
    else if (!reply.done())
      status = std::max(status, report("del", printable(key), reply.outcome, reply.code, reply.message));
  }
  if (!globals.json) std::cout << deleted << "\n";
  return status;
}

int run_add(const std::string& command, Client& client, const Globals& globals, const KeyArgs& args,
            int64_t amount) {
  const Reply<std::optional<int64_t>> reply = client.add(args.key, amount);
  Json more;
  std::string text = "OK";
  if (reply.value) {
    more["value"] = *reply.value;
    text = std::to_string(*reply.value);
  } else if (reply.done()) {
    std::cerr << "note: it counted once, but its answer was lost and with it the sum of that moment\n";
  }
  return tell(command, globals, args.key, reply, more, text);
}

int run_smembers(Client& client, const Globals& globals, const KeyArgs& args) {
  Reply<std::vector<Bytes>> reply = client.smembers(args.key);
  std::sort(reply.value.begin(), reply.value.end());
  if (!globals.json && reply.done()) {
    for (const Bytes& member : reply.value) std::cout << member << "\n";
    return 0;
  }
  Json members = Json::array();
  const bool text =
      std::all_of(reply.value.begin(), reply.value.end(), [](const Bytes& m) { return is_utf8(m); });
  for (const Bytes& member : reply.value) members.push_back(text ? member : base64(member));
  return tell("smembers", globals, args.key, reply, {{text ? "members" : "members_base64", members}}, "");
}

// Throws CLI::ValidationError. The least number is left out: decr negates.
int64_t parse_amount(const std::string& text) {
  int64_t amount = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), amount);
  if (error != std::errc() || end != text.data() + text.size() || amount == INT64_MIN)
    throw CLI::ValidationError("amount",
                               "found \"" + text + "\", expected a number from -(2^63-1) to 2^63-1");
  return amount;
}

using Runner = std::function<int(Client&, const Globals&, const KeyArgs&)>;

// A subcommand whose callback connects and runs.
CLI::App& add_command(CLI::App& app, Globals& globals, const std::string& name, const std::string& help,
                      const std::shared_ptr<KeyArgs>& args, bool reads, const Runner& run) {
  CLI::App& command = *app.add_subcommand(name, help);
  add_common_options(command, globals);
  add_whom_options(command, args->whom, reads);
  command.callback([&globals, name, args, run] {
    const auto client = connect(name, globals, args->whom, globals.exit_status);
    if (client) globals.exit_status = run(*client, globals, *args);
  });
  return command;
}

void register_strings(CLI::App& app, Globals& globals) {
  auto get = std::make_shared<KeyArgs>();
  add_command(app, globals, "get", "print the value of a key", get, true, run_get)
      .add_option("key", get->key, "the key")
      ->required();

  auto set = std::make_shared<KeyArgs>();
  CLI::App& set_command = add_command(app, globals, "set", "set a key to a value", set, false, run_set);
  set_command.add_option("key", set->key, "the key")->required();
  set_command.add_option("value", set->value, "the value; - reads it from standard input")->required();

  auto del = std::make_shared<KeyArgs>();
  add_command(app, globals, "del", "delete keys; prints how many there were", del, false, run_del)
      .add_option("keys", del->keys, "the keys")
      ->required();
}

void register_counters(CLI::App& app, Globals& globals) {
  auto incr = std::make_shared<KeyArgs>();
  CLI::App& incr_command =
      add_command(app, globals, "incr", "add to a counter, exactly once; prints the sum", incr, false,
                  [](Client& client, const Globals& g, const KeyArgs& args) {
                    return run_add("incr", client, g, args, args.amount);
                  });
  auto decr = std::make_shared<KeyArgs>();
  CLI::App& decr_command =
      add_command(app, globals, "decr", "subtract from a counter, exactly once; prints the sum", decr, false,
                  [](Client& client, const Globals& g, const KeyArgs& args) {
                    return run_add("decr", client, g, args, -args.amount);
                  });
  const auto add_amount = [](CLI::App& command, KeyArgs& args) {
    command.add_option("key", args.key, "the key")->required();
    command.add_option_function<std::string>(
        "amount", [&args](const std::string& text) { args.amount = parse_amount(text); },
        "how much (default 1); write -- before a negative one");
  };
  add_amount(incr_command, *incr);
  add_amount(decr_command, *decr);
}

void register_sets(CLI::App& app, Globals& globals) {
  const auto add_elements = [](CLI::App& command, KeyArgs& args) {
    command.add_option("key", args.key, "the key")->required();
    command.add_option("elements", args.elements, "the elements")->required();
  };
  auto sadd = std::make_shared<KeyArgs>();
  add_elements(
      add_command(
          app, globals, "sadd", "add elements to a set; prints how many were new", sadd, false,
          [](Client& client, const Globals& g, const KeyArgs& args) {
            const auto reply = client.sadd(args.key, args.elements);
            return tell("sadd", g, args.key, reply, {{"added", reply.value}}, std::to_string(reply.value));
          }),
      *sadd);
  auto srem = std::make_shared<KeyArgs>();
  add_elements(
      add_command(
          app, globals, "srem", "remove elements from a set; prints how many were there", srem, false,
          [](Client& client, const Globals& g, const KeyArgs& args) {
            const auto reply = client.srem(args.key, args.elements);
            return tell("srem", g, args.key, reply, {{"removed", reply.value}}, std::to_string(reply.value));
          }),
      *srem);
  auto smembers = std::make_shared<KeyArgs>();
  add_command(app, globals, "smembers", "print the members of a set, sorted, one a line", smembers, true,
              run_smembers)
      .add_option("key", smembers->key, "the key")
      ->required();
}

}  // namespace

void register_keys(CLI::App& app, Globals& globals) {
  register_strings(app, globals);
  register_counters(app, globals);
  register_sets(app, globals);
}

}  // namespace atolldb::tools
