// The connection itself.

#include "region/resp/commands.h"

namespace atolldb::resp {
namespace {

void ping(Call& call) {
  if (call.words.size() > 2) return call.reply.error("ERR wrong number of arguments for 'ping' command");
  if (call.words.size() == 2) return call.reply.bulk(call.words[1]);
  call.reply.simple("PONG");
}

void echo(Call& call) { call.reply.bulk(call.words[1]); }

void quit(Call& call) {
  call.reply.ok();
  call.session.closing = true;
}

void reset(Call& call) {
  call.session.protocol = Protocol::resp2;
  call.session.name.clear();
  call.session.r = call.session.w = 0;
  call.session.seen.clear();
  call.session.continued = false;
  call.session.on_behind = region::OnBehind::wait;
  call.reply.simple("RESET");
}

void select(Call& call) {
  const auto number = parse_number(call.words[1]);
  if (!number) return call.reply.error(kNotANumber);
  if (*number != 0) return call.reply.error("ERR DB index is out of range");
  call.reply.ok();
}

constexpr const char* kNoPassword =
    "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
    "configuration is correct?";

constexpr const char* kWrongPassword = "WRONGPASS invalid username-password pair or user is disabled.";

// There is one user, "default", who needs no password.
void auth(Call& call) {
  if (call.words.size() > 3) return call.reply.error(kSyntax);
  if (call.words.size() == 2) return call.reply.error(kNoPassword);
  if (call.words[1] != "default") return call.reply.error(kWrongPassword);
  call.reply.ok();
}

bool good_name(BytesView name) {
  for (const char c : name)
    if (c < '!' || c > '~') return false;
  return true;
}

constexpr const char* kBadName = "ERR Client names cannot contain spaces, newlines or special characters.";

void hello(Call& call) {
  Protocol protocol = call.session.protocol;
  std::optional<BytesView> name;
  for (size_t i = 1; i < call.words.size(); ++i) {
    if (i == 1) {
      const auto version = parse_number(call.words[1]);
      if (!version) return call.reply.error("ERR Protocol version is not an integer or out of range");
      if (*version != 2 && *version != 3) return call.reply.error("NOPROTO unsupported protocol version");
      protocol = *version == 3 ? Protocol::resp3 : Protocol::resp2;
    } else if (equals(call.words[i], "auth") && i + 2 < call.words.size()) {
      if (call.words[i + 1] != "default") return call.reply.error(kWrongPassword);
      i += 2;
    } else if (equals(call.words[i], "setname") && i + 1 < call.words.size()) {
      name = call.words[++i];
      if (!good_name(*name)) return call.reply.error(kBadName);
    } else {
      return call.reply.error("ERR Syntax error in HELLO option '" + std::string(call.words[i]) + "'");
    }
  }
  if (name) call.session.name = *name;
  call.session.protocol = protocol;
  call.reply.set_protocol(protocol);
  call.reply.map(7);
  const auto pair = [&](const char* key, BytesView value) {
    call.reply.bulk(BytesView(key));
    call.reply.bulk(value);
  };
  pair("server", "redis");
  pair("version", kRedisVersion);
  call.reply.bulk(BytesView("proto"));
  call.reply.integer(static_cast<int64_t>(protocol));
  call.reply.bulk(BytesView("id"));
  call.reply.integer(static_cast<int64_t>(call.session.id));
  pair("mode", "standalone");
  pair("role", "master");
  call.reply.bulk(BytesView("modules"));
  call.reply.array(0);
}

std::string description(const Session& session) {
  return "id=" + std::to_string(session.id) + " addr=" + session.peer + " name=" + session.name +
         " db=0 resp=" + std::to_string(static_cast<int>(session.protocol)) +
         " lib-name=" + session.lib_name + " lib-ver=" + session.lib_version;
}

void set_info(Call& call) {
  const bool library = equals(call.words[2], "lib-name");
  if (!library && !equals(call.words[2], "lib-ver"))
    return call.reply.error("ERR Unrecognized option '" + std::string(call.words[2]) + "'");
  if (!good_name(call.words[3])) return call.reply.error(kBadName);
  (library ? call.session.lib_name : call.session.lib_version) = call.words[3];
  call.reply.ok();
}

void client(Call& call) {
  const auto is = [&](const char* name, size_t words) {
    return equals(call.words[1], name) && call.words.size() == words;
  };
  Session& session = call.session;
  if (is("id", 2)) return call.reply.integer(static_cast<int64_t>(session.id));
  if (is("getname", 2)) {
    if (session.name.empty()) return call.reply.null();
    return call.reply.bulk(BytesView(session.name));
  }
  if (is("setname", 3)) {
    if (!good_name(call.words[2])) return call.reply.error(kBadName);
    session.name = call.words[2];
    return call.reply.ok();
  }
  if (is("setinfo", 4)) return set_info(call);
  if (is("info", 2)) return call.reply.verbatim(description(session) + "\n");
  if (is("no-evict", 3) || is("no-touch", 3)) {  // nothing is evicted here
    const bool known = equals(call.words[2], "on") || equals(call.words[2], "off");
    return known ? call.reply.ok() : call.reply.error(kSyntax);
  }
  if (is("help", 2)) {
    constexpr const char* kHelp[] = {"CLIENT <subcommand>:",
                                     "ID",
                                     "GETNAME",
                                     "SETNAME <name>",
                                     "SETINFO lib-name|lib-ver <value>",
                                     "INFO",
                                     "NO-EVICT on|off",
                                     "NO-TOUCH on|off"};
    call.reply.array(std::size(kHelp));
    for (const char* line : kHelp) call.reply.simple(line);
    return;
  }
  for (const char* name : {"id", "getname", "setname", "setinfo", "info", "no-evict", "no-touch", "help"})
    if (equals(call.words[1], name))
      return call.reply.error(std::string("ERR wrong number of arguments for 'client|") + name + "' command");
  call.reply.error("ERR unknown subcommand '" + std::string(call.words[1].substr(0, 128)) +
                   "'. Try CLIENT HELP.");
}

constexpr uint32_t kFlags = Command::kConnection | Command::kFast;

constexpr Command kConnectionCommands[] = {
    {"auth", -2, kFlags, 0, 0, 0, "connection", "Refused: no passwords are configured.", auth, nullptr},
    {"client", -2, kFlags, 0, 0, 0, "connection", "Names the connection and tells of it.", client, nullptr},
    {"echo", 2, kFlags, 0, 0, 0, "connection", "Answers what it is given.", echo, nullptr},
    {"hello", -1, kFlags, 0, 0, 0, "connection", "Chooses the version of the protocol.", hello, nullptr},
    {"ping", -1, kFlags, 0, 0, 0, "connection", "Answers PONG.", ping, nullptr},
    {"quit", -1, kFlags, 0, 0, 0, "connection", "Closes the connection.", quit, nullptr},
    {"reset", 1, kFlags, 0, 0, 0, "connection", "Puts the connection into the state of a new one.", reset,
     nullptr},
    {"select", 2, kFlags, 0, 0, 0, "connection", "There is one database, 0.", select, nullptr},
};

}  // namespace

std::span<const Command> connection_commands() { return kConnectionCommands; }

}  // namespace atolldb::resp
