// `atoll get|set|del|siblings|incr|decr|sadd|srem|smembers|hset|hget|hdel|hgetall|hincrby`: one key at a
// time, for a quick look and for scripts.
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

#include "crdt/base/base64.h"
#include "crdt/base/utf8.h"
#include "tools/atoll/command.h"
#include "tools/atoll/command_session.h"
#include "tools/atoll/connect.h"
#include "tools/atoll/json_bytes.h"
#include "tools/atoll/line_editor.h"
#include "tools/atoll/shell_state.h"

namespace atolldb::tools {
namespace {

using client::Caller;
using client::Client;
using client::Reply;
using Json = nlohmann::ordered_json;

constexpr size_t kValueBytesMax = 16u << 20;

struct KeyArgs {
  std::string key;
  std::vector<std::string> keys, elements;
  std::string value, field, context;
  int64_t amount = 1;
  Whom whom;
};

// A connected client, or the exit status after the error was told.
std::shared_ptr<Client> connect(const std::string& command, const Globals& globals, const Whom& whom,
                                int& status) {
  const ShellState::Key key{topology_path(globals), whom.region, whom.node,
                            whom.any_region,        whom.local,  whom.deadline_ms};
  if (globals.shell != nullptr)
    if (const auto open = globals.shell->clients.find(key); open != globals.shell->clients.end())
      return open->second;
  const auto topology = load_topology(globals);
  if (!topology) {
    status = report(command, topology.error());
    return nullptr;
  }
  auto opened = Client::open(*topology, options_for(whom));
  if (!opened) {
    status = report(command, opened.error());
    return nullptr;
  }
  std::shared_ptr<Client> client = std::move(*opened);
  if (globals.shell != nullptr) globals.shell->clients[key] = client;
  return client;
}

template <typename T>
void note_stale(const Reply<T>& reply) {
  if (!reply.done() || !reply.stale) return;
  if (reply.behind)
    std::cerr << "note: stale, this region lacks "
              << (reply.behind->ms == 0 ? std::string("some") : std::to_string(reply.behind->ms) + " ms")
              << " of what the session has seen\n";
  else
    std::cerr << "note: read from one replica, which may be behind\n";
}

template <typename T>
Json json_of(BytesView key, const Reply<T>& reply) {
  Json out;
  put_bytes(out, "key", key);
  out["outcome"] = name_of(reply.outcome);
  if (reply.behind) out["behind_ms"] = reply.behind->ms;
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
    note_stale(reply);
  }
  return reply.done() ? 0 : report(command, printable(key), reply.outcome, reply.code, reply.message);
}

int run_get(Caller& client, const Globals& globals, const KeyArgs& args) {
  const Reply<client::Got> reply = client.get(args.key);
  const client::Got& got = reply.value;
  Json more = {{"found", got.value.has_value()}};
  if (got.value) put_bytes(more, "value", *got.value);
  more["hidden"] = got.hidden;
  more["stale"] = reply.stale;
  const int status = tell("get", globals, args.key, reply, more, got.value.value_or("(nil)"));
  if (status != 0) return status;
  if (got.hidden > 0)
    std::cerr << "note: " << got.hidden << (got.hidden == 1 ? " more sibling stands" : " more siblings stand")
              << " behind this value; \"atoll inspect " << printable(args.key) << "\" shows all\n";
  return got.value ? 0 : kFailedStatus;
}

Result<Bytes> value_of(const std::string& argument) {
  if (argument != "-") return argument;
  const WholeInput input;
  Bytes value(kValueBytesMax + 1, '\0');
  std::cin.read(value.data(), static_cast<std::streamsize>(value.size()));
  value.resize(static_cast<size_t>(std::cin.gcount()));
  if (value.size() > kValueBytesMax)
    return {Errc::too_large,
            "standard input is longer than a value may be, " + std::to_string(kValueBytesMax) + " bytes"};
  return value;
}

int run_set(Caller& client, const Globals& globals, const KeyArgs& args) {
  const Result<Bytes> value = value_of(args.value);
  if (!value) return report("set", value.error());
  if (args.context.empty())
    return tell("set", globals, args.key, client.set(args.key, *value), Json::object(), "OK");
  const std::optional<Bytes> context = base64_decoded(args.context);
  if (!context)
    return report("set", {Errc::invalid, "--context is no base64; \"atoll siblings\" prints the one to use"});
  return tell("set", globals, args.key, client.set(args.key, *value, *context), Json::object(), "OK");
}

Json json_of_bytes(const std::vector<Bytes>& items) {
  Json out = Json::array();
  for (const Bytes& item : items) {
    Json one;
    put_bytes(one, "value", item);
    out.push_back(one);
  }
  return out;
}

int run_siblings(Caller& client, const Globals& globals, const KeyArgs& args) {
  const Reply<client::Siblings> reply = client.siblings(args.key);
  const client::Siblings& all = reply.value;
  const bool found = !all.values.empty() || all.added;
  if (globals.json || !reply.done()) {
    Json more = {{"found", found}, {"siblings", json_of_bytes(all.values)}};
    if (all.added) more["added"] = *all.added;
    more["behind"] = all.behind;
    more["context"] = base64(all.context);
    const int status = tell("siblings", globals, args.key, reply, more, "");
    return status != 0 || found ? status : kFailedStatus;
  }
  for (size_t i = 0; i < all.values.size(); ++i)
    std::cout << (i == 0 ? "shown   " : "sibling ") << printable(all.values[i]) << "\n";
  if (all.added) std::cout << "added   " << *all.added << "\n";
  for (const Bytes& type : all.behind) std::cout << "behind  a " << type << "\n";
  if (!found) std::cout << "(nil)\n";
  std::cout << "context " << base64(all.context) << "\n";
  return found ? 0 : kFailedStatus;
}

int run_del(Caller& client, const Globals& globals, const KeyArgs& args) {
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

int tell_sum(const std::string& command, const Globals& globals, const KeyArgs& args,
             const Reply<std::optional<int64_t>>& reply) {
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

int run_hset(Caller& client, const Globals& globals, const KeyArgs& args) {
  if (args.elements.size() % 2 != 0)
    return report("hset",
                  {Errc::invalid, "found " + std::to_string(args.elements.size()) +
                                      " arguments behind the key, expected fields and values in pairs"});
  std::vector<std::pair<Bytes, Bytes>> fields;
  for (size_t i = 0; i < args.elements.size(); i += 2)
    fields.emplace_back(args.elements[i], args.elements[i + 1]);
  const Reply<int64_t> reply = client.hset(args.key, fields);
  return tell("hset", globals, args.key, reply, {{"added", reply.value}}, std::to_string(reply.value));
}

int run_hget(Caller& client, const Globals& globals, const KeyArgs& args) {
  const Reply<client::Got> reply = client.hget(args.key, args.field);
  Json more = {{"found", reply.value.value.has_value()}};
  if (reply.value.value) put_bytes(more, "value", *reply.value.value);
  more["stale"] = reply.stale;
  const int status = tell("hget", globals, args.key, reply, more, reply.value.value.value_or("(nil)"));
  return status != 0 || reply.value.value ? status : kFailedStatus;
}

int run_hgetall(Caller& client, const Globals& globals, const KeyArgs& args) {
  auto reply = client.hgetall(args.key);
  std::sort(reply.value.begin(), reply.value.end());
  Json fields = Json::array();
  for (const auto& [field, value] : reply.value) {
    if (!globals.json) {
      std::cout << printable(field) << "\t" << printable(value) << "\n";
      continue;
    }
    Json one;
    put_bytes(one, "field", field);
    put_bytes(one, "value", value);
    fields.push_back(one);
  }
  if (!globals.json && reply.done()) {
    note_stale(reply);
    return 0;
  }
  return tell("hgetall", globals, args.key, reply, {{"fields", fields}}, "");
}

int run_smembers(Caller& client, const Globals& globals, const KeyArgs& args) {
  Reply<std::vector<Bytes>> reply = client.smembers(args.key);
  std::sort(reply.value.begin(), reply.value.end());
  if (!globals.json && reply.done()) {
    for (const Bytes& member : reply.value) std::cout << member << "\n";
    note_stale(reply);
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

using Runner = std::function<int(Caller&, const Globals&, const KeyArgs&)>;

// A subcommand whose callback connects and runs.
CLI::App& add_command(CLI::App& app, Globals& globals, const std::string& name, const std::string& help,
                      const std::shared_ptr<KeyArgs>& args, bool reads, const Runner& run) {
  CLI::App& command = *app.add_subcommand(name, help);
  add_common_options(command, globals);
  add_whom_options(command, args->whom, reads);
  command.callback([&globals, &command, name, args, run] {
    if (globals.shell != nullptr) fill_from_shell(command, *globals.shell, args->whom);
    const auto client = connect(name, globals, args->whom, globals.exit_status);
    if (!client) return;
    globals.exit_status = run_in_session(name, globals, args->whom, *client,
                                         [&](Caller& caller) { return run(caller, globals, *args); });
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
  set_command.add_option(
      "--context", set->context,
      "what \"atoll siblings\" printed: supersede the siblings that it names and no others");

  auto siblings = std::make_shared<KeyArgs>();
  add_command(app, globals, "siblings",
              "print all concurrent values of a key and the context that names them", siblings, true,
              run_siblings)
      .add_option("key", siblings->key, "the key")
      ->required();

  auto del = std::make_shared<KeyArgs>();
  add_command(app, globals, "del", "delete keys; prints how many there were", del, false, run_del)
      .add_option("keys", del->keys, "the keys")
      ->required();
}

void register_counters(CLI::App& app, Globals& globals) {
  auto incr = std::make_shared<KeyArgs>();
  CLI::App& incr_command =
      add_command(app, globals, "incr", "add to a counter, exactly once; prints the sum", incr, false,
                  [](Caller& client, const Globals& g, const KeyArgs& args) {
                    return tell_sum("incr", g, args, client.add(args.key, args.amount));
                  });
  auto decr = std::make_shared<KeyArgs>();
  CLI::App& decr_command =
      add_command(app, globals, "decr", "subtract from a counter, exactly once; prints the sum", decr, false,
                  [](Caller& client, const Globals& g, const KeyArgs& args) {
                    return tell_sum("decr", g, args, client.add(args.key, -args.amount));
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
          [](Caller& client, const Globals& g, const KeyArgs& args) {
            const auto reply = client.sadd(args.key, args.elements);
            return tell("sadd", g, args.key, reply, {{"added", reply.value}}, std::to_string(reply.value));
          }),
      *sadd);
  auto srem = std::make_shared<KeyArgs>();
  add_elements(
      add_command(
          app, globals, "srem", "remove elements from a set; prints how many were there", srem, false,
          [](Caller& client, const Globals& g, const KeyArgs& args) {
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

void register_maps(CLI::App& app, Globals& globals) {
  const auto add_key = [](CLI::App& command, KeyArgs& args) {
    command.add_option("key", args.key, "the key")->required();
  };
  const auto add_field = [&](CLI::App& command, KeyArgs& args) {
    add_key(command, args);
    command.add_option("field", args.field, "the field")->required();
  };
  auto hset = std::make_shared<KeyArgs>();
  CLI::App& hset_command = add_command(app, globals, "hset", "set fields of a map; prints how many were new",
                                       hset, false, run_hset);
  add_key(hset_command, *hset);
  hset_command.add_option("fields", hset->elements, "field value [field value ...]")->required();

  auto hget = std::make_shared<KeyArgs>();
  add_field(add_command(app, globals, "hget", "print the value of a field", hget, true, run_hget), *hget);

  auto hdel = std::make_shared<KeyArgs>();
  CLI::App& hdel_command = add_command(
      app, globals, "hdel", "delete fields of a map; prints how many were there", hdel, false,
      [](Caller& client, const Globals& g, const KeyArgs& args) {
        const auto reply = client.hdel(args.key, args.elements);
        return tell("hdel", g, args.key, reply, {{"removed", reply.value}}, std::to_string(reply.value));
      });
  add_key(hdel_command, *hdel);
  hdel_command.add_option("fields", hdel->elements, "the fields")->required();

  auto hgetall = std::make_shared<KeyArgs>();
  add_key(add_command(app, globals, "hgetall", "print the fields of a map, sorted, one a line, tab between",
                      hgetall, true, run_hgetall),
          *hgetall);

  auto hincrby = std::make_shared<KeyArgs>();
  CLI::App& hincrby_command =
      add_command(app, globals, "hincrby", "add to a field, exactly once; prints the sum", hincrby, false,
                  [](Caller& client, const Globals& g, const KeyArgs& args) {
                    return tell_sum("hincrby", g, args, client.hadd(args.key, args.field, args.amount));
                  });
  add_field(hincrby_command, *hincrby);
  hincrby_command
      .add_option_function<std::string>(
          "amount",
          [hincrby = hincrby.get()](const std::string& text) { hincrby->amount = parse_amount(text); },
          "how much; write -- before a negative one")
      ->required();
}

}  // namespace

void register_keys(CLI::App& app, Globals& globals) {
  register_strings(app, globals);
  register_counters(app, globals);
  register_sets(app, globals);
  register_maps(app, globals);
}

}  // namespace atolldb::tools
