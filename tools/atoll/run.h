#pragma once
// One command line, from its words to its exit status: what `atoll` does with its arguments, and the shell
// with each line.

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace atolldb::tools {

struct Globals;
struct ShellState;

inline constexpr int kUsageStatus = 2;  // the command line itself is wrong; 1 is a command that failed

// `words` without the program's name. `shell`: of the shell whose line it is; null: none.
int run_command(const std::vector<std::string>& words, ShellState* shell);

// All subcommands on a line of the shell's, or of the program's own.
void register_all(CLI::App& app, Globals& globals);

}  // namespace atolldb::tools
