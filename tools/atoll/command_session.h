#pragma once
// The session that a command belongs to: of a token in a file, or of the shell.

#include <functional>
#include <string>

#include "client/client.h"
#include "tools/atoll/command.h"
#include "tools/atoll/connect.h"

namespace atolldb::tools {

// Runs with the client itself, or with a session over it: the one of --session, or the shell's. What the
// session has seen afterwards is kept where it came from, whatever became of the command. Returns the exit
// status.
int run_in_session(const std::string& command, const Globals& globals, const Whom& whom,
                   client::Client& client, const std::function<int(client::Caller&)>& run);

}  // namespace atolldb::tools
