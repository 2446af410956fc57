// `atoll shell`: the same commands, line by line, with open connections, a session, history and completion.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "region/core/request_token.h"
#include "tools/atoll/command.h"
#include "tools/atoll/connect.h"
#include "tools/atoll/line_editor.h"
#include "tools/atoll/run.h"
#include "tools/atoll/shell_state.h"
#include "tools/atoll/words.h"

namespace atolldb::tools {
namespace {

constexpr const char* kBuiltins[] = {"use", "session", "token", "help", "exit", "quit"};
constexpr size_t kKeysMax = 1'000;  // that completion offers

constexpr const char* kHelp =
    R"(Commands are those of `atoll`, without the word `atoll`; "COMMAND --help" says what one takes.
Quotes ('...' or "...") and backslashes keep words together; # begins a comment.

  use REGION | NODE      ask this region, or this node and no other
  use any                ask the nearest region, and the next one while it does not answer
  session on | off       read what you wrote, in every region, from now on | no more
  session wait | elsewhere | stale
                         what a region does that lacks some of what the session has seen
  session join TOKEN     go on from where another session stands
  token                  the session's token, for --session, `session join` or ATOLL.TOKEN
  exit                   so does Ctrl-D

)";

class Shell {
 public:
  Shell(const Globals& globals, const topology::Topology& topology) : topology_(topology) {
    state_.topology_file = topology_path(globals);
    for (const topology::Region& region : topology.regions) places_.push_back(region.name);
    for (const topology::Node& node : topology.nodes) places_.push_back(node.name);
    places_.push_back("any");
    CLI::App app;
    Globals none;
    none.shell = &state_;
    register_all(app, none);
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
      commands_.push_back(command->get_name());
      for (const CLI::Option* option : command->get_options())
        for (const std::string& name : option->get_lnames())
          options_.insert({command->get_name(), "--" + name});
    }
    commands_.insert(commands_.end(), std::begin(kBuiltins), std::end(kBuiltins));
  }

  // Until the lines end; the highest exit status of all.
  int run() {
    LineEditor editor({history_file(), [this] { return prompt(); },
                       [this](const std::string& line) { return candidates(line); }});
    if (editor.interactive())
      std::cout << "Atoll, cluster " << topology_.cluster << ". \"help\" lists what there is.\n";
    int worst = 0;
    while (!ended_) {
      const auto line = editor.next();
      if (!line) break;
      const auto words = split_words(*line);
      if (words && words->empty()) continue;
      editor.remember(*line);
      const int status = words ? run_line(*words) : report("shell", words.error());
      std::cout << std::flush;
      worst = std::max(worst, status);
    }
    if (editor.interactive() && !ended_) std::cout << std::endl;
    return editor.interactive() ? 0 : worst;
  }

 private:
  static std::string history_file() {
    if (const char* file = std::getenv("ATOLL_HISTORY")) return file;  // empty: none
    const char* home = std::getenv("HOME");
    return home == nullptr ? "" : std::string(home) + "/.atoll_history";
  }

  std::string prompt() const {
    std::string at = state_.node.empty() ? state_.region : state_.node;
    if (at.empty()) at = state_.any_region ? "any" : "nearest";
    return "atoll " + at + (state_.in_session ? " (session)" : "") + "> ";
  }

  int run_line(const std::vector<std::string>& words) {
    const std::string& verb = words[0];
    if (verb == "exit" || verb == "quit") {
      ended_ = true;
      return 0;
    }
    if (verb == "help") {
      std::cout << kHelp;
      return run_command({"--help"}, &state_);
    }
    if (verb == "use") return use(words);
    if (verb == "session") return session(words);
    if (verb == "token") return token(words);
    if (verb == "shell") return wrong("shell", "found \"shell\" in a shell, expected one of its commands");
    if (words.size() > 1 && keys_.size() < kKeysMax) keys_.insert(words[1]);
    return run_command(words, &state_);
  }

  static int wrong(const std::string& command, const std::string& what) {
    std::cerr << "atoll " << command << ": " << what << "\n";
    return kUsageStatus;
  }

  int use(const std::vector<std::string>& words) {
    const std::string place = words.size() == 2 ? words[1] : "";
    if (std::find(places_.begin(), places_.end(), place) == places_.end()) {
      std::string expected;
      for (const std::string& one : places_) expected += (expected.empty() ? "" : ", ") + one;
      return wrong("use",
                   (words.size() == 2 ? "found \"" + place + "\", " : "") + "expected one of " + expected);
    }
    state_.region = topology_.find_region(place) != nullptr ? place : "";
    state_.node = topology_.find(place) != nullptr ? place : "";
    state_.any_region = place == "any";
    return 0;
  }

  int session(const std::vector<std::string>& words) {
    const std::string what = words.size() > 1 ? words[1] : "on";
    if (what == "join" && words.size() == 3) return join(words[2]);
    if (words.size() > 2 || what == "join")
      return wrong("session", "expected on, off, wait, elsewhere, stale or join TOKEN");
    if (const auto when = when_behind_from(what)) {
      state_.when_behind = *when;
    } else if (what != "on" && what != "off") {
      return wrong("session",
                   "found \"" + what + "\", expected on, off, wait, elsewhere, stale or join TOKEN");
    }
    state_.in_session = what != "off";
    if (what == "off") state_.token.clear();
    return 0;
  }

  int join(const std::string& text) {
    const auto token = region::token_from_text(text);
    const auto joined = token ? region::join_tokens(state_.token, *token)
                              : Result<Bytes>(Errc::corrupt, "found no token, expected what `token` prints");
    if (!joined) return report("session join", joined.error());
    state_.token = *joined;
    state_.in_session = true;
    return 0;
  }

  int token(const std::vector<std::string>& words) {
    if (words.size() > 1) return wrong("token", "found \"" + words[1] + "\", expected nothing behind it");
    if (!state_.in_session) return wrong("token", "there is no session; `session on` begins one");
    std::cout << region::token_text(state_.token) << "\n";
    return 0;
  }

  std::vector<std::string> candidates(const std::string& line) const {
    std::istringstream text(line);
    std::vector<std::string> words;
    for (std::string word; text >> word;) words.push_back(word);
    const bool begun = !line.empty() && line.back() != ' ';  // the last word is being typed
    const size_t place = words.size() - (begun ? 1 : 0);
    if (place == 0) return commands_;
    if (words[0] == "use") return place == 1 ? places_ : std::vector<std::string>();
    if (words[0] == "session")
      return place == 1 ? std::vector<std::string>{"on", "off", "wait", "elsewhere", "stale", "join"}
                        : std::vector<std::string>();
    if (words[place - 1] == "--region" || words[place - 1] == "--node") return places_;
    std::vector<std::string> out;
    if (begun && words.back().starts_with("-")) {
      for (const auto& [command, option] : options_)
        if (command == words[0]) out.push_back(option);
    } else if (place == 1) {
      out.assign(keys_.begin(), keys_.end());
    }
    return out;
  }

  const topology::Topology& topology_;
  ShellState state_;
  std::vector<std::string> commands_, places_;
  std::set<std::pair<std::string, std::string>> options_;  // command, option
  std::set<std::string> keys_;                             // that this shell has named
  bool ended_ = false;
};

}  // namespace

void register_shell(CLI::App& app, Globals& globals) {
  CLI::App& command = *app.add_subcommand("shell", "a prompt for all of these commands; also for a pipe");
  add_common_options(command, globals);
  command.callback([&globals] {
    const auto topology = load_topology(globals);
    globals.exit_status = topology ? Shell(globals, *topology).run() : report("shell", topology.error());
  });
}

}  // namespace atolldb::tools
