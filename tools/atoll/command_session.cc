#include "tools/atoll/command_session.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "client/session.h"
#include "region/core/request_token.h"
#include "tools/atoll/shell_state.h"

namespace atolldb::tools {
namespace {

// Nothing: there is no such file, and the session begins.
Result<Bytes> load_token(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return Bytes();
  std::ifstream file(path);
  std::string text;
  if (!(file >> text)) return {Errc::io, path + ": cannot be read, expected a session's token"};
  auto token = region::token_from_text(text);
  if (!token) return {Errc::corrupt, path + ": found no token, expected what --session has written there"};
  return std::move(*token);
}

// Under another name first, so that a token is never half written.
Status save_token(const std::string& path, BytesView token) {
  const std::string fresh = path + ".new";
  std::ofstream file(fresh);
  file << region::token_text(token) << "\n" << std::flush;
  std::error_code error;
  if (file) std::filesystem::rename(fresh, path, error);
  if (!file || error)
    return {Errc::io,
            path + ": the token cannot be written: " + (error ? error.message() : std::strerror(errno))};
  return ok();
}

int run_with_file(const std::string& command, const Whom& whom, client::Client& client,
                  const std::function<int(client::Caller&)>& run) {
  const auto token = load_token(whom.session_file);
  if (!token) return report(command, token.error());
  client::Session session(client, whom.when_behind);
  if (const auto joined = session.join(*token); !joined) return report(command, joined.error());
  const int status = run(session);
  if (session.token().empty()) return status;
  const auto saved = save_token(whom.session_file, session.token());
  return saved ? status : report(command, saved.error());
}

}  // namespace

int run_in_session(const std::string& command, const Globals& globals, const Whom& whom,
                   client::Client& client, const std::function<int(client::Caller&)>& run) {
  if (!whom.session_file.empty()) return run_with_file(command, whom, client, run);
  if (globals.shell == nullptr || !globals.shell->in_session) return run(client);
  client::Session session(client, whom.when_behind);
  if (const auto joined = session.join(globals.shell->token); !joined) return report(command, joined.error());
  const int status = run(session);
  globals.shell->token = session.token();
  return status;
}

}  // namespace atolldb::tools
