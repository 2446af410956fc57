#pragma once
// Lines from whoever types them, or from a pipe. At a terminal: a prompt, history with search, completion
// (libedit, whose keys ~/.editrc changes). From a pipe: line after line, without a prompt.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace atolldb::tools {

class LineEditor {
 public:
  struct Config {
    std::string history_file;             // empty: none is kept
    std::function<std::string()> prompt;  // asked for each line
    // The words that may stand where the last word of the line is being typed; it may be empty.
    std::function<std::vector<std::string>(const std::string& line)> candidates;
  };

  explicit LineEditor(Config config);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  bool interactive() const { return interactive_; }
  // The next line without its end. Nothing: there are no more.
  std::optional<std::string> next();
  // Into the history, here and in the file; not the same line twice in a row.
  void remember(const std::string& line);

 private:
  struct Terminal;
  std::optional<std::string> next_typed();

  Config config_;
  bool interactive_;
  std::unique_ptr<Terminal> terminal_;  // null: a pipe
};

// While standard input is read to its end: a terminal shows what is typed, line by line, and Ctrl-D ends it,
// whatever the shell has made of it.
class WholeInput {
 public:
  WholeInput();
  ~WholeInput();
  WholeInput(const WholeInput&) = delete;
  WholeInput& operator=(const WholeInput&) = delete;

 private:
  struct Mode;
  std::unique_ptr<Mode> before_;  // null: no terminal
};

}  // namespace atolldb::tools
